"""Ratios of two arms and of several groups by hand: every term of every interval, and which one is used."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.groups import (
    Candidate,
    Fit,
    Group,
    Pair,
    against,
    all_pairs,
    fit,
    ratio_95,
    with_the_best,
)
from ai_energy_benchmarks.analysis.main_effects import Effect, Settings, main_effects
from ai_energy_benchmarks.analysis.quantiles import dunnett95, hsu95, tukey95
from ai_energy_benchmarks.analysis.ratio import Arm, Ratio, decide, log_edge, ratio
from ai_energy_benchmarks.domain.statistics import t95

Z = 1.959963984540054


def e(*logs: float) -> tuple[float, ...]:
    """Figures with these logarithms."""
    return tuple(map(math.exp, logs))


def about(best: float, half_width: float, method: str, degrees: float) -> Ratio:
    """A ratio of logarithms ``best`` ± ``half_width``, up to rounding."""
    ends = (math.exp(best + shift) for shift in (0.0, -half_width, half_width))
    middle, low, high = (pytest.approx(end, rel=1e-12) for end in ends)
    return Ratio(middle, low, high, method, pytest.approx(degrees, rel=1e-12))  # type: ignore[arg-type] # approximate


@pytest.mark.parametrize(
    ("first", "second", "paired", "expected"),
    [
        # Changes 1, 0 and 0.5: mean 0.5, deviation 0.5.
        (e(0, 2, 1), e(1, 2, 1.5), True, about(0.5, 4.3027 * 0.5 / math.sqrt(3), "paired by cycle", 2)),
        # Changes 1 and 0: mean and deviation 0.5 and √0.5.
        (e(0, 2), e(1, 2), True, about(0.5, 12.7062 * 0.5, "paired by cycle", 1)),
        # Variances 0.5 of two and 1 of three: errors 1/4 and 1/3.
        (
            e(0, 1),
            e(1, 2, 3),
            False,
            about(
                1.5,
                t95((7 / 12) ** 2 / (1 / 16 + 1 / 18)) * math.sqrt(7 / 12),
                "Welch",
                (7 / 12) ** 2 / (1 / 16 + 1 / 18),
            ),
        ),
        (e(0, 0), e(1, 1, 1), False, about(1.0, 0.0, "Welch", 3)),
        # One against three with a deviation of 1, either way round: t of 2 degrees times √(1 + 1/3).
        (e(5), e(1, 2, 3), False, about(-3.0, 4.3027 * math.sqrt(4 / 3), "pooled", 2)),
        (e(1, 2, 3), e(5), False, about(3.0, 4.3027 * math.sqrt(4 / 3), "pooled", 2)),
        # Against two with a deviation of √0.5: √(1/2 · 3/2).
        (e(5), e(1, 2), False, about(-3.5, 12.7062 * math.sqrt(0.75), "pooled", 1)),
    ],
)
def test_the_interval_of_two_arms(
    first: tuple[float, ...], second: tuple[float, ...], paired: bool, expected: Ratio
) -> None:
    """Paired, Welch's, or with the scatter of the one arm that has any."""
    assert ratio(Arm(first), Arm(second), paired=paired) == expected


def test_single_processes_have_the_scatter_of_their_trials() -> None:
    """Variances 0.04 of 2 and 0.09 of 3 trials: errors 0.02 and 0.03. One trial of an arm, or no scatter, is none.

    Two single processes share no cycle from which a change could be told, also where they are paired.
    """
    first, second = Arm(e(0), 0.0, 0.2, 2), Arm(e(1), 0.0, 0.3, 3)
    degrees = 0.05**2 / (0.02**2 / 1 + 0.03**2 / 2)
    expected = about(1.0, t95(degrees) * math.sqrt(0.05), "trials of one process", degrees)
    assert ratio(first, second) == expected
    assert ratio(first, second, paired=True) == expected
    none = Ratio(math.e, None, None, "no interval")
    assert ratio(evolve(first, trials=1), second) == none
    assert ratio(first, evolve(second, trials=1)) == none
    assert ratio(evolve(first, trial_deviation=None), second) == none
    assert ratio(first, evolve(second, trial_deviation=None)) == none


