"""What a study file declares: its cells, their order, and what they would take."""
