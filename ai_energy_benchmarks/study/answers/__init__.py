"""Answers of a study: what each cell uses, which one is the cheapest, and what each axis does."""
