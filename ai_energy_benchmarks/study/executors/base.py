"""The contract of what runs the cells of a study: commands go in, how each ended comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, runtime_checkable

from attrs import field, frozen

from ai_energy_benchmarks.study.commands import Detached

How = Literal["exited", "timed out", "silent", "interrupted", "lost"]

# The reason of a cell that the user has cut short.
STOPPED = "the study was stopped"


@frozen
class CellRun:
    """One process of one cell, ready to be started.

    Attributes:
        cell: the cell's id.
        cycle: from 1.
        command: the whole command line; its last part is the path of the cell's config.
        directory: the result directory, which exists and holds ``cell.yaml``.
        log: gets what the process prints; it is appended to.
        environment: variables to set in addition to those that the process inherits.
        gpus: UUIDs of the GPUs that it may use, which ``environment`` restricts it to; empty where there are none.
        timeout_s: after so long it is ended with all its descendants; None waits.
        silence_s: it is ended if it has neither printed nor written anything for so long; None waits.
        block: cells in a row with the same one may share a process in which the model stays loaded; empty if not.
        unset: variables that it must not inherit.
        shared_command: starts the process that the cells of a block share, once the number of the descriptor that it
            reports to is added.
        detached: what of it runs outside the process, such as a container; it is ended too. None where nothing does.
        working_directory: where the process starts; that of the study if None.
    """

    cell: str
    cycle: int
    command: tuple[str, ...]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(factory=dict)
    gpus: tuple[str, ...] = ()
    timeout_s: float | None = None
    silence_s: float | None = None
    block: str = ""
    unset: tuple[str, ...] = ()
    shared_command: tuple[str, ...] = ()
    detached: Detached | None = None
    working_directory: Path | None = None

    def variables(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of the process, from the one that it would inherit."""
        kept = {name: value for name, value in inherited.items() if name not in self.unset}
        return {**kept, **self.environment}


@frozen
class NodeFacts:
    """Where a cell ran, if it was not this machine.

    Attributes:
        host: name of the node.
        gpus: UUIDs of the GPUs that the scheduler gave.
        started_utc: when its process was started there.
        gap_s: how long the node had rested before.
        environment: fingerprint of the node, see ``study.drift``.
        scheduler: what the scheduler says of it: its job, its node's id.
    """

    host: str
    gpus: tuple[str, ...] = ()
    started_utc: str = ""
    gap_s: float = 0.0
    environment: Mapping[str, object] = field(factory=dict)
    scheduler: Mapping[str, str] = field(factory=dict)


@frozen
class CellEnd:
    """How one process ended. Whether the cell is complete is for its result directory to say.

    Attributes:
        how: ``exited`` by itself, ended by a limit or by the user, or ``lost`` with the machine that ran it.
        exit_code: of the process; None where there is none. Negative is the number of a signal.
        reason: what the executor knows beyond that, in a sentence.
        node: where it ran; None for this machine.
    """

    run: CellRun
    how: How
    exit_code: int | None
    wall_s: float
    reason: str = ""
    node: NodeFacts | None = None


@frozen
class CellJob:
    """A cell was handed over to a scheduler, as a job that may outlive this process."""

    run: CellRun
    job: str


class Stop(Protocol):
    """What the user wants of the cells that run."""

    @property
    def finish(self) -> bool:
        """Finish the trials under way, and start no further ones."""


class Executor(Protocol):
    """``with executor:`` connects to what runs the cells; leaving ends whatever still runs."""

    def __enter__(self) -> Executor: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(self, cells: Iterator[CellRun], stop: Stop) -> Iterator[CellEnd | CellJob]:
        """Run cells and yield how each ended, in whichever order they do; before that, which job it became.

        The next of ``cells`` is taken when there is room for it: taking it rests the machine as the design says and
        notes the start, so an executor with one place takes one, runs it, yields, and takes the next. One that hands
        over a cycle at once, such as a scheduler's job array, takes them all. ``KeyboardInterrupt`` stops now.
        """


@runtime_checkable
class Distributed(Protocol):
    """What an executor of several nodes does in addition.

    It runs many cells at a time. Once ``stop.finish`` is true it hands over no further cell, and those that it has
    handed over and that have not begun come back as interrupted.
    """

    def adopt(self, jobs: Sequence[CellJob], stop: Stop) -> Iterator[CellEnd]:
        """Wait for the jobs of a process that was killed; ends other jobs that it had handed over."""
