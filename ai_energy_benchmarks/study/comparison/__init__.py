"""Comparisons: which of two sets of results uses more, and whether they may be compared at all."""
