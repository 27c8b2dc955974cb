"""Servers that speak the OpenAI protocol, attached to or started here."""
