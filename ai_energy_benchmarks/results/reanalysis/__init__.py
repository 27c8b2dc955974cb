"""Every figure of a result directory, recomputed from its raw series."""