def test_bounds_of_the_meter_add_and_gains_join_in_quadrature() -> None:
    """Edges of 20 and 10 % are -ln 0.8 and -ln 0.9; twice 3 % of gain is 1.96 standard uncertainties."""
    first, second = Arm(e(0, 2, 1), edge=0.2), Arm(e(1, 2, 1.5), edge=0.1)
    scatter = 4.3027 * 0.5 / math.sqrt(3)
    half_width = math.hypot(scatter - math.log(0.8) - math.log(0.9), Z * 0.06)
    assert ratio(first, second, paired=True, gain_uncertainty=0.06) == about(0.5, half_width, "paired by cycle", 2)
    assert [log_edge(edge) for edge in (0.0, 0.5, 1.0, 1.5)] == [0.0, math.log(2), math.inf, math.inf]
    assert (Arm((1.0, 3.0)).cv, Arm((1.0,)).cv) == (math.sqrt(2) / 2, None)
    with pytest.raises(ValueError, match=r"positive, finite figures, got \[1.0, inf\]"):
        Arm((1.0, math.inf))


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [
        (1.06, 1.2, "regression"),
        (1.05, 1.2, "inconclusive"),
        (0.9, 1.05, "inconclusive"),
        (0.9, 1.04, "pass"),
        (None, 1.04, "inconclusive"),
        (1.06, None, "inconclusive"),
    ],
)
def test_a_limit_itself_decides_nothing(low: float | None, high: float | None, decision: str) -> None:
    """Of 5 % more: only an interval that lies beyond it, or below it, does; the inverse swaps its ends."""
    found = Ratio(1.0, low, high, "Welch", 3.5)
    assert decide(found, 0.05) == decision
    ends = (None if end is None else 1 / end for end in (high, low))
    assert evolve(found, best=2.0).inverted() == Ratio(0.5, *ends, "Welch", 3.5)


A, B, C = (Group("a", dict(enumerate(e(0, 1, 2)))), Group("b", dict(enumerate(e(1, 3, 2)))), Group("c", {7: e(5)[0]}))


def test_groups_with_the_same_cycles_are_blocks() -> None:
    """Logarithms less their means: -1, 0, 1 and -1, 1, 0; cycles shift by -1, 1/2 and 1/2, so four halves are left."""
    found = fit([evolve(A, edge=0.2), B])
    assert found is not None
    assert found.means == pytest.approx({"a": 1.0, "b": 2.0})
    assert (found.counts, found.degrees, found.model) == ({"a": 3, "b": 3}, 2, "group + cycle")
    assert found.edges == pytest.approx({"a": -math.log(0.8), "b": 0.0})
    assert found.deviation == pytest.approx(math.sqrt(4 * 0.25 / 2))
    assert found.error("a", "b") == pytest.approx(math.sqrt(0.5) * math.sqrt(2 / 3))
    half_width = 4.3027 * math.sqrt(1 / 3) - math.log(0.8)
    assert ratio_95(found, "a", "b") == about(1.0, half_width, "paired by cycle", 2)
    assert ratio_95(found, "b", "a") == about(-1.0, half_width, "paired by cycle", 2)
    assert found.only({"b"}).means == {"b": found.means["b"]}
    assert found.only({"b"}).counts == found.counts


def test_groups_with_other_cycles_are_none() -> None:
    """Their own squares 2, 2 and 0 over 4 degrees; with one value each, or one cycle, nothing is left."""
    found = fit([A, B, C])
    assert found is not None
    assert (found.counts, found.degrees, found.model) == ({"a": 3, "b": 3, "c": 1}, 4, "group")
    assert found.deviation == pytest.approx(1.0)
    assert found.error("a", "c") == pytest.approx(math.sqrt(1 / 3 + 1))
    assert ratio_95(found, "c", "a") == about(-4.0, 2.7764 * math.sqrt(4 / 3), "pooled", 4)
    assert fit([C, Group("d", {7: 1.0})]) is None
    assert fit([C, Group("d", {8: 1.0})]) is None
    two = fit([Group("a", {1: 1.0, 2: 2.0}), Group("d", {8: 1.0})])
    assert two is not None
    assert two.degrees == 1
    for values in ({}, {1: 1.0, 2: -1.0}, {1: math.inf}):
        with pytest.raises(ValueError, match="d needs positive, finite figures, got"):
            Group("d", values)
    with pytest.raises(ValueError, match="a comparison needs at least two groups, got 1"):
        fit([A])


