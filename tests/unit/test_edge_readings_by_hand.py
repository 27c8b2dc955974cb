"""How far apart the readings around the edges of trials were, computed by hand for a counter of half a second."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.board_checks import board_findings, unchecked_board_findings
from ai_energy_benchmarks.domain.power import Samples, Series
from tests.factories import GPU, reading, trial
from tests.unit.gauges_by_hand import gauge, lines

# From 20 to 30 s and from 40 to 50 s.
TRIALS = [trial(1, reading()), trial(2, reading())]
# Each call takes a sixty-fourth of a second, so that all times are exact.
CALL_S = 1 / 64


def counter(*, without: tuple[float, float] = (0.0, 0.0), from_s: float = 10.0, until_s: float = 60.0) -> Series:
    """Read every quarter of a second, but for a hole between two readings; its value moves every half."""
    times_s = [from_s + step / 4 for step in range(int(4 * (until_s - from_s)) + 1)]
    rows = [(time_s, 5.0 * (2 * time_s // 1)) for time_s in times_s if not without[0] < time_s < without[1]]
    return gauge("energy_j", *rows, call_s=CALL_S)


def line(series: Series) -> tuple[str, str] | None:
    """Level and sentence of the only finding, which is on the readings; None without one."""
    found = lines(board_findings(Samples((series,)), TRIALS))
    if not found:
        return None
    ((level, check, message, component),) = found
    assert (check, component) == ("edge readings", "gpu")
    return level, message


def said(gap_ms: str, tick_ms: str = "500") -> str:
    return (
        f"Test board 0: its counter moves every {tick_ms} ms; the readings that saw it move near the edges were at "
        f"most {gap_ms} ms apart"
    )


def test_readings_in_every_tick_are_a_quarter_and_their_own_time_apart() -> None:
    """From before the call that saw the old value until after the one that saw the new."""
    assert line(counter()) == ("PASS", said("266"))


@pytest.mark.parametrize(
    ("hole", "gap_ms"),
    [
        # A hole of three quarters hides readings at a half and at the next whole second.
        ((19.75, 20.5), "766"),
        ((29.75, 30.5), "766"),
        ((39.75, 40.5), "766"),
        ((49.75, 50.5), "766"),
        # Three ticks are 1.5 s: a hole that ends so long before an edge, or begins so long after one, is near it.
        ((17.5, 18.5), "1.02e+03"),
        ((37.5, 38.5), "1.02e+03"),
        ((31.75, 32.75), None),
        ((51.75, 52.75), None),
        # In the middle of a trial, or far from both.
        ((24.75, 25.5), None),
        ((34.75, 35.5), None),
    ],
)
def test_a_hole_counts_near_any_edge_of_any_trial(hole: tuple[float, float], gap_ms: str | None) -> None:
    """Begin and end of each trial alike."""
    assert line(counter(without=hole)) == (("PASS", said("266")) if gap_ms is None else ("WARN", said(gap_ms)))


@pytest.mark.parametrize(
    ("first_s", "last_s", "near"),
    [
        (17.5, 18.5, True),
        (17.4375, 18.4375, False),
        (31.5 + CALL_S, 32.5, True),
        (31.5625 + CALL_S, 32.5625, False),
        (37.5, 38.5, True),
        (51.5 + CALL_S, 52.5, True),
        (51.5625 + CALL_S, 52.5625, False),
    ],
)
def test_near_is_three_ticks_to_the_hair(first_s: float, last_s: float, near: bool) -> None:
    """A gap from before the first call until after the last touches what lies 1.5 s from an edge, or it does not."""
    kept = counter()
    rows = [
        (time_s, value)
        for time_s, value in zip(kept.after_s, kept.values, strict=True)
        if not first_s - 0.3 < time_s < last_s + 0.3
    ]
    value_before = max(value for time_s, value in rows if time_s < first_s)
    value_after = min(value for time_s, value in rows if time_s > last_s)
    rows += [(first_s, value_before), (last_s, value_after)]
    assert line(gauge("energy_j", *sorted(rows), call_s=CALL_S)) == (
        ("WARN", said("1.02e+03" if last_s - first_s == 1.0 else "1e+03")) if near else ("PASS", said("266"))
    )


@pytest.mark.parametrize(("gap_s", "level"), [(0.5, "PASS"), (0.5 + 1 / 64, "WARN")])
def test_a_gap_may_be_as_long_as_a_tick(gap_s: float, level: str) -> None:
    """And no longer."""
    until_s = 19.75 - CALL_S + gap_s
    kept = counter(without=(19.75, until_s))
    rows = [*zip(kept.after_s, kept.values, strict=True), (until_s, 5.0 * 40)]
    assert line(gauge("energy_j", *sorted(rows), call_s=CALL_S)) == (level, said("500" if level == "PASS" else "516"))


def moves(*at_s: float, falls: bool = False) -> Series:
    """Of a counter that was read every quarter of a second: it moved between a reading and the one at these times."""
    rows = []
    for step in range(4 * 40 + 1):
        time_s = 15.0 + step / 4
        moved = sum(each <= time_s for each in at_s)
        rows.append((time_s, 100.0 - moved if falls and moved == len(at_s) else 100.0 + moved))
    return gauge("energy_j", *rows, call_s=CALL_S)


def test_three_moves_show_a_tick_and_two_do_not() -> None:
    """The tick is the median of the times between moves: of 1 s and 2.5 s it is 1.75 s, of 1, 2 and 4.5 s it is 2."""
    assert line(moves(20.0, 21.0)) is None
    assert line(moves(20.0, 21.0, 23.5)) == ("PASS", said("266", "1.75e+03"))
    assert line(moves(20.0, 21.0, 23.0, 27.5)) == ("PASS", said("266", "2e+03"))


def test_a_tick_is_the_time_between_two_moves() -> None:
    """From 1 s to 4 s and from there to 8 s, and 10 ticks of 1.5 s from 1 s on."""
    early = evolve(TRIALS[0], start_s=4.0, stop_s=14.0)
    few = gauge("energy_j", (0.5, 0.0), (1.0, 1.0), (3.75, 1.0), (4.0, 2.0), (7.75, 2.0), (8.0, 3.0), (20.0, 3.0))
    rows = [(1.0 + 0.75 * step, float(step // 2)) for step in range(42)]
    for series, tick_ms, gap_ms in ((few, "3.5e+03", "500"), (gauge("energy_j", *rows), "1.5e+03", "750")):
        ((_, _, message, _),) = lines(board_findings(Samples((series,)), [early]))
        assert message == said(gap_ms, tick_ms)


@pytest.mark.parametrize(("number", "tick_ms"), [(20, "1e+03"), (21, "1.5e+03"), (22, "1.5e+03")])
def test_the_tick_of_many_moves_is_the_mean_of_ten(number: int, tick_ms: str) -> None:
    """Ticks that seem to last 1 and 2 s in turn last 1.5 s; of twenty moves or fewer the median counts, here 1 s."""
    at_s = [19.0 + 3.0 * (row // 2) + row % 2 for row in range(number)]
    assert line(moves(*at_s)) == ("PASS", said("266", tick_ms))


def test_the_first_and_the_second_reading_are_told_apart() -> None:
    """A counter that moved between them moved once, and one that did not has not moved."""
    assert line(moves(15.25, 21.0, 23.5)) == ("PASS", said("266", "4.12e+03"))
    assert line(moves(21.0, 23.5)) is None


def test_a_counter_that_falls_has_moved() -> None:
    """As after a new load of the driver."""
    assert line(moves(20.0, 21.0, 23.5, falls=True)) == ("PASS", said("266", "1.75e+03"))


def test_a_counter_that_moves_far_from_the_edges_alone_has_no_line() -> None:
    """That it did not move next to the trials is said where checks stand that were not made."""
    far = moves(34.0, 34.5, 35.0, 35.5)
    assert line(far) is None
    found = [each for each in unchecked_board_findings(Samples((far,)), TRIALS) if each.check == "edge readings"]
    assert lines(found) == [
        ("INFO", "edge readings", "not checked: its energy counter did not move next to the trials", "gpu")
    ]
    near = unchecked_board_findings(Samples((counter(),)), TRIALS)
    assert "edge readings" not in {each.check for each in near}
    without = unchecked_board_findings(Samples((gauge("energy_j"), gauge("power_w", (20.0, 5.0)))), TRIALS)
    assert "edge readings" not in {each.check for each in without}


def test_a_gpu_without_a_label_goes_by_its_id() -> None:
    """In every sentence about it."""
    bare = type(GPU)("gpu", "GPU-7")
    source = counter()
    own = gauge("energy_j", *zip(source.after_s, source.values, strict=True), device=bare, call_s=CALL_S)
    ((_, _, message, _),) = lines(board_findings(Samples((own,)), [trial(1, reading(bare))]))
    assert message.startswith("GPU-7: its counter moves every 500 ms")
