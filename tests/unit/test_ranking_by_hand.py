"""Trends, outliers, fronts, stars and goodput by hand: each figure, and each limit from both sides."""

from __future__ import annotations

import math

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.goodput import goodput, keeps
from ai_energy_benchmarks.analysis.outliers import Farthest, farthest
from ai_energy_benchmarks.analysis.pareto import Point, pareto_front
from ai_energy_benchmarks.analysis.stars import Entry, Rating, band_edges_j, rate
from ai_energy_benchmarks.analysis.trend import Trend, holm, trend
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.serving import Goodput, Slo
from tests.factories import completion, failure


def one_degree(t: float) -> float:
    """Two-sided p of Student's t with one degree of freedom, which is Cauchy's distribution."""
    return 1 - 2 / math.pi * math.atan(t)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Slope 1.5, mean 7/3; residuals 1/6, -1/3 and 1/6 leave a standard error of √(1/12).
        ([1.0, 2.0, 4.0], Trend(3 / (7 / 3), one_degree(1.5 * math.sqrt(12)))),
        ([-1.0, -2.0, -4.0], Trend(-3 / (7 / 3), one_degree(1.5 * math.sqrt(12)))),
        # Slope 3/10, mean 2.25; residuals 0.2, -0.1, -0.4 and 0.3: √(0.3/2/5); p of two degrees is 1 - t/√(2 + t²).
        ([2.0, 2.0, 2.0, 3.0], Trend(0.9 / 2.25, 1 - math.sqrt(3) / math.sqrt(5))),
        ([3.0, 2.0, 1.0], Trend(-1.0, 0.0)),
        ([1.0, 2.0, 3.0], Trend(1.0, 0.0)),
        ([4.0, 4.0, 4.0], Trend(0.0, 1.0)),
        ([-0.5, -0.5, -0.5], Trend(0.0, 1.0)),
        ([1.0, 2.0], None),
        ([-1.0, 0.0, 1.0], None),
    ],
)
def test_a_line_through_few_values(values: list[float], expected: Trend | None) -> None:
    """Relative to the size of the mean; on a line without residuals a slope is certain, and no slope is too."""
    found = trend(values)
    assert (found is None) is (expected is None)
    if found is not None and expected is not None:
        assert (found.drift, found.p_value) == pytest.approx((expected.drift, expected.p_value), abs=1e-12)


def test_a_value_at_its_limit_is_significant() -> None:
    """α/2 of two tests, then α of the one that is left; the first that is above ends it."""
    assert holm([0.025, 0.05], 0.05) == (True, True)
    assert holm([0.05, 0.026], 0.05) == (False, False)
    assert holm([0.01, 0.026, 0.001], 0.05) == (True, True, True)
    assert holm([0.04, 0.03, 0.001], 0.05) == (False, False, True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Mean 3, s = √7, G = 3/√7; t² = n (n - 2) G² / ((n - 1)² - n G²) = 27.
        ([1.0, 2.0, 6.0], Farthest(2, 1.0, 3 * one_degree(math.sqrt(27)))),
        ([-2.0, -6.0, -1.0], Farthest(1, -1.0, 3 * one_degree(math.sqrt(27)))),
        # Mean 5, s² = 14/3, G² = 9 · 3/14; t² = 4 · 2 G² / (9 - 4 G²) = 12; two degrees.
        ([5.0, 2.0, 7.0, 6.0], Farthest(1, -0.6, 4 * (1 - math.sqrt(12) / math.sqrt(14)))),
        # G² = 0.93, t = 1.19: four times its p is more than certainty. Of two as far out the first is taken.
        ([1.0, 1.25, 3.0, 3.25], Farthest(0, -1.125 / 2.125, 1.0)),
        ([4.0, 1.0, 1.0], Farthest(0, 1.0, 0.0)),
        ([2.0, 2.0, 2.0, 0.5], Farthest(3, -1.125 / 1.625, 0.0)),
        ([1.0, 2.0], None),
        ([2.0, 2.0, 2.0], None),
        ([-1.0, 0.0, 1.0], None),
    ],
)
def test_the_value_farthest_from_the_mean(values: list[float], expected: Farthest | None) -> None:
    """Grubbs' G as a t; where all others are equal it is infinitely far out."""
    found = farthest(values)
    assert (found is None) is (expected is None)
    if found is not None and expected is not None:
        assert found.position == expected.position
        assert (found.deviation, found.p_value) == pytest.approx((expected.deviation, expected.p_value), abs=1e-12)


