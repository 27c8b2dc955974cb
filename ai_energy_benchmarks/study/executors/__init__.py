"""What runs the cells of a study: one file per executor, one for the contract."""
