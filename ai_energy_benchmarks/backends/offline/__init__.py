"""Serving engines in this process, without a server."""
