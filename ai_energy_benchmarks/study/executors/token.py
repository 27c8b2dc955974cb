"""The file by which a node recognises that it sees the directory of a study."""

from __future__ import annotations

import secrets
from pathlib import Path

from ai_energy_benchmarks.results.writing import write_text

TOKEN_FILE = ".nodes"


def token_of(directory: Path) -> str:
    """The token of a study's directory, which is drawn once: jobs of a process that was killed still know it."""
    try:
        token = (directory / TOKEN_FILE).read_text(encoding="utf-8")
    except OSError:
        token = ""
    if not token:
        token = secrets.token_hex(16)
        write_text(directory / TOKEN_FILE, token)
    return token


def has_token(directory: Path, token: str) -> bool:
    """Whether this machine sees that directory."""
    try:
        return (directory / TOKEN_FILE).read_text(encoding="utf-8") == token
    except OSError:
        return False
