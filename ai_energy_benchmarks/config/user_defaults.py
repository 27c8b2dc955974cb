"""The user's own defaults: keys of a config that the command line lays under every config it runs.

They stand in ``defaults.yaml`` of the platform's configuration directory (on Linux
``~/.config/ai_energy_benchmarks``). Only commands read them: a library that looked into its user's home would give two
users two results. ``AEB_NO_USER_DEFAULTS=1`` leaves them out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.config.aienergyscore.legacy import modernise
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text import yaml_text
from ai_energy_benchmarks.text.problems import Place, Problem, refusal, shown

SWITCH = "AEB_NO_USER_DEFAULTS"
_OFF = ("", "0", "false")
# Older key → today's key in the same block, which it replaces.
_REPLACES = {"reporter": "reporters", "type": "collectors"}


@frozen
class UserDefaults:
    """The defaults as read.

    Attributes:
        file: its path, with ``~`` for the home directory, fit to be shown and published.
        mapping: any keys of a config, none of them checked yet.
    """

    file: str
    mapping: Mapping[str, object]

    @property
    def backend(self) -> str | None:
        """The default ``backend.type``, if there is one."""
        block = self.mapping.get("backend")
        name = block.get("type") if isinstance(block, Mapping) else None
        return name if isinstance(name, str) else None

    def under(self, mapping: Mapping[str, object]) -> dict[str, object]:
        """What ``mapping`` says, and the defaults where it says nothing.

        Args:
            mapping: a config, none of it checked yet.
        """
        return laid_under(self.mapping, mapping)


def laid_under(defaults: Mapping[str, object], mapping: Mapping[str, object]) -> dict[str, object]:
    """Blocks are merged key by key; a block of another ``type`` keeps only what it says itself."""
    result = {key: value for key, value in defaults.items() if not _replaced(key, mapping)}
    for key, value in mapping.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and not _of_other_type(below, value):
            result[key] = laid_under(below, value)
        else:
            result[key] = value
    return result


def read_user_defaults(variables: Mapping[str, str] = os.environ) -> UserDefaults | None:
    """The defaults of this user; None without a file, with nothing in it, or where the variable turns them off.

    Raises:
        ConfigError: the file cannot be read, or is no mapping.
    """
    if variables.get(SWITCH, "").lower() not in _OFF:
        return None
    from platformdirs import user_config_path

    file = user_config_path("ai_energy_benchmarks") / "defaults.yaml"
    if not file.is_file() or not _says_something(file):
        return None
    document, name = yaml_text.read(file), _with_tilde(file)
    if not isinstance(document.value, Mapping):
        raise ConfigError(f"{name} must hold keys of a config, got {shown(document.value)}", remedy=f"correct {name}")
    modern = modernise(document.value)
    problems = [*document.problems, *modern.problems]
    if problems:
        raise _refusal(name, document, problems)
    return UserDefaults(name, modern.mapping)


def _refusal(name: str, document: yaml_text.Document, problems: list[Problem]) -> ConfigError:
    remedy = f"correct these keys, or set {SWITCH}=1 to ignore the file"
    return refusal(name, problems, lambda path: Place(document.line(path)), remedy=remedy)


def _says_something(file: Path) -> bool:
    """Whether there is a line that is no comment; a file that cannot be read is left for the reader to refuse."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return True
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


def _replaced(key: str, mapping: Mapping[str, object]) -> bool:
    return any(older in mapping and key == newer for older, newer in _REPLACES.items())


def _of_other_type(below: Mapping[object, object], above: Mapping[object, object]) -> bool:
    return "type" in below and "type" in above and below["type"] != above["type"]


def _with_tilde(file: Path) -> str:
    """No name of a user in results."""
    home = Path.home()
    return f"~/{file.relative_to(home).as_posix()}" if file.is_relative_to(home) else str(file)
