"""Where the process of a cell runs: in this environment, in a venv, or in a container; one file per runner."""
