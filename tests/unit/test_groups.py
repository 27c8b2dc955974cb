"""Several cells against one another: SciPy where it has the method, simulation where it has not."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from ai_energy_benchmarks.analysis.groups import Fit, Group, against, all_pairs, fit, ratio_95, with_the_best
from ai_energy_benchmarks.analysis.main_effects import main_effects
from ai_energy_benchmarks.analysis.pareto import Point, pareto_front
from ai_energy_benchmarks.analysis.ratio import Arm, ratio

# From the example of SciPy's Dunnett test (after Dunnett, 1955): a control and two drugs.
CONTROL = (7.40, 8.50, 7.20, 8.24, 9.84, 8.32)
DRUG_A, DRUG_B = (9.76, 8.80, 7.68, 9.36), (12.80, 9.68, 12.16, 9.20, 10.55)


def cell(name: str, values: Sequence[float], first_cycle: int = 1) -> Group:
    return Group(name, dict(enumerate(values, first_cycle)))


def fitted(*cells: Group) -> Fit:
    found = fit(cells)
    assert found is not None
    return found


def test_dunnetts_intervals_are_scipys() -> None:
    """Unequal numbers of values, one control."""
    stats = pytest.importorskip("scipy.stats")
    of = fitted(cell("control", CONTROL), cell("a", DRUG_A), cell("b", DRUG_B))
    assert of.model == "group"
    logs = [list(map(math.log, values)) for values in (DRUG_A, DRUG_B, CONTROL)]
    theirs = stats.dunnett(*logs[:2], control=logs[2], random_state=1).confidence_interval(0.95)
    for pair, low, high in zip(against(of, "control"), theirs.low, theirs.high, strict=True):
        assert pair.ratio.low == pytest.approx(math.exp(low), rel=2e-3)  # theirs is integrated by chance
        assert pair.ratio.high == pytest.approx(math.exp(high), rel=2e-3)


def test_tukeys_intervals_are_scipys() -> None:
    """All pairs at once, after Tukey and Kramer."""
    stats = pytest.importorskip("scipy.stats")
    values = {"control": CONTROL, "a": DRUG_A, "b": DRUG_B}
    theirs = stats.tukey_hsd(*(list(map(math.log, each)) for each in values.values())).confidence_interval(0.95)
    names = list(values)
    for pair in all_pairs(fitted(*(cell(name, each) for name, each in values.items()))):
        row, column = names.index(pair.second), names.index(pair.first)
        assert pair.ratio.low == pytest.approx(math.exp(theirs.low[row][column]), rel=1e-4)
        assert pair.ratio.high == pytest.approx(math.exp(theirs.high[row][column]), rel=1e-4)


def test_what_cycles_share_is_no_scatter() -> None:
    """Where every cell has the same cycles, two cells come to the paired interval."""
    first, second = (10.0, 11.0, 12.0, 13.0), (11.0, 12.2, 13.1, 14.4)
    of = fitted(cell("first", first), cell("second", second))
    assert of.model == "group + cycle"
    paired = ratio(Arm(first), Arm(second), paired=True)
    found = ratio_95(of, "first", "second")
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high))


def test_cells_with_other_cycles_are_compared_without_blocks() -> None:
    """A cell that lacks a cycle leaves the scatter between cycles in the residual."""
    of = fitted(cell("first", (10.0, 11.0, 12.0)), cell("second", (11.0, 12.0)))
    assert (of.model, of.degrees) == ("group", 3)


def test_one_cycle_each_leaves_nothing_to_judge_by() -> None:
    """There is no scatter between processes to be seen."""
    assert fit([cell("first", (10.0,)), cell("second", (11.0,))]) is None
    with pytest.raises(ValueError, match="two groups"):
        fit([cell("first", (10.0,))])


def test_the_best_cell_is_named_where_the_cycles_show_it() -> None:
    """A cell far below the others is the only candidate; two that are alike stay two."""
    values = {"dear": (20.0, 20.2, 19.8), "cheap": (10.0, 10.1, 9.9), "middle": (15.0, 15.1, 14.9)}
    found = with_the_best(fitted(*(cell(name, each) for name, each in values.items())))
    assert [(each.name, each.may_be_best) for each in found] == [("cheap", True), ("middle", False), ("dear", False)]
    assert found[0].over_best_high == 1.0
    assert found[0].over_best_low < 10 / 15
    assert found[1].over_best_low == 1.0
    assert found[1].over_best_high == pytest.approx(1.5, rel=0.05)
    alike = with_the_best(fitted(cell("one", (10.0, 10.1, 9.9)), cell("other", (10.02, 9.98, 10.06))))
    assert all(each.may_be_best for each in alike)


def test_the_highest_can_be_the_best() -> None:
    """Of a throughput."""
    of = fitted(cell("slow", (10.0, 10.1, 9.9)), cell("fast", (20.0, 20.1, 19.9)))
    first, second = with_the_best(of, lowest=False)
    assert (first.name, first.may_be_best, second.may_be_best) == ("fast", True, False)
    assert first.over_best_low == 1.0
    assert first.over_best_high == pytest.approx(2.0, rel=0.05)


def test_hsus_intervals_hold_together() -> None:
    """In 400 seeded studies of four cells, all four true ratios to the best other lie inside at least 95 % of times."""
    dice, truth = random.Random(4), {"a": 1.0, "b": 1.01, "c": 1.03, "d": 1.2}
    best_other = {name: min(value for other, value in truth.items() if other != name) for name in truth}
    held = 0
    for _ in range(400):
        cells = [cell(name, [value * math.exp(dice.gauss(0, 0.01)) for _ in range(5)]) for name, value in truth.items()]
        held += all(
            each.over_best_low <= truth[each.name] / best_other[each.name] <= each.over_best_high
            for each in with_the_best(fitted(*cells))
        )
    assert held >= 380


def test_a_figure_without_logarithm_is_refused() -> None:
    """A cell of 0 J is no cell."""
    with pytest.raises(ValueError, match="positive"):
        Group("broken", {1: 0.0})


def test_main_effects_are_averages_over_the_other_axes() -> None:
    """Batch 2 costs 0.6 times batch 1 with one engine, 0.5 with the other; the mean is between, and both are shown."""
    settings = {
        f"{engine}{batch}": {"engine": engine, "batch": batch, "fixed": 1} for engine in "xy" for batch in (1, 2)
    }
    values = {"x1": 10.0, "x2": 6.0, "y1": 20.0, "y2": 10.0}
    cells = [cell(name, (value, value * 1.01, value * 0.99)) for name, value in values.items()]
    effects = main_effects(fitted(*cells), settings)
    assert not isinstance(effects, str)
    engine, batch = effects
    assert (engine.axis, engine.reference, engine.level) == ("engine", "x", "y")
    assert engine.ratio.best == pytest.approx(math.sqrt(2 * 10 / 6))
    assert batch.ratio.best == pytest.approx(math.sqrt(0.6 * 0.5))
    assert (batch.lowest, batch.highest) == pytest.approx((0.5, 0.6))
    assert batch.ratio.low is not None
    assert batch.ratio.low <= batch.ratio.best


def test_main_effects_need_a_complete_crossing() -> None:
    """A combination that was left out would make the mean over the others unlike for two levels."""
    settings = {"a": {"p": 1, "q": 1}, "b": {"p": 2, "q": 1}, "c": {"p": 1, "q": 2}}
    of = fitted(*(cell(name, (1.0, 1.1)) for name in settings))
    assert main_effects(of, settings) == ("the cells are no complete crossing of the axes: 1 of 4 combinations missing")
    assert main_effects(of, {name: {"p": 1} for name in settings}) == "no axis has two levels"


def test_a_cell_without_a_key_has_a_level_of_its_own() -> None:
    """A setting that only one of two cells has is an axis too."""
    effects = main_effects(fitted(cell("a", (2.0, 2.1)), cell("b", (1.0, 1.1))), {"a": {}, "b": {"dtype": "float32"}})
    assert not isinstance(effects, str)
    assert [(each.axis, each.reference, each.level) for each in effects] == [("dtype", None, "float32")]


def test_the_front_has_what_nothing_beats() -> None:
    """Less energy or less latency; ties stay, and what is not known is not on it."""
    points = [Point("a", 1, 9), Point("b", 2, 5), Point("c", 3, 5), Point("d", 4, 1), Point("e", 2, 5)]
    points += [Point("f", math.nan, 0), Point("g", 0, math.nan)]
    assert [each.name for each in pareto_front(points)] == ["a", "b", "e", "d"]
    assert [each.name for each in pareto_front(points, higher_is_better=True)] == ["a"]
    assert pareto_front([]) == ()
