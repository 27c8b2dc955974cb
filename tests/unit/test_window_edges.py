"""Windows of GPUs that take time to calm down: what the card drew lies within the bounds, whatever the reason."""

from __future__ import annotations

import random
from array import array
from statistics import fmean

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.power import Device, EdgeState, Series, WindowEdges
from ai_energy_benchmarks.domain.recipes import cut, follow
from ai_energy_benchmarks.domain.rests import is_calm, knots
from ai_energy_benchmarks.domain.verdict import Finding
from tests.factories import reading, trial, verdict
from tests.unit.simulated_rests import Gpu, Measured, even, jumping, measure

# The counter counts whole mJ.
ROUNDING_J = 0.003
CALM = Gpu("at once")
GPUS = [
    CALM,
    Gpu("fall 5 ms", fall_s=0.005),
    Gpu("fall 100 ms", fall_s=0.1),
    Gpu("fall 500 ms", fall_s=0.5),
    Gpu("stages of 100 ms", stages_s=0.1),
    Gpu("raised for 2 s", fall_s=0.02, raised=0.15, raised_s=2.0),
    Gpu("raised and fading", fall_s=0.02, raised=0.15, raised_s=3.0, fading=True),
    Gpu("delay 100 ms", delay_s=(0.1, 0.1)),
    Gpu("delay 300 ms", delay_s=(0.3, 0.3)),
    Gpu("lag 100 ms", lag_s=0.1),
    Gpu("lag 500 ms", lag_s=0.5),
]


