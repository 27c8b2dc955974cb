"""``manifest.jsonl``: what has become of every cell of a study, as events that are only ever added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import define, evolve, field, frozen

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.json_text import parsed

MANIFEST_FILE = "manifest.jsonl"
# 1: the first. 2: executors of several nodes: the state "lost", the events "submitted" and "node", "host" of "ended".
SCHEMA_VERSION = 2

CellState = Literal["completed", "failed", "timed out", "silent", "interrupted", "lost"]
CloseReason = Literal["completed", "interrupted", "budget", "failing", "disk"]
_REMEDY = "give the directory of a study, which holds study.yaml and manifest.jsonl"
_MOST_NAMED = 3


@frozen
class Attempt:
    """One process of one cell, as the manifest has it.

    Attributes:
        cell: the cell's id.
        cycle: from 1.
        position: in the order of the cycle, from 0.
        number: of this attempt at the cell in this cycle, from 1.
        directory: the result directory, relative to that of the study.
        state: None while it runs, or where it was killed together with the study.
        verdict: ``PASS``, ``WARN`` or ``FAIL`` of a completed one, else empty.
        reason: why it did not complete.
        wall_s: from the start of the process to its end.
        gap_s: how long the machine had rested before it.
        gate: what the thermal gate did before it; empty without one.
        gpus: UUIDs of the GPUs that it could use.
        runner: where it ran: ``kind`` (``process``, ``venv`` or ``container``) and what names it; empty in manifests
            of older versions, which knew processes only.
        host: the node that it ran on; empty for the machine that runs the study.
        job: of the scheduler that it was handed over to; empty without one.
    """

    cell: str
    cycle: int
    position: int
    number: int
    directory: str
    started_utc: str
    state: CellState | None = None
    verdict: str = ""
    reason: str = ""
    exit_code: int | None = None
    wall_s: float | None = None
    ended_utc: str | None = None
    gap_s: float = 0.0
    gate: str = ""
    gpus: tuple[str, ...] = ()
    runner: Mapping[str, str] = field(factory=dict)
    host: str = ""
    job: str = ""


@frozen
class Manifest:
    """All that happened in a study so far.

    Attributes:
        attempts: every process, in the order in which they were started.
        orders: cycle → the cells' ids in their order.
        order_seeds: cycle → the seed that shuffled them.
        environment: what the machine was when the study began.
        closed: why the last process left the study; None while it runs, or where it was killed.
        nodes: host → what a node was when a cell last ran on it; empty where all ran on the study's machine.
    """

    study_sha256: str
    seed: int
    environment: Mapping[str, object]
    attempts: tuple[Attempt, ...]
    orders: Mapping[int, tuple[str, ...]]
    order_seeds: Mapping[int, int | None]
    closed: CloseReason | None
    nodes: Mapping[str, Mapping[str, object]] = field(factory=dict)

    @property
    def latest(self) -> dict[tuple[str, int], Attempt]:
        """Cell and cycle → its last attempt."""
        return {(each.cell, each.cycle): each for each in self.attempts}

    def completed(self, cell: str) -> tuple[Attempt, ...]:
        """The completed attempts of a cell, one a cycle."""
        return tuple(each for each in self.latest.values() if each.cell == cell and each.state == "completed")


def has_begun(directory: Path) -> bool:
    """Whether a directory holds a study: its first event is on the disk."""
    try:
        with (directory / MANIFEST_FILE).open("rb") as file:
            return file.readline().endswith(b"\n")
    except OSError:
        return False


def read_manifest(directory: str | Path) -> Manifest:
    """Read the manifest of a study; a last line that was cut short by a crash is ignored.

    Raises:
        ConfigError: there is none, a line is not an event, or a newer version of this package wrote it.
    """
    file = Path(directory) / MANIFEST_FILE
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_study(Path(directory)) from error
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror or error}", remedy=_REMEDY) from error
    whole, _, _ = content.rpartition(b"\n")
    if not whole:
        text = f"the study in {directory} never began: something was in the way before its first cell"
        raise ConfigError(text, remedy="run its file again")
    reading = _Reading(file)
    for number, line in enumerate(whole.split(b"\n"), start=1):
        reading.add(number, line)
    return reading.manifest()


def _no_study(directory: Path) -> ConfigError:
    """The error for a directory without a manifest, which names the studies in it."""
    if not directory.is_dir():
        return ConfigError(f"there is no directory {directory}", remedy=_REMEDY)
    studies = [str(file.parent) for file in sorted(directory.glob(f"*/{MANIFEST_FILE}"))[:_MOST_NAMED]]
    remedy = f"give one of the studies in it: {', '.join(studies)}" if studies else _REMEDY
    return ConfigError(f"{directory} holds no study: it has no {MANIFEST_FILE}", remedy=remedy)


@define
class _Reading:
    """Folds events into what they mean."""

    file: Path
    opened: Mapping[str, object] | None = None
    closed: CloseReason | None = None
    attempts: dict[tuple[str, int, int], Attempt] = field(factory=dict)
    orders: dict[int, tuple[str, ...]] = field(factory=dict)
    seeds: dict[int, int | None] = field(factory=dict)
    nodes: dict[str, Mapping[str, object]] = field(factory=dict)

    def add(self, number: int, line: bytes) -> None:
        try:
            self._fold(parsed(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            text = f"{self.file}, line {number} is not an event of a study: {error}"
            raise ConfigError(text, remedy="restore the file from a copy; only its last line may be cut") from error

    def _fold(self, event: Mapping[str, object]) -> None:
        match event["event"]:
            case "opened":
                self._check_version(event)
                self.opened = self.opened or event
                self.closed = None
            case "cycle":
                cycle = _whole(event["cycle"])
                self.orders[cycle] = tuple(map(str, _listed(event["order"])))
                self.seeds[cycle] = None if event["seed"] is None else _whole(event["seed"])
            case "started":
                attempt = _started(event)
                self.attempts[attempt.cell, attempt.cycle, attempt.number] = attempt
            case "submitted":
                key = str(event["cell"]), _whole(event["cycle"]), _whole(event["attempt"])
                self.attempts[key] = evolve(self.attempts[key], job=str(event["job"]))
            case "node":
                facts = event["environment"]
                self.nodes[str(event["host"])] = facts if isinstance(facts, Mapping) else {}
            case "ended":
                key = str(event["cell"]), _whole(event["cycle"]), _whole(event["attempt"])
                self.attempts[key] = _ended(self.attempts[key], event)
            case "closed":
                self.closed = event["reason"]  # type: ignore[assignment] # as this package wrote it

    def _check_version(self, event: Mapping[str, object]) -> None:
        version = _whole(event["schema_version"])
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"{self.file} has schema_version {version}; this package knows versions up to {SCHEMA_VERSION}",
                remedy="pip install --upgrade ai_energy_benchmarks",
            )

    def manifest(self) -> Manifest:
        if self.opened is None:
            raise ConfigError(f"{self.file} does not hold the start of a study", remedy=_REMEDY)
        environment = self.opened["environment"]
        return Manifest(
            study_sha256=str(self.opened["study_sha256"]),
            seed=_whole(self.opened["seed"]),
            environment=environment if isinstance(environment, Mapping) else {},
            attempts=tuple(self.attempts.values()),
            orders=self.orders,
            order_seeds=self.seeds,
            closed=self.closed,
            nodes=self.nodes,
        )


def _started(event: Mapping[str, object]) -> Attempt:
    return Attempt(
        cell=str(event["cell"]),
        cycle=_whole(event["cycle"]),
        position=_whole(event["position"]),
        number=_whole(event["attempt"]),
        directory=str(event["directory"]),
        started_utc=str(event["at_utc"]),
        gap_s=_number(event["gap_s"]),
        gate=str(event["gate"]),
        gpus=tuple(map(str, _listed(event["gpus"]))),
        runner=_texts(event.get("runner")),
    )


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(part) for key, part in value.items()} if isinstance(value, Mapping) else {}


def _ended(attempt: Attempt, event: Mapping[str, object]) -> Attempt:
    return evolve(
        attempt,
        state=event["state"],  # type: ignore[arg-type] # as this package wrote it
        verdict=str(event["verdict"]),
        reason=str(event["reason"]),
        exit_code=None if event["exit_code"] is None else _whole(event["exit_code"]),
        wall_s=None if event["wall_s"] is None else float(event["wall_s"]),  # type: ignore[arg-type] # as in _started
        ended_utc=str(event["at_utc"]),
        host=str(event.get("host", "")),
        # Only the node knows them; they are as at the start where the cell ran on the machine of the study.
        gap_s=_number(event["gap_s"]) if "host" in event else attempt.gap_s,
        gpus=tuple(map(str, _listed(event["gpus"]))) if "host" in event else attempt.gpus,
    )


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type] # a number, else this raises what add() reports


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _listed(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return value
