"""What goes to a node and what comes back, as plain values: schedulers carry nothing else of ours."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from attrs import asdict, define, field, frozen

from ai_energy_benchmarks.results.writing import write_text
from ai_energy_benchmarks.study.commands import Detached
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun, NodeFacts

Placement = Literal["cycle", "cell"]
# Variables that a config names in the place of a value, as ``text.yaml_text`` reads them.
_NAMED = re.compile(r"\$\{(\w+)")


@frozen
class Site:
    """What all cells of a study have in common when they leave this machine.

    Attributes:
        directory: of the study, absolute.
        name: of the study.
        version: of this package, which a node must have too.
        working_directory: where relative paths of configs begin.
        placement: what stays on one node: the cells of a cycle, or a cell.
        gap_s: rest of a node between two cells.
        variables: of this process that change what a cell does; a node's own do not count.
    """

    directory: Path
    name: str
    version: str
    working_directory: Path
    placement: Placement = "cycle"
    gap_s: float = 0.0
    variables: Mapping[str, str] = field(factory=dict)


@frozen
class CellOrder:
    """One cell on its way to a node.

    Attributes:
        variables: names and values of its environment; only what no file may hold stays out of an order on a disk.
        config: text of its config, for a node that does not see the study's directory.
        unset: variables of the node that it must not inherit.
        detached: how a container of the cell is ended.
        token: what a file in the study's directory holds, by which a node recognises the directory.
    """

    cell: str
    cycle: int
    command: tuple[str, ...]
    directory: str
    log: str
    config: str
    study: str
    version: str
    working_directory: str
    token: str
    variables: Mapping[str, str] = field(factory=dict, repr=False)
    timeout_s: float | None = None
    silence_s: float | None = None
    gap_s: float = 0.0
    unset: tuple[str, ...] = ()
    detached: Detached | None = None

    @property
    def end_file(self) -> Path:
        """Where a node that sees the directory leaves how the cell ended."""
        return end_file(Path(self.log))

    def text(self) -> str:
        """As a line of JSON, without the values of its environment."""
        return json.dumps({**asdict(self), "variables": {}})


def end_file(log: Path) -> Path:
    """Next to the log of an attempt."""
    return log.with_suffix(".end.json")


def order_of(run: CellRun, site: Site, token: str) -> CellOrder:
    """The order for a cell."""
    directory = run.directory.absolute()
    config = Path(run.command[-1])
    text = config.read_text(encoding="utf-8")
    named = {name: value for name in _NAMED.findall(text) if (value := os.environ.get(name)) is not None}
    carried = {**site.variables, **named}
    return CellOrder(
        cell=run.cell,
        cycle=run.cycle,
        command=(*run.command[:-1], str(config.absolute())),
        directory=str(directory),
        log=str(run.log.absolute()),
        config=text,
        study=str(site.directory),
        version=site.version,
        working_directory=str(site.working_directory),
        token=token,
        variables={name: value for name, value in carried.items() if name not in run.unset} | dict(run.environment),
        timeout_s=run.timeout_s,
        silence_s=run.silence_s,
        gap_s=site.gap_s,
        unset=run.unset,
        detached=run.detached,
    )


def read_order(text: str) -> CellOrder:
    """The order in a line of JSON."""
    values = json.loads(text)
    outside = values["detached"] and Detached(*map(tuple, values["detached"].values()))
    lists = {name: tuple(values[name]) for name in ("command", "unset")}
    return CellOrder(**{**values, **lists, "detached": outside})


def end_of(run: CellRun, text: str) -> CellEnd:
    """How a cell ended, from what a node returned."""
    values = json.loads(text)
    node = values["node"]
    return CellEnd(
        run, values["how"], values["exit_code"], values["wall_s"], values["reason"],
        NodeFacts(**{**node, "gpus": tuple(node["gpus"])}),
    )  # fmt: skip


def end_text(end: CellEnd) -> str:
    """What a node returns, as JSON."""
    assert end.node is not None, "a node knows itself"
    return json.dumps({"how": end.how, "exit_code": end.exit_code, "wall_s": end.wall_s, "reason": end.reason,
                       "node": asdict(end.node)})  # fmt: skip


def write_end(file: Path, end: CellEnd) -> None:
    """Leave how a cell ended in its directory, whole or not at all."""
    write_text(file, end_text(end))


def read_end(run: CellRun) -> CellEnd | None:
    """How a cell ended, if its node has left that; None while it has not."""
    try:
        return end_of(run, end_file(run.log).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


@define
class Lanes:
    """Groups cells into lanes: what one node runs one after the other.

    The first cell of the next lane is taken together with the last of this one: only then is it known to be the last.

    Attributes:
        ahead: that cell, which is in no lane yet; at most one.
    """

    cells: Iterator[CellRun]
    placement: Placement
    ahead: list[CellRun] = field(factory=list)

    def next(self) -> list[CellRun]:
        """The next lane; empty once there are no more cells."""
        lane, self.ahead = self.ahead, []
        for cell in self.cells:
            if lane and (self.placement == "cell" or cell.cycle != lane[-1].cycle):
                self.ahead = [cell]
                break
            lane.append(cell)
        return lane


def not_begun(run: CellRun, reason: str, *, lost: bool = False) -> CellEnd:
    """The end of a cell that was handed over and did not begin."""
    return CellEnd(run, "lost" if lost else "interrupted", None, 0.0, f"not begun: {reason}")