def windows(gpu: Gpu, tick_s: float, length_s: float, number: int, **asked: float) -> list[Measured]:
    """Windows in worlds of their own, of even and of jumping work in turn."""
    return [
        measure(random.Random(f"{gpu.name} {tick_s} {length_s} {seed}"), gpu, tick_s, length_s, work=work, **asked)
        for seed in range(number // 2)
        for work in (even, jumping)
    ]


def holds(window: Measured) -> bool:
    low_j, high_j = window.reading.bounds_j.low - ROUNDING_J, window.reading.bounds_j.high + ROUNDING_J
    return low_j <= window.truth_j <= high_j


def states(found: list[Measured]) -> set[EdgeState]:
    return {each.reading.edges.state for each in found if each.reading.edges is not None}


@pytest.mark.parametrize("tick_s", [0.02, 0.1])
@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_the_bounds_hold_what_the_card_drew(gpu: Gpu, tick_s: float) -> None:
    """Of all windows with a figure; what a slow fall draws after the work is not the window's, what a lag hides is."""
    for length_s, number in ((1.0, 12), (3.0, 12)):
        found = windows(gpu, tick_s, length_s, number)
        assert all(holds(each) for each in found if each.reading.settled)


@pytest.mark.parametrize("gpu", [CALM, Gpu("5 ms and 55 ms", fall_s=0.005, delay_s=(0.055, 0.055))], ids=str)
@pytest.mark.parametrize("tick_s", [0.02, 0.1])
def test_a_gpu_that_falls_at_once_is_flat(gpu: Gpu, tick_s: float) -> None:
    """Neither a warning nor a longer rest, and bounds of at most 0.6 of those by the ticks alone."""
    found = windows(gpu, tick_s, 3.0, 40)
    assert [each.reading.edges.state for each in found if each.reading.edges] == ["flat"] * 40
    assert max(each.rested_s[1] for each in found) < 0.8
    widths = [each.reading.bounds_j.high - each.reading.bounds_j.low for each in found]
    ticks = [high_j - low_j for low_j, high_j in (each.tick_bounds_j for each in found)]
    assert fmean(width / of_ticks for width, of_ticks in zip(widths, ticks, strict=True)) <= 0.6


def test_a_known_delay_narrows_the_bounds() -> None:
    """Known to 10 ms, they are about a third of those by the ticks."""
    found = windows(CALM, 0.02, 3.0, 40, known_within_s=0.01)
    widths = [each.reading.bounds_j.high - each.reading.bounds_j.low for each in found]
    ticks = [high_j - low_j for low_j, high_j in (each.tick_bounds_j for each in found)]
    assert fmean(width / of_ticks for width, of_ticks in zip(widths, ticks, strict=True)) <= 0.34
    assert all(map(holds, found))


@pytest.mark.parametrize("tick_s", [0.02, 0.1])
def test_the_estimate_is_exact_but_for_the_tail(tick_s: float) -> None:
    """After a fall of 5 ms its energy is in the estimate, and hardly anything else is wrong."""
    found = windows(Gpu("fall 5 ms", fall_s=0.005), tick_s, 3.0, 60)
    errors = sorted(abs(each.reading.energy_j - each.tail_j - each.truth_j) / each.truth_j for each in found)
    assert errors[int(0.95 * len(errors))] <= 0.0005


@pytest.mark.parametrize(
    ("gpu", "state"),
    [
        (Gpu("fall 200 ms", fall_s=0.2), "late"),
        (Gpu("delay 300 ms", delay_s=(0.3, 0.3)), "late"),
        (Gpu("raised", fall_s=0.005, raised=0.2, raised_s=10.0), "raised"),
        (Gpu("fall 2 s", fall_s=2.0), "unsettled"),
    ],
    ids=str,
)
def test_what_is_no_rest_is_named(gpu: Gpu, state: EdgeState) -> None:
    """A slow end, a rest at another power, and one that never comes: no bare number then."""
    found = [measure(random.Random(seed), gpu, 0.02, 3.0) for seed in range(6)]
    assert state in states(found)
    assert all(
        each.reading.settled == (each.reading.edges.state != "unsettled") for each in found if each.reading.edges
    )
    assert all(holds(each) for each in found)
    assert all(each.rested_s[1] <= 3.0 for each in found)


def test_a_delay_below_a_tick_need_not_show_and_the_bounds_hold_it() -> None:
    """A counter that moves every 100 ms, 100 ms late: mostly flat at once, which no reading can tell from on time."""
    found = windows(Gpu("delay 100 ms", delay_s=(0.1, 0.1)), 0.1, 3.0, 40)
    assert states(found) <= {"flat", "late"}
    assert all(map(holds, found))


def test_no_delay_beyond_a_second_is_allowed_for() -> None:
    """A sensor that lags by 500 ms is not flat within it: its windows have bounds by ticks with that delay alone."""
    found = windows(Gpu("lag 500 ms", lag_s=0.5), 0.02, 3.0, 10)
    unsettled = [each.reading for each in found if not each.reading.settled]
    assert len(unsettled) >= 8
    assert {reading.edges.delay_high_s for reading in unsettled if reading.edges} == {1.0}


def test_changes_that_were_seen_late_say_nothing_of_power() -> None:
    """A busy machine saw the second change up to 55 ms late: it is passed over, and its energy is in the next one."""
    times_s = array("d", (0.095, 0.101, 0.195, 0.25, 0.295, 0.301, 0.395, 0.401))
    values_j = array("d", (0, 10, 10, 20, 20, 30, 30, 40))
    series = Series(Device("gpu", "GPU-0"), "energy_j", "nvml", times_s, times_s, values_j)
    assert [knot.value_j for knot in knots(series, 0.0, 1.0)] == [10, 30, 40]


def test_the_apparent_delay_is_near_the_delay() -> None:
    """By even work that begins and ends at the marks: both edges show it."""
    gpu = Gpu("delay 100 ms", delay_s=(0.1, 0.1))
    edges = [measure(random.Random(seed), gpu, 0.02, 3.0).reading.edges for seed in range(10)]
    assert fmean(each.rise_s or 0.0 for each in edges if each) == pytest.approx(0.1, abs=0.01)
    assert fmean(each.fall_s or 0.0 for each in edges if each) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("length_s", "known"), [(0.2, False), (0.3, True)])
def test_a_window_of_two_ticks_shows_no_delay(length_s: float, known: bool) -> None:
    """Their power is not known well enough to say when it began."""
    for seed in range(3):
        edges = measure(random.Random(seed), CALM, 0.1, length_s).reading.edges
        assert edges is not None
        assert (edges.rise_s is not None, edges.fall_s is not None) == (known, known)


def test_a_later_window_without_rest_allows_for_the_delay() -> None:
    """What the edges of one window showed holds for the next, and for a part of the window."""
    found = measure(random.Random(1), Gpu("delay 200 ms", delay_s=(0.2, 0.2)), 0.02, 3.0)
    recipe, edges, series = found.reading.recipe, found.reading.edges, found.series
    assert recipe is not None
    assert edges is not None
    assert edges.delay_high_s > 0.15
    part = cut(recipe, recipe.start_s + 1.0, recipe.start_s + 2.0, {recipe.series_id: series})
    assert part is not None
    assert part.delay_high_s == edges.delay_high_s


