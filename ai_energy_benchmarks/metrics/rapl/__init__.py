"""The energy counters of processors and memory."""
