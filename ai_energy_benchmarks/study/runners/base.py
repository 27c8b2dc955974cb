"""The contract of what a cell runs in: its config goes in, the command that measures it comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ai_energy_benchmarks.study.commands import CellCommand
from ai_energy_benchmarks.study.runners.handshake import Answer


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


@frozen
class Enquiry:
    """What the environment of a runner is asked before the first cell.

    Attributes:
        configs: engine → mappings of some of its cells' configs, which are checked there.
        texts: the same as YAML, with ``${NAME}`` in the place of secrets.
        variables: environment variables with these secrets.
        gpus: UUIDs of the GPUs that cells are restricted to; empty for those that this process sees.
    """

    configs: Mapping[str, Sequence[Mapping[str, object]]]
    texts: Mapping[str, Sequence[str]]
    variables: Mapping[str, str]
    gpus: tuple[str, ...] = ()


class CellRunner(Protocol):
    """Where the process of a cell runs."""

    def record(self) -> Mapping[str, str]:
        """What the manifest says of it; ``kind`` is ``process``, ``venv`` or ``container``."""

    def pinned(self) -> CellRunner:
        """The same runner with what names its environment for good, such as the digest of an image.

        Raises:
            ConfigError: it cannot run cells here.
        """

    def ask(self, enquiry: Enquiry) -> Answer:
        """What its environment is, and which of the engines it lacks.

        Raises:
            ConfigError: it cannot run cells at all.
        """

    def command(self, work: CellWork) -> CellCommand:
        """How the process of a cell is started."""