def test_an_older_recipe_gives_its_older_figure() -> None:
    """Stored before rests were checked, it is followed as it was then: within the bounds by ticks."""
    found = measure(random.Random(2), CALM, 0.02, 3.0)
    assert found.reading.recipe is not None
    older = follow(evolve(found.reading.recipe, flat_within=None), found.series)
    assert (older.estimator, older.edges) == ("guarded", None)
    assert (older.bounds_j.low, older.bounds_j.high) == found.tick_bounds_j


def test_a_window_with_one_rest_alone_is_bounded_by_its_ticks() -> None:
    """Where it did not rest on one side, no rest is looked at on the other."""
    found = measure(random.Random(2), CALM, 0.02, 3.0)
    assert found.reading.recipe is not None
    for missing in ("rest_before_s", "rest_after_s"):
        one = follow(evolve(found.reading.recipe, **{missing: 0.0}), found.series)
        assert (one.estimator, one.edges) == ("continuous", None)
        assert (one.bounds_j.low, one.bounds_j.high) == found.tick_bounds_j


def test_a_rest_of_two_ticks_has_not_shown_yet_that_it_is_one() -> None:
    """However even they are; nor has one of which nothing was read."""
    found = measure(random.Random(2), CALM, 0.02, 3.0)
    assert found.reading.recipe is not None
    end_s = found.series.after_s[-1]
    assert is_calm(found.series, end_s - 0.3, end_s, 300.0, 0.05)
    for length_s in (0.05, 0.03, 0.001):
        assert not is_calm(found.series, end_s - length_s, end_s, 300.0, 0.05)


def test_a_delay_is_named_only_where_it_can_be_one() -> None:
    """A counter that seems early by a part of a tick is called so; by more, the work's power was not even there."""
    edges = WindowEdges("flat", 0.055, 400.0, 0.0, -0.063, 0.018)
    shows = "its counter seems to show"
    for rise_s, text in (
        (-0.063, f"{shows} the begin of the work 63 ms early; {shows} the end of the work 18 ms late (medians)"),
        (0.0, f"{shows} the begin of the work 0 ms late; {shows} the end of the work 18 ms late"),
        (None, f"Test board 0: {shows} the end of the work 18 ms late"),
        (-0.099, f"{shows} the begin of the work 99 ms early"),
        (
            -3.961,
            f"the delay at the begin is not known, since the power of the work was not even there; {shows} the end",
        ),
    ):
        reading_ = evolve(reading(), edges=evolve(edges, rise_s=rise_s))
        findings = verdict([trial(1, reading_), trial(2, reading_)]).findings
        assert text in next(each.message for each in findings if each.check == "apparent delay")


def test_a_rest_that_was_one_is_not_called_raised() -> None:
    """Each state has its own words; of a rest that was raised the larger change is named, with its sign."""
    flat, raised = WindowEdges("flat", 0.055, 400.0, 3.0), WindowEdges("raised", 0.055, 400.0, -12.0)
    for edges, text in ((flat, "it was at rest within 55 ms next to the trials"), (raised, "drew up to -12 W against")):
        reading_ = evolve(reading(), edges=edges)
        findings = verdict([trial(1, reading_), trial(2, reading_)]).findings
        assert [text in each.message for each in findings if each.check == "window edges"] == [True]


def judged(*states: EdgeState) -> dict[str, Finding]:
    """The findings on one GPU whose trials ended so, by check and level."""
    edges = [WindowEdges(state, 0.3, 400.0, 25.0, 0.06, 0.08) for state in states]
    trials = [trial(number, evolve(reading(), edges=each)) for number, each in enumerate(edges, start=1)]
    return {f"{each.check} {each.level}": each for each in verdict(trials).findings}


def test_rests_that_are_none_are_in_the_verdict() -> None:
    """A late end and a raised rest warn; a rest that never came fails, and no bare number is left."""
    assert "+25 W" in judged("flat", "raised")["window edges WARN"].message
    found = judged("flat", "late")
    assert "up to 300 ms after the work" in found["window edges WARN"].message
    assert found["window resolved PASS"]
    assert "60 ms" in found["apparent delay INFO"].message
    found = judged("flat", "unsettled")
    assert "1 of 2 trials" in found["window edges FAIL"].message
    assert found["window resolved FAIL"]
    assert "window edges PASS" in judged("flat", "flat")
