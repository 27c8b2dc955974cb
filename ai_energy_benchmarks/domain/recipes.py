"""Following a recipe: from a raw series to the energy of a window. Meters and re-analysis share this."""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import evolve, frozen

from ai_energy_benchmarks.domain import edges, integral
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.guarded import between_rests
from ai_energy_benchmarks.domain.power import Estimator, Recipe, Series, WindowEdges
from ai_energy_benchmarks.domain.rests import Window


@frozen
class Followed:
    """What a recipe gives.

    Attributes:
        bounds_j: the energy, in J (seconds where the recipe has no watts).
        estimator: how the edges were treated.
        edges: what the rests next to the window showed; None if they were not looked at.
    """

    bounds_j: Bounds
    estimator: Estimator
    edges: WindowEdges | None = None


def follow(recipe: Recipe, series: Series) -> Followed:
    """The energy of the recipe's window.

    Args:
        series: at least one reading; what lies before the recipe's look-back has no part in it.
    """
    look_back_s = recipe.look_back_s
    own = edges.since(series, None if look_back_s is None else recipe.start_s - look_back_s)
    return _RULES[recipe.rule](recipe, own)


def cut(recipe: Recipe, start_s: float, stop_s: float, others: Mapping[str, Series]) -> Recipe | None:
    """The same recipe for a part of its window; there the workload does not rest next to the edges.

    Args:
        others: series of the same quantity and meter by device id.

    Returns:
        None if what the marks held cannot be told for a part.
    """
    shorter = evolve(recipe, start_s=start_s, stop_s=stop_s, rest_before_s=0.0, rest_after_s=0.0)
    own = others.get(recipe.series_id)
    if recipe.flat_within is not None and own is not None and len(own.values):
        # What the edges of the full window showed of the counter's delay holds inside it too.
        shorter = evolve(shorter, delay_high_s=delay_high_s(recipe, own))
    if recipe.added_from is None:
        return shorter
    held = others.get(recipe.added_from)
    if held is None or not len(held.values):
        return None
    low_s, best_s, high_s = edges.rise(*(edges.fresh(held, at_s, _ceiling(recipe)) for at_s in (start_s, stop_s)))
    return evolve(shorter, added_s=best_s, added_half_width_s=max(best_s - low_s, high_s - best_s))


def delay_high_s(recipe: Recipe, series: Series) -> float:
    """The longest delay that the bounds of a recipe's window allow for."""
    beside = follow(recipe, series).edges
    return recipe.delay_high_s if beside is None else beside.delay_high_s


def _latched(recipe: Recipe, series: Series) -> Followed:
    delay = Delay(recipe.delay_low_s, recipe.delay_high_s)
    if recipe.flat_within is None:
        return _unchecked(recipe, series, delay)
    between = None
    if recipe.rest_before_s and recipe.rest_after_s:
        rests_s = recipe.rest_before_s, recipe.rest_after_s
        limits = recipe.flat_within, recipe.widest_delay_s
        between = between_rests(series, Window(recipe.start_s, recipe.stop_s, *rests_s, delay, *limits))
    if between is None:
        return Followed(_ticks(recipe, series, delay), "continuous")
    if between.bounds_j is None:
        wider = evolve(delay, high_s=between.edges.delay_high_s)
        return Followed(_ticks(recipe, series, wider), "continuous", between.edges)
    return Followed(between.bounds_j, "guarded", between.edges)


def _ticks(recipe: Recipe, series: Series, delay: Delay) -> Bounds:
    edge_times_s = recipe.start_s, recipe.stop_s
    return edges.rise(*(edges.latched(series, at_s, delay, _ceiling(recipe)) for at_s in edge_times_s))


def _unchecked(recipe: Recipe, series: Series, delay: Delay) -> Followed:
    """As windows were measured before their rests were looked at."""
    start_s, stop_s = recipe.start_s, recipe.stop_s
    first, last = (edges.latched(series, at_s, delay, _ceiling(recipe)) for at_s in (start_s, stop_s))
    resting = edges.guarded(series, first, start_s, (start_s - recipe.rest_before_s, start_s), delay)
    rested = edges.guarded(series, last, stop_s, (stop_s, stop_s + recipe.rest_after_s), delay)
    if resting is None or rested is None:
        return Followed(edges.rise(first, last), "continuous")
    return Followed(edges.rise(resting, rested), "guarded")


def _fresh(recipe: Recipe, series: Series) -> Followed:
    edge_times_s = recipe.start_s, recipe.stop_s
    low, best, high = edges.rise(
        *(edges.fresh(series, at_s, _ceiling(recipe), recipe.stale_s) for at_s in edge_times_s)
    )
    exact = recipe.added_from is not None and not high and not recipe.added_half_width_s
    if high:
        low, high = max(0.0, low - recipe.slack_s), high + recipe.slack_s
    half_width_s = recipe.added_half_width_s
    added = recipe.added_s - half_width_s, recipe.added_s, recipe.added_s + half_width_s
    both = Bounds(*(mark + level for mark, level in zip(added, (low, best, high), strict=True)))
    return Followed(both * recipe.per_unit_j, "exact" if exact else "continuous")


def _integral(recipe: Recipe, series: Series) -> Followed:
    delay = Delay(recipe.delay_low_s, recipe.delay_high_s)
    return Followed(integral.integral(series, recipe.start_s, recipe.stop_s, delay, recipe.hold_s), "continuous")


def _ceiling(recipe: Recipe) -> float:
    return math.inf if recipe.ceiling_per_s is None else recipe.ceiling_per_s


_RULES = {"latched": _latched, "fresh": _fresh, "integral": _integral}
