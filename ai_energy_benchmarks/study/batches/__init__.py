"""Batches of AI Energy Score: every model of a list, and the master table of their results."""
