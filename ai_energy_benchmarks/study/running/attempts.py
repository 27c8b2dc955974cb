"""What has become of each cell of a study so far, in the manifest as soon as it happens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from attrs import define, evolve, field

from ai_energy_benchmarks.study.drift import drift
from ai_energy_benchmarks.study.executors.base import CellEnd, NodeFacts
from ai_energy_benchmarks.study.manifest import Attempt
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter
from ai_energy_benchmarks.study.running.judging import Judgement, judge
from ai_energy_benchmarks.study.running.schedule import Turn

logger = logging.getLogger(__name__)


@define
class Attempts:
    """The last attempt of each cell and cycle.

    Attributes:
        directory: the study's.
        latest: cell id and cycle → the last attempt.
        nodes: host → what it was when a cell first ran on it.
    """

    manifest: ManifestWriter
    directory: Path
    latest: dict[tuple[str, int], Attempt] = field(factory=dict)
    nodes: dict[str, Mapping[str, object]] = field(factory=dict)

    def last(self, turn: Turn) -> Attempt | None:
        """The last one of a turn; None before the first."""
        return self.latest.get((turn.cell.id, turn.cycle))

    def lost(self, turn: Turn) -> bool:
        """Whether the last one of a turn was lost with its node."""
        attempt = self.last(turn)
        return attempt is not None and attempt.state == "lost"

    def started(self, turn: Turn, number: int, directory: Path, **more: object) -> None:
        """Write down that an attempt begins in this directory, and with what."""
        self.manifest.add(
            "started", cell=turn.cell.id, cycle=turn.cycle, position=turn.position, attempt=number,
            directory=directory.relative_to(self.directory).as_posix(), **more,
        )  # fmt: skip

    def judged(self, turn: Turn, number: int, end: CellEnd) -> Judgement:
        """Judge an attempt that has ended, and write that down."""
        judgement = judge(end)
        directory = end.run.directory.relative_to(self.directory).as_posix()
        self.ended(Attempt(end.run.cell, end.run.cycle, turn.position, number, directory, ""), judgement, end)
        return judgement

    def ended(self, attempt: Attempt, judgement: Judgement, end: CellEnd | None) -> None:
        """Write down how an attempt ended.

        Args:
            end: None where another process had run it.
        """
        code, wall_s = (end.exit_code, end.wall_s) if end else (None, None)
        node = end.node if end else None
        if node is not None:
            self._note_node(node)
        self.manifest.add(
            "ended", cell=attempt.cell, cycle=attempt.cycle, position=attempt.position, attempt=attempt.number,
            directory=attempt.directory, state=judgement.state, verdict=judgement.verdict, reason=judgement.reason,
            exit_code=code, wall_s=None if wall_s is None else round(wall_s, 3), **_where(node),
        )  # fmt: skip
        self.latest[attempt.cell, attempt.cycle] = evolve(
            attempt, state=judgement.state, verdict=judgement.verdict, reason=judgement.reason, exit_code=code,
            wall_s=wall_s, host=node.host if node else "",
        )  # fmt: skip

    def _note_node(self, node: NodeFacts) -> None:
        """Write down what a node is when a cell first ran on it, and again when that has changed."""
        before = self.nodes.get(node.host)
        if before == node.environment:
            return
        if before is not None:
            logger.warning("node %s is not what it was: %s", node.host, "; ".join(drift(before, node.environment)))
        self.nodes[node.host] = node.environment
        self.manifest.add("node", host=node.host, environment=dict(node.environment))


def _where(node: NodeFacts | None) -> Mapping[str, object]:
    if node is None:
        return {}
    return {"host": node.host, "gpus": list(node.gpus), "gap_s": round(node.gap_s, 3), "began_utc": node.started_utc,
            "scheduler": dict(node.scheduler)}  # fmt: skip
