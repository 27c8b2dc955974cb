"""The file by which a node recognises that it sees the directory of a study."""

from __future__ import annotations

import secrets
from pathlib import Path

from ai_energy_benchmarks.results.writing import write_text

TOKEN_FILE = ".nodes"


def write_token(directory: Path) -> str:
    """Write a fresh token into a study's directory; another directory at the same path does not have it."""
    token = secrets.token_hex(16)
    write_text(directory / TOKEN_FILE, token)
    return token


def has_token(directory: Path, token: str) -> bool:
    """Whether this machine sees that directory."""
    try:
        return (directory / TOKEN_FILE).read_text(encoding="utf-8") == token
    except OSError:
        return False
