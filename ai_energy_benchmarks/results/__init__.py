"""Reading and writing result directories."""
