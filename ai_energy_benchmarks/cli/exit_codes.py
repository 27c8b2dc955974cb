"""What the process's exit code says."""

DONE = 0
RUN_FAILED = 1
CONFIG = 2
VERDICT_FAILED = 3
INTERRUPTED = 130
