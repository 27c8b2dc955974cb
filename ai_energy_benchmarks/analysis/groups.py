"""Several groups against one another, such as the cells of a study: log figure ~ group + cycle, one pooled residual.

Sources: Hsu, Multiple Comparisons: Theory and Methods (1996), for Tukey's, Dunnett's and Hsu's intervals; the
randomised block design of the NIST/SEMATECH e-Handbook of Statistical Methods, 5.3.3.2, for cycles as blocks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Literal, Protocol

from attrs import evolve, field, frozen

from ai_energy_benchmarks.analysis.quantiles import dunnett95, hsu95, tukey95
from ai_energy_benchmarks.analysis.ratio import Method as Scatter
from ai_energy_benchmarks.analysis.ratio import Ratio, log_edge
from ai_energy_benchmarks.domain.statistics import t95
from ai_energy_benchmarks.domain.sums import add_up

Model = Literal["group + cycle", "group"]


@frozen
class Group:
    """The figures of one cell, or of one configuration measured several times.

    Attributes:
        values: cycle → figure; positive.
        edge: relative distance from the mean to the farther mean bound of the meter, which no number of cycles lowers.
    """

    name: str
    values: Mapping[int, float] = field()
    edge: float = 0.0

    @values.validator
    def _positive(self, _: object, values: Mapping[int, float]) -> None:
        if not values or not all(value > 0 and math.isfinite(value) for value in values.values()):
            raise ValueError(f"{self.name} needs positive, finite figures, got {dict(values)}")


@frozen
class Fit:
    """Means of the logarithms, and what they scatter by.

    Attributes:
        means: group → mean logarithm.
        counts: group → how many cycles that is over.
        edges: group → its meter's part of an interval of logarithms.
        deviation: pooled residual standard deviation of a logarithm, about the relative one of a figure.
        degrees: its degrees of freedom.
        model: with cycles as blocks where every group has the same ones; else without.
    """

    means: Mapping[str, float]
    counts: Mapping[str, int]
    edges: Mapping[str, float]
    deviation: float
    degrees: int
    model: Model

    def compared(self, first: str, second: str, quantile: float) -> Ratio:
        """The second group over the first, with an interval of so many standard errors of their difference.

        Args:
            first: the name of the group that the ratio is to.
            second: the name of the group above the line.
            quantile: half-width of the interval in standard errors.
        """
        best = math.exp(self.means[second] - self.means[first])
        half_width = quantile * self.error(first, second) + self.edges[first] + self.edges[second]
        low, high = best * math.exp(-half_width), best * math.exp(half_width)
        return Ratio(best, low, high, self.scatter, self.degrees)

    @property
    def scatter(self) -> Scatter:
        """What the ratios of these groups call their interval."""
        return "paired by cycle" if self.model == "group + cycle" else "pooled"

    def only(self, names: Collection[str]) -> Fit:
        """Some of the groups, with the residual of all."""
        return evolve(self, means={name: mean for name, mean in self.means.items() if name in names})

    def error(self, first: str, second: str) -> float:
        """Standard error of the difference of two mean logarithms.

        Args:
            first: the name of one group.
            second: the name of the other.
        """
        return self.deviation * math.sqrt(1 / self.counts[first] + 1 / self.counts[second])


def fit(groups: Sequence[Group]) -> Fit | None:
    """Fit the model; None where nothing is left to estimate the scatter from.

    Raises:
        ValueError: fewer than two groups.
    """
    if len(groups) < 2:
        raise ValueError(f"a comparison needs at least two groups, got {len(groups)}")
    logs = {group.name: {cycle: math.log(value) for cycle, value in group.values.items()} for group in groups}
    means = {name: fmean(of.values()) for name, of in logs.items()}
    cycles = {cycle for of in logs.values() for cycle in of}
    blocked = all(of.keys() == cycles for of in logs.values())
    shift = dict.fromkeys(cycles, 0.0)
    degrees = sum(len(of) - 1 for of in logs.values())
    if blocked:
        shift = {cycle: fmean(of[cycle] - means[name] for name, of in logs.items()) for cycle in cycles}
        degrees -= len(cycles) - 1
    if degrees < 1:
        return None
    squares = add_up((log - means[name] - shift[cycle]) ** 2 for name, of in logs.items() for cycle, log in of.items())
    return Fit(
        means=means,
        counts={name: len(of) for name, of in logs.items()},
        edges={group.name: log_edge(group.edge) for group in groups},
        deviation=math.sqrt(squares / degrees),
        degrees=degrees,
        model="group + cycle" if blocked else "group",
    )


@frozen
class Pair:
    """Two groups; the ratio is the second over the first."""

    first: str
    second: str
    ratio: Ratio


def all_pairs(fitted: Fit) -> tuple[Pair, ...]:
    """Every pair of groups; all intervals hold together with 95 % (Tukey and Kramer)."""
    quantile = tukey95(len(fitted.means), fitted.degrees) / math.sqrt(2)
    return tuple(Pair(*pair, fitted.compared(*pair, quantile)) for pair in combinations(fitted.means, 2))


def against(fitted: Fit, control: str) -> tuple[Pair, ...]:
    """Every group over a named one; all intervals hold together with 95 % (Dunnett)."""
    others = [name for name in fitted.means if name != control]
    quantile = dunnett95([fitted.counts[name] for name in others], fitted.counts[control], fitted.degrees)
    return tuple(Pair(control, name, fitted.compared(control, name, quantile)) for name in others)


@frozen
class Candidate:
    """One group against the best of the others.

    Attributes:
        over_best_low, over_best_high: 95 % interval of its figure over the best of the others'; all hold together. One
            end is 1 where the interval does not reach beyond: whether a group is the best is what these decide.
        may_be_best: whether it cannot be excluded that it is the best.
    """

    name: str
    over_best_low: float
    over_best_high: float
    may_be_best: bool


def with_the_best(fitted: Fit, *, lowest: bool = True) -> tuple[Candidate, ...]:
    """Each group against the best of the others, the likeliest best first (Hsu's constrained intervals).

    Args:
        lowest: the lowest figure is the best, as of energy; else the highest.
    """
    sign = 1.0 if lowest else -1.0
    worse = _worse(fitted, sign)
    names = sorted(fitted.means, key=lambda name: sign * fitted.means[name])
    lows = {name: max(worse(name, other)[0] for other in names if other != name) for name in names}
    best = [name for name in names if lows[name] <= 0]
    candidates = []
    for name in names:
        high = max([0.0, *(worse(name, other, other)[1] for other in best if other != name)])
        ends = sorted((math.exp(sign * min(0.0, lows[name])), math.exp(sign * high)))
        candidates.append(Candidate(name, ends[0], ends[1], name in best))
    return tuple(candidates)


class _Worse(Protocol):
    def __call__(self, name: str, other: str, held: str | None = None) -> tuple[float, float]: ...


def _worse(fitted: Fit, sign: float) -> _Worse:
    """By how much one group is worse than another, as a difference of logarithms: low and high."""

    def quantile(name: str) -> float:
        others = [fitted.counts[other] for other in fitted.means if other != name]
        return hsu95(others, fitted.counts[name], fitted.degrees)

    quantiles = {name: quantile(name) for name in fitted.means}

    def worse(name: str, other: str, held: str | None = None) -> tuple[float, float]:
        difference = sign * (fitted.means[name] - fitted.means[other])
        half_width = quantiles[held or name] * fitted.error(name, other) + fitted.edges[name] + fitted.edges[other]
        return difference - half_width, difference + half_width

    return worse


def ratio_95(fitted: Fit, first: str, second: str) -> Ratio:
    """A single comparison that was named beforehand: its interval alone holds with 95 %."""
    return fitted.compared(first, second, t95(fitted.degrees))
