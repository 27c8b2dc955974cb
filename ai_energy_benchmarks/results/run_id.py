"""The name of one run, the same in every file that it writes."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

_LINE = re.compile(r"\A# run_id: (\S+)\n")


def new_run_id(started: datetime) -> str:
    """The time of the start in UTC and eight random digits, such as ``20250131T120000Z-1f2e3d4c``."""
    return f"{started.strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(4)}"


def with_run_id(config_yaml: str, run_id: str) -> str:
    """A config with the run's id as a comment in its first line."""
    return f"# run_id: {run_id}\n{config_yaml}" if run_id else config_yaml


def run_id_of(config_yaml: str) -> str | None:
    """The id in that line; None if there is none."""
    found = _LINE.match(config_yaml)
    return found.group(1) if found else None


def without_run_id(config_yaml: str) -> str:
    """The config without that line."""
    return _LINE.sub("", config_yaml)
