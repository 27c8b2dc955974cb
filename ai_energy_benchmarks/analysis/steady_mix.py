"""The steady figure at the context and the prefill of a steady state, where those of the window are others.

A pass begins with young requests, and the first prompts are computed before its window opens. With a few very long
answers the window closes before the requests in flight are as old as they become. What a token costs then differs from
a steady state by what its context and its share of prefill cost, and both change from slice to slice of the window:
weighted least squares over the slices give what they cost, and the pass's own requests how much there is of them in a
steady state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.analysis.steady_slices import Mix, Slice, window_mix
from ai_energy_benchmarks.domain.statistics import t95
from ai_energy_benchmarks.domain.sums import add_up

# A smaller change is left alone: the halves of a window may differ by four times as much.
_LEAST = 0.005
# Slices that leave more than this of the figure open (95 %) do not show what context costs.
_OPEN = 0.02
# The cost of a context is not quite a straight line (power saturates): this part of the change counts as uncertain. Of
# 114 changes on simulated servers drawn by chance the half-width then held the truth in 97 % (docs/validation.md,
# "Steady state under concurrency").
_NOT_STRAIGHT = 0.1
# The slopes are taken again without each of so many parts of the window, since neighbouring slices are alike.
_BLOCKS = 8
# So far beyond the contexts of the slices, over their range, the line is drawn on.
_BEYOND = 0.25
_EVEN = 1e-3


@frozen
class Shift:
    """What is to be added to a figure per output token of a window.

    Attributes:
        change: to be added.
        half_width: half its 95 % interval.
        measured: the figure of the window.
        slopes: what a token of context and a computed prompt token for each output token add to the figure; 0 where
            that may be chance.
    """

    change: float
    half_width: float
    measured: float
    slopes: tuple[float, float] = (0.0, 0.0)

    @property
    def matters(self) -> bool:
        """Whether it is more than chance and more than a small part of the figure."""
        return abs(self.change) > max(self.half_width, _LEAST * abs(self.measured))


def shift(slices: Sequence[Slice], amounts: Sequence[float], steady: Mix) -> Shift | None:
    """From the mean context and prefill of a window to those of a steady state.

    Args:
        amounts: joules or seconds of each slice.
        steady: what a token of the steady state brings with it.

    Returns:
        None if the slices do not show it.
    """
    if len(slices) < _BLOCKS:
        return None
    contexts = [part.mix.context_tokens for part in slices]
    room = _BEYOND * (max(contexts) - min(contexts))
    if not min(contexts) - room <= steady.context_tokens <= max(contexts) + room:
        return None
    mean = window_mix(slices)
    distance = steady.context_tokens - mean.context_tokens, steady.prompt_tokens - mean.prompt_tokens
    rows = [_Row.of(part, amount) for part, amount in zip(slices, amounts, strict=True)]
    slopes = _slopes(rows)
    change = _along(slopes, distance)
    # The delete-a-group jackknife (Shao and Tu, The Jackknife and Bootstrap, 1995, section 2.3).
    others = [_slopes(rest) for rest in _without_each(rows)]
    half_width = _half_width([_along(other, distance) for other in others]) + _NOT_STRAIGHT * abs(change)
    sure = [
        slope if abs(slope) > _half_width([other[number] for other in others]) else 0.0
        for number, slope in enumerate(slopes)
    ]
    measured = add_up(amounts) / add_up(part.output_tokens for part in slices)
    return Shift(change, half_width, measured, (sure[0], sure[1])) if half_width <= _OPEN * abs(measured) else None


@frozen
class _Row:
    """A slice as the line sees it: weighted by its tokens."""

    weight: float
    context: float
    prompt: float
    cost: float

    @classmethod
    def of(cls, part: Slice, amount: float) -> _Row:
        return cls(part.output_tokens, part.mix.context_tokens, part.mix.prompt_tokens, amount / part.output_tokens)


def _half_width(values: Sequence[float]) -> float:
    """Half the 95 % interval of a figure, from its values without each of the parts."""
    middle = fmean(values)
    error = math.sqrt((_BLOCKS - 1) / _BLOCKS * add_up((value - middle) ** 2 for value in values))
    return t95(_BLOCKS - 1) * error


def _without_each(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    n = len(rows)
    for block in range(_BLOCKS):
        yield [*rows[: n * block // _BLOCKS], *rows[n * (block + 1) // _BLOCKS :]]


def _along(slopes: tuple[float, float], distance: tuple[float, float]) -> float:
    return slopes[0] * distance[0] + slopes[1] * distance[1]


def _slopes(rows: Sequence[_Row]) -> tuple[float, float]:
    """What a token of context and a computed prompt token for each output token cost; 0 for one that does not vary."""
    weights = [row.weight for row in rows]
    context, prompt, cost = (
        _centred([getattr(row, name) for row in rows], weights) for name in ("context", "prompt", "cost")
    )
    cc, pp = _product(weights, context, context), _product(weights, prompt, prompt)
    cy, py = _product(weights, context, cost), _product(weights, prompt, cost)
    if not cc:
        return 0.0, py / pp if pp else 0.0
    if not pp:
        return cy / cc, 0.0
    cp = _product(weights, context, prompt)
    determinant = cc * pp - cp * cp
    if determinant < _EVEN * cc * pp:
        return cy / cc, 0.0
    return (cy * pp - py * cp) / determinant, (py * cc - cy * cp) / determinant


def _centred(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Less their mean; all 0 if they hardly differ."""
    total = add_up(weights)
    mean = add_up(weight * value for weight, value in zip(weights, values, strict=True)) / total
    left = [value - mean for value in values]
    spread = math.sqrt(_product(weights, left, left) / total)
    return left if spread > _EVEN * abs(mean) else [0.0] * len(left)


def _product(weights: Sequence[float], one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(weight * a * b for weight, a, b in zip(weights, one, other, strict=True))
