"""Windows in real time: our meter, Zeus and CodeCarbon on the same simulated boards, in turn."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from metering_parts import HERE, PEERS, Meter, Simulation
from ratios import Row

from ai_energy_benchmarks.domain.statistics import percentile
from tests.nvml.simulated import Board, Machine, Trace

BOARDS = 4
# A process whose interpreter is busy takes longer to answer.
BUSY_REST_S = 4.0
IDLE_W, REST_S, LEVELS_W = 80.0, 1.0, (90.0, 250.0, 450.0, 700.0)
# How long a meter may take to open once it is loaded; its windows begin after that.
OPENING_S = 8.0
ROUNDING_J = 0.002


@frozen
class Block:
    """Work between two rests, in seconds after the machine's origin."""

    length_s: float
    start_s: float
    stop_s: float


@define
class Errors:
    """What one estimator did in windows of one length."""

    relative: list[float] = field(factory=list)
    held: list[bool] = field(factory=list)


def make_blocks(dice: random.Random, counts: Mapping[float, int], turns: int, rest_s: float = REST_S) -> list[Block]:
    """So many windows of each length for each of ``turns`` meters, with random lengths and phases."""
    time_s, blocks = OPENING_S + 3.0, []
    lengths = [length_s for length_s, count in counts.items() for _ in range(count)]
    dice.shuffle(lengths)
    for length_s in lengths:
        for _ in range(turns):
            seconds = length_s * dice.uniform(0.95, 1.05)
            blocks.append(Block(length_s, time_s, time_s + seconds))
            time_s += seconds + rest_s + 0.1 * dice.random()
    return blocks


def _trace(dice: random.Random, blocks: Sequence[Block]) -> Trace:
    """Idle, and a random telegraph in each block."""
    steps: list[tuple[float, float]] = []
    time_s = 0.0
    for block in blocks:
        steps.append((block.start_s - time_s, IDLE_W))
        left_s = block.stop_s - block.start_s
        while left_s > 0:
            step_s = min(dice.expovariate(1 / 0.06) + 1e-4, left_s)
            steps.append((step_s, dice.choice(LEVELS_W)))
            left_s -= step_s
        time_s = block.stop_s
    return (*steps, (10.0, IDLE_W))


def accuracy_rows(
    simulation: Simulation, pythons: Mapping[str, Path], counts: Mapping[float, int], beside: str = ""
) -> list[Row]:
    """Each meter has each third window; the errors are those of single boards.

    Args:
        beside: what else the meters' processes do all the while; ``loop`` holds their interpreters' locks.
    """
    dice = random.Random(4)
    blocks = make_blocks(dice, counts, len(pythons), BUSY_REST_S if beside else REST_S)
    boards = [
        Board(f"GPU-{i}", _trace(dice, blocks), delay_s=dice.uniform(0, 0.05), phase_s=dice.random() / 10, seed=i)
        for i in range(BOARDS)
    ]
    found: dict[tuple[str, float], Errors] = {}
    with ExitStack() as stack:
        meters = [stack.enter_context(simulation.meter(name, python)) for name, python in pythons.items()]
        machine, opened = open_together(simulation, meters, boards, {"boards": [0], "beside": beside})
        for meter, answer in zip(meters, opened, strict=True):
            if "error" in answer:
                raise SystemExit(f"{meter.name} does not open: {answer['error']}")
        if time.perf_counter() > machine.origin_s + blocks[0].start_s:
            raise SystemExit("the meters did not open in time; is the machine busy?")
        for number, block in enumerate(blocks):
            _take(machine, meters[number % len(meters)], block, found)
    where = f"live beside a Python {beside}" if beside else "live"
    return [row for key in sorted(found) for row in _rows(where, *key, found[key])]


def open_together(
    simulation: Simulation, meters: Sequence[Meter], boards: Sequence[Board], options: Mapping[str, Any]
) -> tuple[Machine, list[dict[str, Any]]]:
    """Load all meters, start the boards' time, open all meters."""
    for meter in meters:
        meter.send("load")
    for meter in meters:
        meter.answer()
    machine = simulation.machine(boards)
    for meter in meters:
        meter.send("open", options)
    return machine, [meter.answer() for meter in meters]


