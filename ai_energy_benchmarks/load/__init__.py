"""When the next request leaves."""
