"""Reasoning formats: a prompt and parameters in, messages and template arguments out."""
