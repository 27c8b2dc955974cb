"""Simulated boards: the file that the simulated library reads, and the truth about what they draw."""

from __future__ import annotations

import math
import random
import struct
import subprocess
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

from attrs import frozen

SONAME = "libnvidia-ml.so.1"

Trace = tuple[tuple[float, float], ...]
"""(seconds, watts) in order; it repeats for ever."""


def constant(power_w: float) -> Trace:
    """The same power at all times."""
    return ((1.0, power_w),)


def square(low_w: float, high_w: float, period_s: float) -> Trace:
    """Half of each period at one power, half at the other."""
    return ((period_s / 2, low_w), (period_s / 2, high_w))


def telegraph(
    levels_w: Sequence[float] = (90.0, 250.0, 450.0, 700.0),
    dwell_s: float = 0.06,
    length_s: float = 60.0,
    seed: int = 0,
) -> Trace:
    """Random telegraph noise: a random level for a random time, exponential with mean ``dwell_s``."""
    dice = random.Random(seed)
    steps: list[tuple[float, float]] = []
    while len(steps) * dwell_s < length_s:
        steps.append((dice.expovariate(1 / dwell_s) + 1e-4, dice.choice(levels_w)))
    return tuple(steps)


def until_j(trace: Trace, time_s: float) -> float:
    """Energy of a trace that repeats for ever, from 0 until a time."""
    ends_s = list(accumulate(seconds for seconds, _ in trace))
    cycles, inside_s = divmod(time_s, ends_s[-1])
    energy_j = cycles * sum(seconds * watts for seconds, watts in trace)
    for seconds, watts in trace:
        energy_j += min(seconds, inside_s) * watts
        inside_s = max(0.0, inside_s - seconds)
    return energy_j


@frozen
class Fall:
    """The counter falls by so many mJ, or jumps up, if that is negative; to 0, if None."""

    at_s: float
    by_mj: float | None = None


@frozen
class Violation:
    """The clock was held down for a reason from one time to another; policies as NVML numbers them (1: thermal)."""

    policy: int
    from_s: float
    to_s: float


@frozen
class Refusal:
    """For a while every call about the board fails with a code of NVML (999: unknown error)."""

    from_s: float
    to_s: float
    code: int = 999


