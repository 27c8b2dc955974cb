"""What one axis of a study does on the average over the others, and how far that depends on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.analysis.crossing import AxisValue, Settings, independent_axes
from ai_energy_benchmarks.analysis.groups import Fit
from ai_energy_benchmarks.analysis.ratio import Ratio
from ai_energy_benchmarks.domain.statistics import t95
from ai_energy_benchmarks.domain.sums import add_up

__all__ = ["AxisValue", "Effect", "Settings", "main_effects"]


@frozen
class Effect:
    """One level of an axis over the axis's first level.

    Attributes:
        axis: its key; of settings that change together all of them, with commas.
        reference, level: its values; of several settings what is set, as ``type=vllm, dtype=float16``.
        ratio: geometric mean over all combinations of the other axes, with its 95 % interval.
        lowest, highest: the smallest and the largest ratio among these combinations: where they lie far apart, the
            axes interact, and the mean says little.
    """

    axis: str
    reference: AxisValue
    level: AxisValue
    ratio: Ratio
    lowest: float
    highest: float


def main_effects(fitted: Fit, settings: Mapping[str, Settings]) -> tuple[Effect, ...] | str:
    """Marginal means of a complete crossing of axes.

    Args:
        fitted: the mean logarithm of each cell, and what it scatters by.
        settings: cell → the value of each axis there.

    Returns:
        The effects in the order of the axes, or why there are none.
    """
    keys = independent_axes(list(settings.values()))
    if not keys:
        return "no axis has two levels"
    levels = {name: tuple(_level(of, axis) for axis in keys) for name, of in settings.items()}
    axes = {
        ", ".join(axis): list(dict.fromkeys(of[place] for of in levels.values())) for place, axis in enumerate(keys)
    }
    cells = {levels[name]: name for name in fitted.means}
    combinations = list(product(*axes.values()))
    missing = len(combinations) - len(cells)
    if missing or len(cells) != len(fitted.means):
        return f"the cells are no complete crossing of the axes: {missing} of {len(combinations)} combinations missing"
    names = list(axes)
    found: list[Effect] = []
    for place, axis in enumerate(names):
        reference, *others = axes[axis]
        for level in others:
            pairs = [
                (cells[combination], cells[(*combination[:place], level, *combination[place + 1 :])])
                for combination in combinations
                if combination[place] == reference
            ]
            found.append(_effect(fitted, axis, (reference, level), pairs))
    return tuple(found)


def _level(settings: Settings, axis: Sequence[str]) -> AxisValue:
    """The value of an axis in a cell; of several keys what is set, as ``type=vllm, dtype=float16``."""
    if len(axis) == 1:
        return settings.get(axis[0])
    short = {key: key.rpartition(".")[2] for key in axis}
    if len(set(short.values())) < len(short):
        short = {key: key for key in axis}
    return ", ".join(f"{short[key]}={settings[key]}" for key in axis if settings.get(key) is not None) or None


def _effect(fitted: Fit, axis: str, levels: tuple[AxisValue, AxisValue], pairs: Sequence[tuple[str, str]]) -> Effect:
    differences = [fitted.means[second] - fitted.means[first] for first, second in pairs]
    variance = add_up(fitted.error(*pair) ** 2 for pair in pairs) / len(pairs) ** 2
    # The edges of the meter are common to the cells, so their mean is no smaller than they are.
    edge = fmean(fitted.edges[first] + fitted.edges[second] for first, second in pairs)
    half_width = t95(fitted.degrees) * math.sqrt(variance) + edge
    best = math.exp(fmean(differences))
    ratio = Ratio(best, best * math.exp(-half_width), best * math.exp(half_width), fitted.scatter, fitted.degrees)
    return Effect(axis, *levels, ratio, math.exp(min(differences)), math.exp(max(differences)))
