"""What the user writes: config classes, text to checked types, overrides."""
