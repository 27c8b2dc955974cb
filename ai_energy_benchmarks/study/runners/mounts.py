"""What of the host a container sees: every path is the same inside, so that configs and reports mean the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.processes import PROC
from ai_energy_benchmarks.text import yaml_text

_NAMES = ("scenario.dataset_name", "backend.model")  # of a file next to the study, or of something else
# Of the kernel: the container has its own.
_KERNEL = (str(PROC), "/sys", "/dev")


@frozen
class Mount:
    """One path of the host.

    Attributes:
        target: where the container has it.
        writable: whether it may change it.
    """

    source: str
    target: str
    writable: bool = False

    def bind(self) -> str:
        """``SOURCE:TARGET`` or ``SOURCE:TARGET:ro``, as apptainer reads it."""
        return f"{self.source}:{self.target}" if self.writable else f"{self.source}:{self.target}:ro"

    def mount(self) -> str:
        """As docker and podman read it; unlike the shorter form, it makes no directory where there is none."""
        readonly = "" if self.writable else ",readonly"
        return f"type=bind,source={self.source},target={self.target}{readonly}"


def same(path: Path, *, writable: bool = False) -> Mount:
    """A path at its own place.

    Raises:
        ConfigError: it has a colon or a comma, which separate paths in the arguments of container engines.
    """
    whole = os.path.abspath(path)
    if ":" in whole or "," in whole:
        text = f"{whole} cannot be mounted into a container: it has a colon or a comma"
        raise ConfigError(text, remedy="rename it")
    return Mount(whole, whole, writable)


def mounts_of(config: str) -> Iterator[Mount]:
    """The files and directories of this machine that a config names: model, dataset, options, recordings.

    Args:
        config: its text.

    Raises:
        ConfigError: one is relative, or begins with ``~``: it is another path in a container.
    """
    value = yaml_text.parse(config, "the config of a cell").value
    for key, text in _texts(value):
        path = Path(text)
        relative = not path.is_absolute() and (os.sep in text or key in _NAMES) and _exists(path)
        if text.startswith("~") or relative:
            raise ConfigError(f"{key}: {text} is another path in a container", remedy="write the whole path")
        if path.is_absolute() and not text.startswith(_KERNEL) and path.parent != path and _exists(path):
            yield same(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a path, or with a NUL character
        return False


def _texts(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key and text of every text in the blocks that name files."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if key or name in ("backend", "scenario", "metrics"):
                yield from _texts(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, key)
    elif isinstance(value, str):
        yield key, value


def hub_home() -> Path:
    """Where Hugging Face libraries keep models and the user's token (huggingface_hub, "Environment variables")."""
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "huggingface"
