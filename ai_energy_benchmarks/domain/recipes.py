"""Following a recipe: from a raw series to the energy of a window. Meters and re-analysis share this."""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import evolve, frozen

from ai_energy_benchmarks.domain import edges, integral
from ai_energy_benchmarks.domain.edges import Delay, Level
from ai_energy_benchmarks.domain.power import Estimator, Recipe, Series


@frozen
class Outcome:
    """What a recipe gives.

    Attributes:
        level: low, best and high, in J.
        estimator: how the edges were treated.
    """

    level: Level
    estimator: Estimator


def follow(recipe: Recipe, series: Series) -> Outcome:
    """The energy of the recipe's window.

    Args:
        series: at least one reading; what lies before the recipe's look-back has no part in it.
    """
    look_back_s = recipe.look_back_s
    own = edges.since(series, None if look_back_s is None else recipe.start_s - look_back_s)
    return _RULES[recipe.rule](recipe, own)


def cut(recipe: Recipe, start_s: float, stop_s: float, others: Mapping[str, Series]) -> Recipe | None:
    """The same recipe for a part of its window; there the workload does not rest beside the edges.

    Args:
        others: series of the same quantity and meter by device id.

    Returns:
        None if what the marks held cannot be told for a part.
    """
    shorter = evolve(recipe, start_s=start_s, stop_s=stop_s, rest_before_s=0.0, rest_after_s=0.0)
    if recipe.added_from is None:
        return shorter
    held = others.get(recipe.added_from)
    if held is None or not len(held.values):
        return None
    low_s, best_s, high_s = edges.rise(*(edges.fresh(held, at_s, _ceiling(recipe)) for at_s in (start_s, stop_s)))
    return evolve(shorter, added_s=best_s, added_half_width_s=max(best_s - low_s, high_s - best_s))


def _latched(recipe: Recipe, series: Series) -> Outcome:
    delay = Delay(recipe.delay_low_s, recipe.delay_high_s)
    start_s, stop_s = recipe.start_s, recipe.stop_s
    first, last = (edges.latched(series, at_s, delay, _ceiling(recipe)) for at_s in (start_s, stop_s))
    resting = edges.guarded(series, first, start_s, (start_s - recipe.rest_before_s, start_s), delay)
    rested = edges.guarded(series, last, stop_s, (stop_s, stop_s + recipe.rest_after_s), delay)
    if resting is None or rested is None:
        return Outcome(edges.rise(first, last), "continuous")
    return Outcome(edges.rise(resting, rested), "guarded")


def _fresh(recipe: Recipe, series: Series) -> Outcome:
    edge_times_s = recipe.start_s, recipe.stop_s
    low, best, high = edges.rise(
        *(edges.fresh(series, at_s, _ceiling(recipe), recipe.stale_s) for at_s in edge_times_s)
    )
    exact = recipe.added_from is not None and not high and not recipe.added_half_width_s
    if high:
        low, high = max(0.0, low - recipe.slack_s), high + recipe.slack_s
    half_width_s = recipe.added_half_width_s
    added = recipe.added_s - half_width_s, recipe.added_s, recipe.added_s + half_width_s
    low_j, best_j, high_j = (
        (mark + each) * recipe.per_unit_j for mark, each in zip(added, (low, best, high), strict=True)
    )
    return Outcome((low_j, best_j, high_j), "exact" if exact else "continuous")


def _integral(recipe: Recipe, series: Series) -> Outcome:
    delay = Delay(recipe.delay_low_s, recipe.delay_high_s)
    return Outcome(integral.integral(series, recipe.start_s, recipe.stop_s, delay, recipe.hold_s), "continuous")


def _ceiling(recipe: Recipe) -> float:
    return math.inf if recipe.ceiling_per_s is None else recipe.ceiling_per_s


_RULES = {"latched": _latched, "fresh": _fresh, "integral": _integral}
