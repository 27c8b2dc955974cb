"""What may leave the process: secrets are blanked, and control characters and formulas are made harmless."""
