"""The order of one study: what is checked before it, which cell runs next, and what becomes of it."""
