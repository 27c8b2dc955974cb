"""The operating system and the driver of the GPUs, read in one place each."""