# Means of logarithms 0, 0.1 and 0.5, of 4, 3 and 2 cycles, with a deviation of 0.05 and 6 degrees.
THREE = Fit(
    {"a": 0.0, "b": 0.1, "c": 0.5}, {"a": 4, "b": 3, "c": 2}, {"a": 0.01, "b": 0.02, "c": 0.03}, 0.05, 6, "group"
)
ERRORS = {pair: 0.05 * math.sqrt(1 / m + 1 / n) for pair, m, n in (("ab", 4, 3), ("ac", 4, 2), ("bc", 3, 2))}
EDGES = {"ab": 0.03, "ac": 0.04, "bc": 0.05}


def test_several_comparisons_at_once() -> None:
    """All pairs with Tukey's quantile over √2; all against the second with Dunnett's, of the others' counts."""
    tukey = tukey95(3, 6) / math.sqrt(2)
    assert all_pairs(THREE) == tuple(
        Pair(pair[0], pair[1], about(step, tukey * ERRORS[pair] + EDGES[pair], "pooled", 6))
        for pair, step in (("ab", 0.1), ("ac", 0.5), ("bc", 0.4))
    )
    dunnett = dunnett95([4, 2], 3, 6)
    assert against(THREE, "b") == (
        Pair("b", "a", about(-0.1, dunnett * ERRORS["ab"] + 0.03, "pooled", 6)),
        Pair("b", "c", about(0.4, dunnett * ERRORS["bc"] + 0.05, "pooled", 6)),
    )


@pytest.mark.parametrize("lowest", [True, False])
def test_which_group_is_the_best(lowest: bool) -> None:
    """Hsu's intervals, each with the quantile of the group that is held against the others.

    a and b are too close to tell; c is 0.5 and 0.4 above them. Highest: the same with the means the other way round.
    """
    means = THREE.means if lowest else {name: -mean for name, mean in THREE.means.items()}
    found = with_the_best(evolve(THREE, means=means), lowest=lowest)
    of_a, of_b, of_c = hsu95([3, 2], 4, 6), hsu95([4, 2], 3, 6), hsu95([4, 3], 2, 6)
    logs = {
        "a": (-0.1 - of_a * ERRORS["ab"] - 0.03, max(0.0, -0.1 + of_b * ERRORS["ab"] + 0.03)),
        "b": (0.1 - of_b * ERRORS["ab"] - 0.03, 0.1 + of_a * ERRORS["ab"] + 0.03),
        "c": (
            0.0,
            max(0.5 + of_a * ERRORS["ac"] + 0.04, 0.4 + of_b * ERRORS["bc"] + 0.05),
        ),
    }
    assert 0.5 - of_c * ERRORS["ac"] - 0.04 > 0
    expected = [
        Candidate(name, *sorted(math.exp(log if lowest else -log) for log in ends), name != "c")
        for name, ends in logs.items()
    ]
    assert [each.name for each in found] == ["a", "b", "c"]
    for got, right in zip(found, expected, strict=True):
        assert (got.over_best_low, got.over_best_high) == pytest.approx((right.over_best_low, right.over_best_high))
        assert got.may_be_best is right.may_be_best


def crossing(**logs: float) -> Fit:
    """Cells with these mean logarithms, one to six cycles each, and edges that differ."""
    counts = {name: 1 + number for number, name in enumerate(logs)}
    edges = {name: 0.01 * number for number, name in enumerate(logs)}
    return Fit(logs, counts, edges, 0.1, 5, "group + cycle")


