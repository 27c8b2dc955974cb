"""The report document: one benchmark as plain JSON values."""
