"""The cells of a study as rows, a table for a paper, and a page with charts."""