@pytest.mark.parametrize(
    ("points", "higher", "front"),
    [
        ([("a", 1, 5), ("b", 1, 9)], False, "a"),
        ([("a", 1, 5), ("b", 1, 9)], True, "b"),
        ([("a", 1, 5), ("b", 1, 9), ("c", 2, 9), ("d", 2, 10)], True, "bd"),
        ([("a", 1, 5), ("b", 1, 9), ("c", 2, 5), ("d", 2, 4)], False, "ad"),
        ([("a", 2, 5), ("b", 2, 5), ("c", 3, 6)], False, "ab"),
        ([("a", 2, 5), ("b", 2, 5), ("c", 3, 6)], True, "abc"),
        ([("a", 3, 1), ("b", 2, 2), ("c", 1, 3)], False, "cba"),
        ([("a", 1, 5), ("b", 2, 5)], False, "a"),
        ([("a", 1, 5), ("b", 2, 5)], True, "a"),
        ([("a", 1, 9), ("b", 2, 5), ("c", 3, 7)], False, "ab"),
        ([("a", 1, 2), ("b", 2, 6), ("c", 3, 4)], True, "ab"),
        ([("a", math.nan, 1), ("b", 2, math.nan), ("c", 9, 9)], False, "c"),
    ],
)
def test_a_front_of_few_points(points: list[tuple[str, float, float]], higher: bool, front: str) -> None:
    """Of equal energy the better one, of an equal other figure the cheaper one; equals in both stay."""
    found = pareto_front([Point(*point) for point in points], higher_is_better=higher)
    assert "".join(point.name for point in found) == front


def test_the_most_energy_has_one_star_whatever_is_rounded() -> None:
    """The last edge of 1.2 to 3.1 J is a bit below 3.1 J in floating point."""
    least, most = Entry("least", 1.2, 1.2, 1.2), Entry("most", 3.1, 3.1, 3.1)
    assert band_edges_j([1.2, 3.1])[-1] < 3.1
    assert rate([most, least]) == (Rating(least, 5, 5, 5), Rating(most, 1, 1, 1))


def test_two_models_of_the_same_figures_are_two() -> None:
    """Each is held against the other: the range ends at the other's 7 J where this one's is 5 J, in the fourth band."""
    low, twin, same = Entry("low", 1.0, 1.0, 1.0), Entry("m", 6.0, 5.0, 7.0), Entry("m", 6.0, 5.0, 7.0)
    assert rate([twin, low, same]) == (Rating(low, 5, 5, 5), Rating(twin, 1, 1, 2), Rating(same, 1, 1, 2))


def test_a_model_is_held_against_the_others_alone() -> None:
    """At 4.3 J, its highest, it is in the third of five bands from 2 to 6 J; that it may be at 1 J is no range."""
    model, low, high = Entry("m", 3.0, 1.0, 4.3), Entry("low", 2.0, 2.0, 2.0), Entry("high", 6.0, 6.0, 6.0)
    assert rate([model, low, high])[1] == Rating(model, 4, 3, 5)


# First token after 1/8 s, three more 1/16 s apart, so the last after 5/16 s.
DONE = completion(first_s=0.125, step_s=0.0625)
SILENT = evolve(completion(output_tokens=1), token_times_s=[], finished_s=0.5)


@pytest.mark.parametrize(
    ("done", "limits", "kept"),
    [
        (DONE, Slo(0.125, 0.0625, 0.3125), True),
        (DONE, Slo(0.124, 0.0625, 0.3125), False),
        (DONE, Slo(0.125, 0.0624, 0.3125), False),
        (DONE, Slo(0.125, 0.0625, 0.312), False),
        (DONE, Slo(), True),
        (DONE, Slo(ttft_s=0.125), True),
        (DONE, Slo(tpot_s=0.06), False),
        (completion(output_tokens=2, step_s=0.5), Slo(tpot_s=0.25), False),
        (completion(output_tokens=1), Slo(tpot_s=0.001), True),
        (evolve(DONE, first_event_tokens=None), Slo(tpot_s=0.25), None),
        (evolve(DONE, first_event_tokens=None), Slo(ttft_s=0.125), True),
        (SILENT, Slo(ttft_s=0.5), True),
        (SILENT, Slo(ttft_s=0.25), None),
        (SILENT, Slo(ttft_s=0.25, e2e_s=0.25), False),
        (SILENT, Slo(e2e_s=0.5), True),
    ],
)
def test_a_limit_is_kept_up_to_itself(done: Completion, limits: Slo, kept: bool | None) -> None:
    """What is not asked does not matter; what is not known decides only where all that is known was kept."""
    assert keeps(done, limits) is kept


def test_goodput_is_of_all_passes_together() -> None:
    """2 of 3 and 1 of 2 good requests in 0.5 and 0.25 s: 3 of 5, of 2.5 requests in 0.375 s."""
    limits, late = Slo(ttft_s=0.125), completion(first_s=0.25)
    passes = [([DONE, DONE, late], 0.5), ([failure(), DONE], 0.25)]
    assert goodput(passes, limits) == Goodput(limits, 1.5, 0.0, pytest.approx(0.6 * 2.5 / 0.375), 0.6)
    assert goodput(passes, limits, 7.0) == Goodput(limits, 1.5, 0.0, pytest.approx(4.2), 0.6)
    unknown = [([DONE, SILENT, SILENT], 0.5), ([failure(), DONE], 0.25)]
    assert goodput(unknown, limits, 7.0) == Goodput(limits, 1.0, 1.0, None, None)
    assert goodput([([DONE], 0.5)], limits, 0.0) == Goodput(limits, 1.0, 0.0, 0.0, 1.0)
    assert goodput([], limits) is None
    assert goodput(passes, None) is None
