"""The ``ai-energy-benchmark`` command: thin, and the only place that sets exit codes."""