@frozen
class Board:
    """One board; all times after the origin of the simulation.

    Attributes:
        tick_s, jitter, phase_s, delay_s, delay_jitter_s: when the counter is sampled and seen; see nvml.c.
        trace: what the board draws.
        shown: what its power fields show, if that is another trace: the recorded readings of a real driver.
        counts_shown: whether its counter integrates that trace instead of what it draws.
        gain, noise_w, duty, lag_s: what the sensor makes of the truth; ``energy_j`` here knows only the gain.
        limit_w: its power limit when the driver is loaded.
        default_limit_w, max_limit_w: 0 takes that one.
        max_clock_mhz: its highest SM clock; the others are 15 MHz apart, down to 210.
        persistence: whether settings outlive the last user of the driver.
        settable: whether it has a limit and clocks that can be set.
        call_s: how long a call of the energy counter takes (an H200: 3 to 17 ms).
        module_w: what the rest of the module draws, seen by fields of module scope.
        reachable: false for a board that has fallen off the bus: it is listed, but there is no handle for it.
        counter, instant, power: whether it has an energy counter, the newer power fields, any power at all.
        violations: when its clock was held down, by its violation counters; None if it has none.
        architecture: as NVML numbers them; 9 is Hopper, 4 Pascal.
        utilization: percent that it reports at rest.
        work_w: what it draws in addition to its trace while ``Machine.work`` runs; it then reports 100 %.
    """

    uuid: str
    trace: Trace = ((1.0, 300.0),)
    name: str = "Simulated board"
    tick_s: float = 0.1
    jitter: float = 0.05
    phase_s: float = 0.0
    delay_s: float = 0.02
    delay_jitter_s: float = 0.0
    offset_mj: float = 5e9
    average_s: float = 1.0
    gain: float = 1.0
    noise_w: float = 0.0
    duty: float = 1.0
    lag_s: float = 0.0
    shown: Trace = ()
    counts_shown: bool = False
    module_w: float = 0.0
    call_s: float = 0.0
    limit_w: float = 700.0
    default_limit_w: float = 0.0
    min_limit_w: float = 0.0
    max_limit_w: float = 0.0
    max_clock_mhz: int = 1980
    persistence: bool = True
    settable: bool = True
    temperature_celsius: float = 40.0
    lost_at_s: float = math.inf
    reachable: bool = True
    counter: bool = True
    instant: bool = True
    power: bool = True
    architecture: int = 9
    throttle_reasons: int = 0
    supported_reasons: int = 0x1FF
    utilization: float = 50.0
    work_w: float = 0.0
    seed: int = 1
    pids: tuple[int, ...] = ()
    slices: tuple[str, ...] = ()
    slice_pids: tuple[tuple[str, int], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    falls: tuple[Fall, ...] = ()
    violations: tuple[Violation, ...] | None = ()

    def energy_j(self, start_s: float, stop_s: float) -> float:
        """The counter's ideal integral between two times after the origin: the trace it counts, times the gain."""
        trace = self.shown if self.counts_shown and self.shown else self.trace
        return self.gain * (until_j(trace, stop_s) - until_j(trace, start_s))

    def drawn_j(self, start_s: float, stop_s: float) -> float:
        """What the board really drew between two times after the origin."""
        return until_j(self.trace, stop_s) - until_j(self.trace, start_s)

    def lines(self) -> list[str]:
        """The board's part of the file."""
        plain: tuple[str, ...] = (
            "uuid",
            "name",
            "tick_s",
            "jitter",
            "phase_s",
            "delay_s",
            "delay_jitter_s",
            "offset_mj",
            "average_s",
        )
        plain += (
            "gain",
            "noise_w",
            "duty",
            "lag_s",
            "utilization",
            "work_w",
            "module_w",
            "call_s",
            "limit_w",
            "default_limit_w",
            "min_limit_w",
            "max_limit_w",
            "max_clock_mhz",
            "temperature_celsius",
            "architecture",
            "throttle_reasons",
            "supported_reasons",
            "seed",
        )
        flags = ("reachable", "counter", "instant", "power", "counts_shown", "persistence", "settable")
        lines = ["board", *(f"{key} {getattr(self, key)}" for key in plain)]
        lines += [f"{key} {int(getattr(self, key))}" for key in flags]
        lines += [f"lost_at_s {self.lost_at_s}"] * math.isfinite(self.lost_at_s)
        lines += [f"pid {pid}" for pid in self.pids]
        for uuid in self.slices:
            lines += [f"slice {uuid}", *(f"slicepid {pid}" for each, pid in self.slice_pids if each == uuid)]
        lines += [f"refuse {each.from_s} {each.to_s} {each.code}" for each in self.refusals]
        lines += [f"fall {each.at_s} {each.by_mj or 0}" for each in self.falls]
        lines += [f"violation {each.policy} {each.from_s} {each.to_s}" for each in self.violations or ()]
        lines += [f"counts_violations {int(self.violations is not None)}"]
        lines += [f"shown {seconds!r} {watts!r}" for seconds, watts in self.shown]
        return lines + [f"step {seconds!r} {watts!r}" for seconds, watts in self.trace]


@frozen
class Machine:
    """Simulated boards from ``origin_s`` on the monotonic clock; the whole driver may go at a time.

    Attributes:
        work_file: where the times of work are written, which the boards with ``work_w`` follow.
        draw_file: where a scripted server writes what it draws besides, by ``draw``.
        settings_file: where what users set is kept for all processes; None keeps it in each.
        permitted: whether users may change settings.
    """

    boards: tuple[Board, ...]
    origin_s: float
    gone_at_s: float = math.inf
    work_file: Path | None = None
    draw_file: Path | None = None
    settings_file: Path | None = None
    permitted: bool = True

    def write(self, path: Path) -> None:
        """The file for ``SIMULATED_NVML``."""
        lines = [f"origin_s {self.origin_s!r}"]
        lines += [f"gone_at_s {self.gone_at_s}"] * math.isfinite(self.gone_at_s)
        lines += [f"work_file {self.work_file}"] * (self.work_file is not None)
        lines += [f"draw_file {self.draw_file}"] * (self.draw_file is not None)
        lines += [f"settings_file {self.settings_file}"] * (self.settings_file is not None)
        lines += [f"permitted {int(self.permitted)}"]
        path.write_text("\n".join([*lines, *(line for board in self.boards for line in board.lines()), ""]))

    @contextmanager
    def work(self) -> Iterator[None]:
        """Let the boards with ``work_w`` work; one piece of work at a time."""
        self._note(time.perf_counter())
        try:
            yield
        finally:
            self._note(time.perf_counter())

    def _note(self, time_s: float) -> None:
        assert self.work_file is not None
        with self.work_file.open("ab") as file:
            file.write(array("d", [time_s - self.origin_s]).tobytes())

    def draw(self, power_w: float) -> None:
        """From now on every board draws so much in addition."""
        assert self.draw_file is not None
        with self.draw_file.open("ab") as file:
            file.write(array("d", [time.perf_counter() - self.origin_s, power_w]).tobytes())

    def limit_now_w(self, board: int = 0) -> float:
        """The power limit in force, whoever set it."""
        limit_w, _, _ = self._setting(board)
        return limit_w

    def locked_mhz(self, board: int = 0) -> tuple[int, int]:
        """Between which clocks the board is locked; zeros if it is not."""
        _, low_mhz, high_mhz = self._setting(board)
        return low_mhz, high_mhz

    def _setting(self, board: int) -> tuple[float, int, int]:
        content = self.settings_file.read_bytes() if self.settings_file and self.settings_file.exists() else b""
        record = struct.Struct("dii")
        if len(content) < (board + 1) * record.size:
            return self.boards[board].limit_w, 0, 0
        limit_w, low_mhz, high_mhz = record.unpack_from(content, board * record.size)
        return limit_w, low_mhz, high_mhz

    def work_s(self, start_s: float, stop_s: float) -> float:
        """How long work ran between two times on the monotonic clock."""
        times_s = array("d", self.work_file.read_bytes() if self.work_file and self.work_file.exists() else b"")
        pieces = zip(times_s[::2], times_s[1::2], strict=True)
        start_s, stop_s = start_s - self.origin_s, stop_s - self.origin_s
        return sum(max(0.0, min(end_s, stop_s) - max(begin_s, start_s)) for begin_s, end_s in pieces)

    def energy_j(self, board: int, start_s: float, stop_s: float) -> float:
        """The true energy of a board between two times on the monotonic clock."""
        drawn = self.boards[board]
        worked_j = drawn.gain * drawn.work_w * self.work_s(start_s, stop_s)
        return drawn.energy_j(start_s - self.origin_s, stop_s - self.origin_s) + worked_j


def compile_library(compiler: str, directory: Path) -> Path:
    """Compile the simulated library under the name by which the real binding asks for it."""
    library, here = directory / SONAME, Path(__file__).parent
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", f"-Wl,-soname,{SONAME}"]
    sources = [str(here / name) for name in ("board.c", "nvml.c")]
    subprocess.run([compiler, *flags, "-o", str(library), *sources, "-lm"], check=True)
    return library