def _take(machine: Machine, meter: Meter, block: Block, found: dict[tuple[str, float], Errors]) -> None:
    start_s, stop_s = machine.origin_s + block.start_s, machine.origin_s + block.stop_s
    answer = meter.ask("window", start_s, stop_s, 0.45)
    if "error" in answer:
        raise SystemExit(f"{meter.name}: {answer['error']}")
    for figure in answer["figures"]:
        errors = found.setdefault((figure["by"], block.length_s), Errors())
        truth_j = true_j(machine, figure["board"], answer)
        errors.relative.append(abs(figure["energy_j"] / truth_j - 1))
        if "low_j" in figure:
            errors.held.append(figure["low_j"] - ROUNDING_J <= truth_j <= figure["high_j"] + ROUNDING_J)


def true_j(machine: Machine, board: int, answer: Mapping[str, Any]) -> float:
    """Between the middles of the calls that began and ended the window."""
    return machine.energy_j(board, *middles(answer))


def middles(answer: Mapping[str, Any]) -> tuple[float, float]:
    """When the window began and ended."""
    before_s, begun_s, end_s, after_s = answer["edges_s"]
    return (before_s + begun_s) / 2, (end_s + after_s) / 2


def _rows(where: str, by: str, length_s: float, errors: Errors) -> list[Row]:
    count = len(errors.relative)
    name = f"{where}: {by}, {count} windows of {length_s:g} s"
    rows = [Row(f"{name}, 95th percentile of the error", 100 * percentile(sorted(errors.relative), 0.95), "%")]
    if errors.held:
        held = 100 * sum(errors.held) / count
        rows.append(Row(f"{name}, truth held", held, "%", limit=99.0, at_least=True, pairs=count))
    return [Row(row.what, row.value, row.unit, limit=row.limit, at_least=row.at_least, pairs=count) for row in rows]


def cost_rows(simulation: Simulation, pythons: Mapping[str, Path], seconds: float) -> list[Row]:
    """What each meter takes of the machine; ours at every tick, in processes of their own."""
    rows: list[Row] = []
    for tick_s in (0.1, 0.02, 0.01):
        for name, python in pythons.items():
            if name in PEERS and tick_s != 0.1:
                continue
            simulation.machine([Board(f"GPU-{i}", tick_s=tick_s) for i in range(BOARDS)])
            with simulation.meter(name, python) as meter:
                opened = meter.ask("open", {"boards": list(range(BOARDS))})
                time.sleep(3.0)  # our discovery of the tick is over
                rows += _cost(f"{name}, {1000 * tick_s:g} ms tick", name, opened, meter.ask("cost", seconds))
    return rows


def day_rows(simulation: Simulation, hours: float) -> list[Row]:
    """Memory of a day's readings of eight boards, given to the collector's own store at once."""
    simulation.machine([Board(f"GPU-{i}") for i in range(8)])
    settings = {"SIMULATED_NVML": str(simulation.directory / "boards"), "LD_LIBRARY_PATH": str(simulation.directory)}
    command = [sys.executable, str(HERE / "metering_day.py"), str(hours)]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    name = f"ours, {hours:g} h of 8 boards: memory of the process"
    return [
        Row(f"{name} while it reads", seen["lived_bytes"] / 1e6, "MB", limit=300.0),
        Row(f"{name} with a copy of everything", seen["peak_bytes"] / 1e6, "MB", limit=300.0),
    ]


def _cost(label: str, name: str, opened: Mapping[str, Any], seen: Mapping[str, Any]) -> list[Row]:
    own = name == "ours"
    added = (seen["memory_bytes"] - opened["before_bytes"]) / 1e6
    rows = [Row(f"{label}: processor per board", 100 * seen["cpu_share"] / BOARDS, "%", limit=1.0 if own else None)]
    if label.endswith(" 100 ms tick"):
        rows += [
            Row(f"{label}: import", 1000 * opened["import_s"], "ms"),
            Row(f"{label}: start", 1000 * opened["start_s"], "ms", limit=50.0 if own else None),
            Row(f"{label}: begin and end of a window", 1e6 * seen["edges_s"], "µs", limit=20.0 if own else None),
            Row(f"{label}: memory added", added, "MB", limit=30.0 if own else None),
        ]
    return rows
