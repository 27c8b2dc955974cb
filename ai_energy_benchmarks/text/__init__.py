"""Text becomes checked types: YAML with positions, problems with their paths, the strict converter."""
