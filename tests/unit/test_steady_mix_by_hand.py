"""What context and prefill cost, against weighted least squares by Cramer's rule and at each limit."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from ai_energy_benchmarks.analysis.steady_mix import Shift, shift
from ai_energy_benchmarks.analysis.steady_slices import Mix, Slice, window_mix

# Of Student's t with seven degrees of freedom: any table.
T95_7 = 2.364624


def fitted(slices: Sequence[Slice], amounts: Sequence[float]) -> tuple[float, float]:
    """Slopes of cost over context and prompt, each slice weighted by its tokens: the normal equations by Cramer."""
    rows = [
        (part.output_tokens, part.mix.context_tokens, part.mix.prompt_tokens, amount)
        for part, amount in zip(slices, amounts, strict=True)
    ]
    total = sum(weight for weight, *_ in rows)
    means = [sum(row[0] * row[at] for row in rows) / total for at in (1, 2)]
    mean_cost = sum(amount for *_, amount in rows) / total
    centred = [(w, c - means[0], p - means[1], a / w - mean_cost) for w, c, p, a in rows]

    def summed(one: int, other: int) -> float:
        return math.fsum(row[0] * row[one] * row[other] for row in centred)

    determinant = summed(1, 1) * summed(2, 2) - summed(1, 2) ** 2
    context = (summed(1, 3) * summed(2, 2) - summed(2, 3) * summed(1, 2)) / determinant
    prompt = (summed(2, 3) * summed(1, 1) - summed(1, 3) * summed(1, 2)) / determinant
    return context, prompt


def half_width(values: Sequence[float]) -> float:
    """Of the jackknife without each of eight parts."""
    mean = sum(values) / 8
    return T95_7 * math.sqrt(7 / 8 * sum((value - mean) ** 2 for value in values))


def noisy(count: int, seed: int, noise: float) -> tuple[list[Slice], list[float]]:
    """Slices of different weight, which cost 1 J, 1 mJ for a token of context and half a joule for a prompt token."""
    dice = random.Random(seed)
    slices, amounts = [], []
    for _ in range(count):
        made, context, prompt = dice.uniform(50, 400), dice.uniform(500, 900), dice.uniform(0.1, 0.9)
        slices.append(Slice(dice.uniform(1, 3), made, Mix(context, prompt)))
        amounts.append(made * (1 + 1e-3 * context + 0.5 * prompt + dice.gauss(0, noise)))
    return slices, amounts


@pytest.mark.parametrize("count", [8, 9, 13, 24, 41])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("noise", "to"), [(0.002, (30.0, -0.04)), (0.1, (0.3, 0.001)), (0.04, (-0.3, 0.001))])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_shift_is_that_of_least_squares_and_the_jackknife(
    count: int, seed: int, noise: float, to: tuple[float, float], sign: int
) -> None:
    """Blocks of neighbouring slices that differ by one at most; a tenth of the change is uncertain on top.

    A slope within its own noise is none.
    """
    slices, amounts = noisy(count, seed, noise)
    amounts = [sign * amount for amount in amounts]
    mean = window_mix(slices)
    tokens = sum(part.output_tokens for part in slices)
    assert mean.context_tokens == pytest.approx(
        sum(part.output_tokens * part.mix.context_tokens for part in slices) / tokens
    )
    assert mean.prompt_tokens == pytest.approx(
        sum(part.output_tokens * part.mix.prompt_tokens for part in slices) / tokens
    )
    found = shift(slices, amounts, Mix(mean.context_tokens + to[0], mean.prompt_tokens + to[1]))
    edges = [count * block // 8 for block in range(9)]
    slopes, others = fitted(slices, amounts), []
    for first, last in pairwise(edges):
        others.append(fitted(slices[:first] + slices[last:], amounts[:first] + amounts[last:]))
    change = slopes[0] * to[0] + slopes[1] * to[1]
    width = half_width([context * to[0] + prompt * to[1] for context, prompt in others]) + 0.1 * abs(change)
    sure = [
        slope if abs(slope) > half_width([other[at] for other in others]) else 0.0 for at, slope in enumerate(slopes)
    ]
    measured = sum(amounts) / tokens
    if width > 0.02 * abs(measured):
        assert found is None
        return
    assert found == Shift(
        pytest.approx(change, rel=1e-6),
        pytest.approx(width, rel=1e-4),
        pytest.approx(measured),
        (pytest.approx(sure[0]), pytest.approx(sure[1])),  # type: ignore[arg-type] # stands for a number
    )


def test_most_of_these_shifts_are_known() -> None:
    """So that the comparison above is one: with noise of 2 mJ eight slices or more show 50 mJ of change."""
    known = 0
    for count in (8, 9, 13, 24, 41):
        for seed in range(3):
            slices, amounts = noisy(count, seed, 0.002)
            mean = window_mix(slices)
            known += shift(slices, amounts, Mix(mean.context_tokens + 30.0, mean.prompt_tokens - 0.04)) is not None
    assert known >= 12


def line(
    contexts: Sequence[float], prompts: Sequence[float], costs: Sequence[float]
) -> tuple[list[Slice], list[float]]:
    """Slices of 100 tokens."""
    slices = [Slice(1.0, 100.0, Mix(context, prompt)) for context, prompt in zip(contexts, prompts, strict=True)]
    return slices, [100.0 * cost for cost in costs]


def alternating(middle: float, by: float, count: int = 16) -> list[float]:
    return [middle + (by if at % 2 else -by) for at in range(count)]


@pytest.mark.parametrize(("by", "slope"), [(0.0999, 0.0), (0.1001, 0.01)])
def test_contexts_that_differ_by_less_than_a_thousandth_are_alike(by: float, slope: float) -> None:
    """Their standard deviation over their mean, of 100 tokens; so are shares of prefill."""
    contexts = alternating(100.0, by)
    slices, amounts = line(contexts, [0.3] * 16, [0.01 * (context - 99) for context in contexts])
    found = shift(slices, amounts, Mix(100.0, 0.3))
    assert found is not None
    assert found.slopes == (pytest.approx(slope), 0.0)
    prompts = alternating(0.5, by * 0.005)
    slices, amounts = line([700.0] * 16, prompts, [2 * (prompt - 0.45) for prompt in prompts])
    found = shift(slices, amounts, Mix(700.0, 0.5))
    assert found is not None
    assert found.slopes == (0.0, pytest.approx(200 * slope))


@pytest.mark.parametrize(("by", "slope"), [(0.000999, 0.0), (0.001001, 1.001e-5)])
@pytest.mark.parametrize("sign", [1, -1])
def test_costs_that_differ_by_less_than_a_thousandth_are_alike(by: float, slope: float, sign: int) -> None:
    """Contexts of 600 and 800 then show no slope, whatever the sign of the cost."""
    slices, amounts = line(alternating(700.0, 100.0), [0.3] * 16, alternating(sign * 1.0, by))
    found = shift(slices, amounts, Mix(750.0, 0.3))
    assert found is not None
    assert (found.slopes, found.change) == ((pytest.approx(slope), 0.0), pytest.approx(50 * slope))


@pytest.mark.parametrize(("turned", "apart"), [(0.030, False), (0.0318, True)])
def test_context_and_prefill_that_vary_nearly_alike_are_not_told_apart(turned: float, apart: bool) -> None:
    """Below a thousandth of variation that they do not share, r² above 0.999, all of the cost is the context's."""
    along = [float(at // 2 % 2 * 2 - 1) for at in range(32)]
    across = [float(at % 2 * 2 - 1) for at in range(32)]
    contexts = [700.0 + 100 * step for step in along]
    prompts = [0.5 + 0.1 * (step + turned * other) for step, other in zip(along, across, strict=True)]
    slices, amounts = line(
        contexts,
        prompts,
        [1 + 1e-3 * context + 0.5 * prompt for context, prompt in zip(contexts, prompts, strict=True)],
    )
    found = shift(slices, amounts, Mix(700.0, 0.5))
    assert found is not None
    assert found.slopes == ((pytest.approx(1e-3), pytest.approx(0.5)) if apart else (pytest.approx(1.5e-3), 0.0))


@pytest.mark.parametrize(("slope", "known"), [(1.99e-3, True), (2.01e-3, False)])
def test_a_change_that_leaves_two_percent_open_is_not_known(slope: float, known: bool) -> None:
    """A tenth of a change by 100 tokens over the 1 J of the window: more than 20 mJ for a change of 200 mJ."""
    contexts = [500.0 + 10 * at for at in range(41)]
    for sign in (1, -1):
        slices, amounts = line(contexts, [0.3] * 41, [1 + sign * slope * (context - 700) for context in contexts])
        found = shift(slices, amounts, Mix(800.0, 0.3))
        assert (found is not None) is known
        if found is not None:
            assert (found.change, found.measured) == (pytest.approx(sign * slope * 100), pytest.approx(1.0))
        of_five_j = [5 * amount for amount in amounts]
        assert (shift(slices, of_five_j, Mix(800.0, 0.3)) is not None) is known
    # A figure below nothing has a size all the same.
    slices, amounts = line(contexts, [0.3] * 41, [-1 + slope * (context - 700) for context in contexts])
    assert (shift(slices, amounts, Mix(800.0, 0.3)) is not None) is known


def test_the_limits_of_the_contexts_are_part_of_the_range() -> None:
    """A quarter of 400 tokens beyond 500 and 900, exactly; contexts that are all alike reach no farther."""
    slices, amounts = line([500.0 + 10 * at for at in range(41)], [0.3] * 41, [1.0] * 41)
    for context, known in ((400.0, True), (399.9, False), (1000.0, True), (1000.1, False)):
        assert (shift(slices, amounts, Mix(context, 0.3)) is not None) is known
    slices, amounts = line([500.0 + 20 * at for at in range(41)], [0.3] * 41, [1.0] * 41)
    for context, known in ((300.0, True), (299.9, False), (1500.0, True), (1500.1, False)):
        assert (shift(slices, amounts, Mix(context, 0.3)) is not None) is known
    slices, amounts = line([700.0] * 16, [0.3] * 16, [1.0] * 16)
    for context, known in ((700.0, True), (699.9, False), (700.1, False)):
        assert (shift(slices, amounts, Mix(context, 0.3)) is not None) is known


def test_the_window_is_weighted_by_tokens() -> None:
    """Ten tokens that follow 100 others and thirty that follow 300 follow 250 on average."""
    slices = [Slice(1.0, 10.0, Mix(100.0, 0.5)), Slice(7.0, 30.0, Mix(300.0, 0.1))]
    assert window_mix(slices) == Mix(250.0, pytest.approx(0.2))