def test_a_main_effect_is_the_mean_over_the_other_axis() -> None:
    """Of three levels of p at two of q: each of the two later ones over the first, and q over all three."""
    cells = crossing(a1=0.0, b1=0.3, c1=0.7, a2=1.0, b2=1.2, c2=2.0)
    settings: dict[str, Settings] = {name: {"p": name[0], "q": int(name[1])} for name in cells.means}
    effects = main_effects(cells, settings)
    assert not isinstance(effects, str)

    def effect(axis: str, levels: tuple[object, object], *pairs: tuple[str, str]) -> Effect:
        steps = [cells.means[later] - cells.means[first] for first, later in pairs]
        squares = [0.01 * (1 / cells.counts[first] + 1 / cells.counts[later]) for first, later in pairs]
        edge = fmean(cells.edges[first] + cells.edges[later] for first, later in pairs)
        half_width = 2.5706 * math.sqrt(sum(squares) / len(pairs) ** 2) + edge
        ends = (pytest.approx(math.exp(end)) for end in (min(steps), max(steps)))
        return Effect(axis, *levels, about(fmean(steps), half_width, "paired by cycle", 5), *ends)  # type: ignore[arg-type] # approximate

    assert effects == (
        effect("p", ("a", "b"), ("a1", "b1"), ("a2", "b2")),
        effect("p", ("a", "c"), ("a1", "c1"), ("a2", "c2")),
        effect("q", (1, 2), ("a1", "a2"), ("b1", "b2"), ("c1", "c2")),
    )


@pytest.mark.parametrize(
    ("settings", "axis", "first", "second"),
    [
        (
            ({"x.type": "vllm", "x.dtype": "f16"}, {"x.type": "hf", "x.dtype": "f32"}),
            "x.type, x.dtype",
            "type=vllm, dtype=f16",
            "type=hf, dtype=f32",
        ),
        (
            ({"x.type": "vllm", "y.type": 1}, {"x.type": "hf", "y.type": 2}),
            "x.type, y.type",
            "x.type=vllm, y.type=1",
            "x.type=hf, y.type=2",
        ),
        (({"t": "a", "u": 1}, {"t": "b"}), "t", "a", "b"),
        (({"x.t": "a", "x.u": 1, "x.v": 5}, {"x.t": "b", "x.u": 2}), "x.t, x.u", "t=a, u=1", "t=b, u=2"),
    ],
)
def test_settings_that_change_together_are_one_axis(
    settings: tuple[Settings, ...], axis: str, first: object, second: object
) -> None:
    """Named by the last parts of their keys where these differ, else by the whole keys; what is not set is left out."""
    effects = main_effects(crossing(a=0.0, b=0.3), dict(zip("ab", settings, strict=True)))
    assert not isinstance(effects, str)
    assert [(each.axis, each.reference, each.level) for each in effects] == [(axis, first, second)]


def test_a_cell_with_none_of_several_settings_has_no_level() -> None:
    """Nothing is named that is not set."""
    cells: dict[str, Settings] = {"a": {"x.t": "p", "x.u": 1}, "b": {"x.t": "q", "x.u": 2}, "c": {}}
    effects = main_effects(crossing(a=0.0, b=0.3, c=0.4), cells)
    assert not isinstance(effects, str)
    assert [(each.axis, each.reference, each.level) for each in effects] == [
        ("x.t, x.u", "t=p, u=1", "t=q, u=2"),
        ("x.t, x.u", "t=p, u=1", None),
    ]


def test_why_there_are_no_main_effects() -> None:
    """No axis, a combination that is missing, or one that is there twice."""
    assert main_effects(crossing(a=0.0, b=0.3), {"a": {"p": 1}, "b": {"p": 1}}) == "no axis has two levels"
    twice = {"a": {"p": 1}, "b": {"p": 2}, "c": {"p": 2}}
    why = "the cells are no complete crossing of the axes: {} combinations missing"
    assert main_effects(crossing(a=0.0, b=0.3, c=0.1), twice) == why.format("0 of 2")
    assert main_effects(crossing(a=0.0, b=0.3, c=0.1).only({"a"}), twice) == why.format("1 of 2")
