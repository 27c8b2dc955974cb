"""Live windows on simulated GPUs that fall slowly, are late, lag, or play what real ones were recorded to do."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen
from metering_live import middles, open_together
from metering_parts import Simulation
from ratios import Row

from ai_energy_benchmarks.analysis.energy_checks import WIDE
from ai_energy_benchmarks.analysis.windows import UNRESOLVED
from ai_energy_benchmarks.domain.statistics import percentile
from tests.nvml.recorded import Recording, load, shared_folder
from tests.nvml.simulated import Board, Machine, Trace
from tests.nvml.traces import exponential_fall, raised, stepped_fall

REST_W, WORK_W = 110.0, 600.0
# Opening a meter and finding its tick come before the first window; a rest may be made longer, up to 3 s.
OPENING_S, REST_S = 12.0, 5.0
ROUNDING_J = 0.002
HELD = 99.0


@frozen
class Case:
    """A kind of GPU.

    Attributes:
        after: what it draws after work, before it rests.
        board: its sensor.
        bounded: whether the bounds are to hold what the card drew; no sensor that looks only now and then can.
    """

    name: str
    after: Trace
    board: Board
    bounded: bool = True


def _quick() -> Board:
    return Board("GPU", delay_s=0.03)


CASES: tuple[Case, ...] = (
    Case("fall τ = 5 ms", exponential_fall(WORK_W, REST_W, 0.005), _quick()),
    Case("fall τ = 20 ms", exponential_fall(WORK_W, REST_W, 0.020), _quick()),
    Case("fall τ = 100 ms", exponential_fall(WORK_W, REST_W, 0.100), _quick()),
    Case("fall τ = 500 ms", exponential_fall(WORK_W, REST_W, 0.500), _quick()),
    Case("fall in stages, 120 ms", stepped_fall(WORK_W, REST_W, 0.120), _quick()),
    Case("idle raised by 20 W for 2 s", raised((), 20.0, 2.0, REST_W), _quick()),
    Case("delay 100 ms", (), Board("GPU", delay_s=0.1)),
    Case("delay 300 ms", (), Board("GPU", delay_s=0.3)),
    Case("lag 100 ms", (), Board("GPU", delay_s=0.03, lag_s=0.1)),
    Case("lag 500 ms", (), Board("GPU", delay_s=0.03, lag_s=0.5)),
    Case("looks 25 of 100 ms", (), Board("GPU", delay_s=0.03, duty=0.25), bounded=False),
)


@define
class Found:
    """What windows of one case gave.

    Attributes:
        relative: errors of those that have a figure.
        held: whether the truth lies within their bounds.
        warned, refused: how many had a warning, or no figure.
    """

    relative: list[float] = field(factory=list)
    held: list[bool] = field(factory=list)
    warned: int = 0
    refused: int = 0

    def add(self, figure: Mapping[str, Any], truth_j: float) -> None:
        """Take one board's figure of a window."""
        wide = (figure["high_j"] - figure["low_j"]) / 2 / figure["energy_j"] if figure["energy_j"] > 0 else float("inf")
        if not figure["settled"] or wide > UNRESOLVED:
            self.refused += 1
            return
        self.warned += figure["edges"] not in {"flat", ""} or wide > WIDE
        self.relative.append(abs(figure["energy_j"] / truth_j - 1))
        self.held.append(figure["low_j"] - ROUNDING_J <= truth_j <= figure["high_j"] + ROUNDING_J)


def sensor_rows(simulation: Simulation, python: Path, lengths_s: Sequence[float]) -> Iterator[Row]:
    """All cases side by side, a board each, in the same windows; then the recordings, where they are."""
    for tick_s in (0.02, 0.1):
        dice = random.Random(8)
        windows = _windows(dice, lengths_s)
        boards = [_board(number, case, tick_s, dice, windows) for number, case in enumerate(CASES)]
        found = _measure(simulation, python, boards, windows, [True] * len(CASES))
        for case, errors in zip(CASES, found, strict=True):
            yield from _rows(f"live sensor, {1000 * tick_s:g} ms tick: {case.name}", errors, bounded=case.bounded)
    folder = shared_folder()
    if folder is None:
        print("no recordings of real GPUs (AEB_SHARED_DATA): their rows are missing", file=sys.stderr)
        return
    for recording in load(folder):
        if len(recording.work_s) == 1:
            yield from _recorded_rows(simulation, python, recording)


