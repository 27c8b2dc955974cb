"""Which time without readings is a pause, by hand for a meter that is read every half second."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.reading_gaps import gap_findings
from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.domain.power import Device, Samples, Series
from tests.factories import GPU, trial
from tests.unit.gauges_by_hand import gauge, lines

CALL_S = 1 / 64
WHY = "far longer than usual: the machine or its container stood still, and the energy of that time is in the figures"


def read(
    *holes: tuple[float, float], step_s: float = 0.5, until_s: float = 40.0, still: tuple[float, float] = (0.0, 0.0),
    device: Device = GPU, meter: str = "nvml",
) -> Series:  # fmt: skip
    """Each reading another value, but for times in which it stands still; none within the holes."""
    times_s = [step_s * step for step in range(1, int(until_s / step_s))]
    rows = [
        (time_s, 7.0 if still[0] <= time_s <= still[1] else time_s)
        for time_s in times_s
        if not any(begin_s < time_s < end_s for begin_s, end_s in holes)
    ]
    return gauge("power_w", *rows, call_s=CALL_S, device=device, meter=meter)


def found(
    *series: Series, start_s: float = 10.0, stop_s: float = 30.0, paused_s: float | None = None,
    notes: Sequence[str] = (),
) -> list[tuple[str, str]]:  # fmt: skip
    machine = Disturbance(0.0, None, paused_s=paused_s)
    window = evolve(trial(7), start_s=start_s, stop_s=stop_s, machine=machine)
    findings = lines(gap_findings(Samples(series), [window], notes))
    assert {(each[1], each[3]) for each in findings} <= {("pause", None)}
    return [(each[0], each[2]) for each in findings]


def said(gap_s: str, name: str = "Test board 0", meter: str = "nvml") -> str:
    return f"{meter} has no reading of {name} for {gap_s} s in trial 7, {WHY}"


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (read(), None),
        # From after one reading until before the call of the next, here a 64th of a second less than the hole.
        (read((15.0, 18.0)), said("3.0")),
        (read((15.0, 18.5), (20.0, 22.0)), said("3.5")),
        # More than four times the usual, which is 31 64ths; 2 s less a 64th are a little more than that.
        (read((15.0, 17.0)), said("2.0")),
        (read((15.0, 19.0), step_s=1.0), said("4.0")),
        (read((15.0, 18.0), step_s=1.0), None),
        # Not within the trial, or only from before it.
        (read((31.0, 36.0)), None),
        (read((2.0, 9.0)), None),
        (read((8.0, 13.0)), None),
        (read((28.0, 33.0)), None),
        # Of equal values in a row the last is kept, so that the time before a change is short.
        (read(still=(15.0, 20.0)), None),
        (read((15.0, 18.0), still=(15.0, 18.0)), None),
    ],
)
def test_a_pause_is_far_longer_than_the_usual_time_between_readings(series: Series, message: str | None) -> None:
    """And longer than a second; more than 1 % of this trial of 20 s."""
    assert found(series) == ([] if message is None else [("FAIL", message)])


@pytest.mark.parametrize(
    ("gap_s", "stop_s", "level"),
    [
        (1.0, 30.0, None),
        (1.0 + 1 / 16, 30.0, "FAIL"),
        (2.0, 209.0, "FAIL"),
        (2.0, 210.0, "WARN"),
        (2.0, 211.0, "WARN"),
    ],
)
def test_a_pause_is_more_than_a_second_and_fails_above_a_hundredth_of_the_trial(
    gap_s: float, stop_s: float, level: str | None
) -> None:
    """Exactly a second is none, exactly a hundredth does not fail."""
    times_s = {step / 8 for step in range(80, 1760)}
    kept_s = sorted({time_s for time_s in times_s if not 12.0 < time_s < 12.0 + gap_s} | {12.0 + gap_s})
    series = gauge("power_w", *((time_s, time_s) for time_s in kept_s))
    assert [each[0] for each in found(series, stop_s=stop_s)] == ([] if level is None else [level])


@pytest.mark.parametrize(("gaps", "found_one"), [(7, False), (8, True), (9, True)])
def test_fewer_than_eight_times_between_readings_show_nothing_usual(gaps: int, found_one: bool) -> None:
    """Of so many the longest is 3 s."""
    times_s = [11.0 + step / 2 for step in range(gaps)]
    rows = [(time_s, time_s) for time_s in (*times_s, times_s[-1] + 3.0)]
    assert bool(found(gauge("power_w", *rows))) is found_one


def test_gaps_count_between_the_edges_of_the_trial() -> None:
    """Readings at the edges themselves are within; the time up to the first and after the last is not known."""
    times_s = [10.0, 13.0, *(13.5 + step / 2 for step in range(8)), 30.0]
    inside = gauge("power_w", *((time_s, time_s) for time_s in times_s), call_s=0.0)
    assert found(inside) == [("FAIL", said("13.0"))]
    assert found(inside, stop_s=29.0) == [("FAIL", said("3.0"))]
    assert found(inside, start_s=10.5, stop_s=29.0) == []


def test_the_longest_of_all_series_is_said_with_its_meter() -> None:
    """By the name of its device, or by its id."""
    bare = Device("gpu", "GPU-7")
    short, longer = read((15.0, 18.0)), read((15.0, 19.0), device=bare, meter="zeus")
    assert found(short, longer) == found(longer, short) == [("FAIL", said("4.0", "GPU-7", "zeus"))]
    assert found() == []


@pytest.mark.parametrize(("paused_s", "levels"), [(None, 1), (0.0, 1), (1.0, 1), (1.5, 0)])
def test_a_pause_that_the_client_noticed_is_not_said_again(paused_s: float | None, levels: int) -> None:
    """One of more than a second."""
    assert len(found(read((15.0, 18.0)), paused_s=paused_s)) == levels


def test_readings_that_were_thinned_show_no_pause() -> None:
    """Whatever else the meters note."""
    assert found(read((15.0, 18.0)), notes=("a GPU was lost", "old readings were thinned to save memory")) == []
    assert len(found(read((15.0, 18.0)), notes=("a GPU was lost",))) == 1
    unwatched = evolve(trial(7), start_s=10.0, stop_s=30.0)
    assert len(list(gap_findings(Samples((read((15.0, 18.0)),)), [unwatched], ()))) == 1
