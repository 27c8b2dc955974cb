"""Sums of processor time on a clock of the test: falls, jumps, sources that follow each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine import processes
from ai_energy_benchmarks.metrics.cpu.time import CgroupTime, Growth, MachineTime, OwnTime, TreeTime


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Source:
    """Processor time that a test sets."""

    def __init__(self, time_s: float, slack_s: float = 0.0) -> None:
        self.time_s, self.slack_s, self.busy = time_s, slack_s, True

    def read_s(self) -> float:
        return self.time_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", made)
        patch.setattr(time, "process_time", made)
        yield made


def readings(clock: Clock, growth: Growth, source: Source, *steps: tuple[float, float]) -> list[float]:
    """The level after each step, of seconds on the clock and the source's new time."""
    found = []
    for seconds, time_s in steps:
        clock.now_s += seconds
        source.time_s = time_s
        found.append(growth.read_s())
    return found


def test_a_level_grows_with_its_source_from_zero(clock: Clock) -> None:
    """Whatever the source had before."""
    source = Source(50.0)
    growth = Growth(source, 2)
    assert readings(clock, growth, source, (1.0, 50.0), (1.0, 51.5), (1.0, 52.0)) == [0.0, 1.5, 2.0]
    assert growth.breaks_s == []


def test_a_fall_is_believed_when_it_is_seen_twice(clock: Clock) -> None:
    """Once it is a process that was missed; twice it is gone, and the level goes on from there."""
    source = Source(10.0)
    growth = Growth(source, 2)
    assert readings(clock, growth, source, (1.0, 11.0), (1.0, 10.5), (1.0, 11.5)) == [1.0, 1.0, 1.5]
    assert readings(clock, growth, source, (1.0, 9.0), (1.0, 9.25), (1.0, 9.75)) == [1.5, 1.5, 2.0]
    assert readings(clock, growth, source, (1.0, 9.0), (1.0, 10.0), (1.0, 9.5), (1.0, 9.5)) == [2.0, 2.25, 2.25, 2.25]
    assert growth.breaks_s == []


@pytest.mark.parametrize(
    ("rise_s", "added"), [(2 * 1.1 + 0.25, True), (2 * 1.1 + 0.2501, False), (2.0, True), (100.0, False)]
)
def test_a_rise_that_no_processors_can_work_is_not_added(clock: Clock, rise_s: float, added: bool) -> None:
    """Two processors for a second and the tenth that a kernel counts late, and how far a reading may be low."""
    source = Source(10.0, slack_s=0.25)
    growth = Growth(source, 2)
    clock.now_s += 1.0
    source.time_s = 10.0 + rise_s
    assert growth.read_s() == pytest.approx(rise_s if added else 0.0)
    assert growth.breaks_s == ([] if added else [(100.0, 101.0)])
    assert readings(clock, growth, source, (1.0, 11.0 + rise_s)) == [pytest.approx((rise_s if added else 0.0) + 1.0)]


def test_processors_of_unknown_number_may_work_any_time(clock: Clock) -> None:
    """Then no rise is too large."""
    source = Source(0.0)
    growth = Growth(source)
    assert readings(clock, growth, source, (1.0, 1e6)) == [1e6]
    assert growth.breaks_s == []


def test_time_since_the_last_reading_that_was_believed_counts(clock: Clock) -> None:
    """A fall that is not believed leaves more time for the next rise."""
    source = Source(10.0)
    growth = Growth(source, 1)
    assert readings(clock, growth, source, (1.0, 9.0), (1.0, 12.0), (1.0, 13.0)) == [0.0, 2.0, 3.0]
    assert readings(clock, growth, source, (1.0, 14.2)) == [3.0]
    assert growth.breaks_s == [(103.0, 104.0)]


@pytest.mark.parametrize(
    ("start_s", "stop_s", "broken"),
    [(90.0, 99.9, False), (90.0, 100.0, True), (100.5, 100.6, True), (101.0, 200.0, True), (101.1, 200.0, False)],
)
def test_a_window_that_touches_a_break_is_broken(clock: Clock, start_s: float, stop_s: float, broken: bool) -> None:
    """From the last good reading to the one that was not."""
    source = Source(0.0)
    growth = Growth(source, 1)
    readings(clock, growth, source, (1.0, 50.0))
    assert growth.breaks_s == [(100.0, 101.0)]
    assert growth.broken_within(start_s, stop_s) is broken
    assert not Growth(source, 1).broken_within(0.0, 1e9)


def test_a_source_that_follows_goes_on_from_the_level(clock: Clock) -> None:
    """What the old one had grown by counts, and what the new one had before does not; a fall is forgotten."""
    old, new = Source(10.0), Source(500.0)
    growth = Growth(old, 1)
    assert readings(clock, growth, old, (1.0, 9.0)) == [0.0]
    clock.now_s += 1.0
    old.time_s = 10.75
    growth.follow(new)
    assert growth.source is new
    assert readings(clock, growth, new, (1.0, 500.5), (1.0, 500.0), (1.0, 501.5)) == [1.25, 1.25, 2.25]
    assert readings(clock, growth, new, (0.1, 502.5)) == [2.25]


def test_a_control_group_that_falls_began_again(clock: Clock, tmp_path: Path) -> None:
    """The kernel's sum never falls, so the first fall is a break already."""
    file = tmp_path / "cpu.stat"
    file.write_text("usage_usec 2000000\n")
    growth = Growth(CgroupTime(tmp_path), 1)
    clock.now_s += 1.0
    file.write_text("usage_usec 500000\n")
    assert growth.read_s() == 0.0
    assert growth.breaks_s == [(100.0, 101.0)]
    clock.now_s += 1.0
    file.write_text("usage_usec 1000000\n")
    assert growth.read_s() == pytest.approx(0.5)


@pytest.mark.parametrize("text", ["", "usage_usec", "usage_usec x", "user_usec 5"])
def test_a_control_group_without_its_time_is_an_error_with_a_fix(tmp_path: Path, text: str) -> None:
    """Whatever its file lacks."""
    (tmp_path / "cpu.stat").write_text(text)
    with pytest.raises(CollectorError, match="shows no processor time") as error:
        CgroupTime(tmp_path).read_s()
    assert "cpu.stat" in (error.value.remedy or "")


def test_own_time_stands_still_while_it_does_not_count(clock: Clock) -> None:
    """And goes on from the level that it had reached."""
    own = OwnTime()
    clock.now_s += 2.0
    assert own.read_s() == 2.0
    own.count(False)
    clock.now_s += 5.0
    assert own.read_s() == 2.0
    own.count(False)
    own.count(True)
    clock.now_s += 0.5
    assert own.read_s() == 2.5
    own.count(True)
    assert own.read_s() == 2.5


@pytest.mark.skipif(not processes.PROC.is_dir(), reason="only Linux has /proc")
def test_sums_that_the_kernel_cuts_to_ticks_have_that_slack(tmp_path: Path) -> None:
    """What has ended is in two sums, the machine's busy time in five, and a control group counts microseconds."""
    assert TreeTime([1]).slack_s == 2 * processes.tick_s()
    assert MachineTime().slack_s == 5 * processes.tick_s()
    assert CgroupTime(tmp_path).slack_s == 0.0
    nothing = TreeTime([2**22 + 5])
    assert nothing.read_s() == 0.0
    assert not nothing.busy
    assert CgroupTime(tmp_path).busy
    assert MachineTime().busy