def _windows(dice: random.Random, lengths_s: Sequence[float]) -> list[tuple[float, float]]:
    windows, time_s = [], OPENING_S
    for length_s in lengths_s:
        windows.append((time_s, time_s + length_s * dice.uniform(0.95, 1.05)))
        time_s = windows[-1][1] + REST_S + dice.random() / 10
    return windows


def _board(
    number: int, case: Case, tick_s: float, dice: random.Random, windows: Sequence[tuple[float, float]]
) -> Board:
    steps: list[tuple[float, float]] = []
    time_s, after_s = 0.0, sum(seconds for seconds, _ in case.after)
    for start_s, stop_s in windows:
        steps += [(start_s - time_s, REST_W), (stop_s - start_s, WORK_W), *case.after]
        time_s = stop_s + after_s
    trace = (*steps, (20.0, REST_W))
    changed = evolve(case.board, uuid=f"GPU-{number}", trace=trace, tick_s=tick_s, phase_s=dice.random() * tick_s)
    return evolve(changed, seed=number + 1)


def _recorded_rows(simulation: Simulation, python: Path, recording: Recording) -> Iterator[Row]:
    """A card that draws what a real one drew, over and over; its counter integrates that, or the driver's readings."""
    begin_s = recording.begin_s
    drawn = recording.external.steps(begin_s, recording.until_s)
    shown = recording.driver[recording.best_column].steps(begin_s, recording.until_s)
    period_s = recording.until_s - begin_s
    work_s, end_s = (time_s - begin_s for time_s in recording.work_s[0])
    windows = [(round_ * period_s + work_s, round_ * period_s + end_s) for round_ in (1, 2, 3)]
    boards = [
        Board("GPU-0", drawn, shown=shown, tick_s=0.1, delay_s=0.03),
        Board("GPU-1", drawn, shown=shown, tick_s=0.02, delay_s=0.03, seed=2),
        Board("GPU-2", drawn, shown=shown, tick_s=0.1, delay_s=0.03, counts_shown=True, seed=3),
    ]
    found = _measure(simulation, python, boards, windows, [True, True, False])
    names = ("counts what it drew, 100 ms tick", "counts what it drew, 20 ms tick", "counts what its driver showed")
    for name, errors in zip(names, found, strict=True):
        yield from _rows(f"live sensor, {recording.name}: {name}", errors)


def _measure(
    simulation: Simulation,
    python: Path,
    boards: Sequence[Board],
    windows: Sequence[tuple[float, float]],
    whole_truth: Sequence[bool],
) -> list[Found]:
    found = [Found() for _ in boards]
    with simulation.meter("ours", python) as meter:
        machine, (opened,) = open_together(simulation, [meter], boards, {})
        if "error" in opened:
            raise SystemExit(f"our meter does not open: {opened['error']}")
        for start_s, stop_s in windows:
            answer = meter.ask("window", machine.origin_s + start_s, machine.origin_s + stop_s, "as needed")
            if "error" in answer:
                raise SystemExit(f"our meter: {answer['error']}")
            for figure in answer["figures"]:
                number = figure["board"]
                found[number].add(figure, _truth_j(machine, number, answer, whole_truth[number]))
    return found


def _truth_j(machine: Machine, board: int, answer: Mapping[str, Any], whole: bool) -> float:
    start_s, stop_s = (time_s - machine.origin_s for time_s in middles(answer))
    one = machine.boards[board]
    return one.drawn_j(start_s, stop_s) if whole else one.energy_j(start_s, stop_s)


def _rows(name: str, found: Found, *, bounded: bool = True) -> Iterator[Row]:
    count = len(found.relative) + found.refused
    name = f"{name}, {count} windows"
    yield Row(f"{name}: no figure", 100 * found.refused / count, "%", pairs=count)
    if found.relative:
        yield Row(f"{name}: with a warning", 100 * found.warned / count, "%", pairs=count)
        yield Row(f"{name}: 95th percentile of the error", 100 * percentile(sorted(found.relative), 0.95), "%")
        held, limit = 100 * sum(found.held) / len(found.held), HELD if bounded else None
        yield Row(f"{name}: truth held", held, "%", limit=limit, at_least=True, pairs=count)
