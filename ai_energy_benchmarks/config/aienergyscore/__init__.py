"""The older names, optimum-style files and container variables that AI Energy Score uses."""
