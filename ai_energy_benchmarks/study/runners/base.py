"""The contract of what a cell runs in: its config goes in, the command that measures it comes out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ai_energy_benchmarks.study.commands import CellCommand


@frozen
class CellWork:
    """A cell whose config is written.

    Attributes:
        config: the file.
        directory: the result directory.
        variables: environment variables with the secrets that the config names.
        gpus: UUIDs of the GPUs that it is restricted to; empty leaves it those that this process sees.
    """

    config: Path
    directory: Path
    variables: Mapping[str, str]
    gpus: tuple[str, ...] = ()


class CellRunner(Protocol):
    """Where the process of a cell runs."""

    def record(self) -> Mapping[str, str]:
        """What the manifest says of it; ``kind`` is ``process``, ``venv`` or ``container``."""

    def command(self, work: CellWork) -> CellCommand:
        """How the process of a cell is started."""
