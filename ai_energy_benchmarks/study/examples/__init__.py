"""Study files to begin with: each a file next to this one, commented for whoever edits it."""

from __future__ import annotations

from pathlib import Path

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.problems import nearest

_DIRECTORY = Path(__file__).parent
STARTER = "starter"


def example_names() -> tuple[str, ...]:
    """The names of all examples, the one for beginners first."""
    names = sorted(file.stem for file in _DIRECTORY.glob("*.yaml"))
    return tuple(sorted(names, key=lambda name: name != STARTER))


def example_text(name: str) -> str:
    """The text of an example.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in example_names():
        names = ", ".join(example_names())
        raise ConfigError(f"there is no example {name!r}{nearest(name, example_names())}", remedy=f"use {names}")
    return (_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")
