"""How much more one arm of a comparison uses than another: the ratio of their means, with its interval.

Ratios are differences of logarithms, so that an arm is as far above the other as that one is below it. The unit of
replication is a process (a cycle of a study). Sources: Welch's interval with the degrees of freedom by Satterthwaite
and the paired interval as in the NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.3 and 7.3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Literal

from attrs import evolve, field, frozen

from ai_energy_benchmarks.domain.statistics import t95
from ai_energy_benchmarks.domain.sums import add_up

Method = Literal["paired by cycle", "Welch", "pooled", "trials of one process", "no interval"]
Decision = Literal["pass", "regression", "inconclusive"]
_Z95 = 1.959963984540054  # standard normal quantile at 97.5 %


def _all_positive(_: object, __: object, values: Sequence[float]) -> None:
    if not values or not all(value > 0 and math.isfinite(value) for value in values):
        raise ValueError(f"a ratio needs positive, finite figures, got {list(values)}")


@frozen
class Arm:
    """One side of a comparison.

    Attributes:
        values: the figure of each process; positive.
        edge: relative distance from the mean to the farther mean bound of the meter. It is common to the processes,
            so it is not in their scatter and no number of them makes it smaller.
        trial_deviation: relative standard deviation over the trials of the process, where there is only one process.
        trials: how many trials that is over.
    """

    values: tuple[float, ...] = field(validator=_all_positive)
    edge: float = 0.0
    trial_deviation: float | None = None
    trials: int = 0

    @property
    def logs(self) -> tuple[float, ...]:
        return tuple(map(math.log, self.values))

    @property
    def cv(self) -> float | None:
        """Standard deviation between processes over their mean; None with a single one."""
        return stdev(self.values) / fmean(self.values) if len(self.values) > 1 else None


@frozen
class Ratio:
    """The second arm's figure over the first's.

    Attributes:
        method: by which the interval was made.
        best: ratio of the geometric means.
        low, high: 95 % interval; None where there is none.
        degrees: degrees of freedom of Student's t; None where t is not used.
    """

    best: float
    low: float | None
    high: float | None
    method: Method
    degrees: float | None = None

    def inverted(self) -> Ratio:
        """The first arm's figure over the second's."""
        low, high = (None if end is None else 1 / end for end in (self.high, self.low))
        return evolve(self, best=1 / self.best, low=low, high=high)


def ratio(first: Arm, second: Arm, *, paired: bool = False, gain_uncertainty: float = 0.0) -> Ratio:
    """The second arm over the first, with a 95 % interval.

    Args:
        paired: the values at the same place share a cycle; both arms then have as many.
        gain_uncertainty: relative standard uncertainty of the quotient of the two sensors' gains; 0 on the same GPU,
            where the gain cancels. It joins in quadrature (JCGM 100:2008, 5.1.2).
    """
    difference = _difference(first, second, paired)
    best, method, degrees = math.exp(difference.value), difference.method, difference.degrees
    if difference.half_width is None:
        return Ratio(best, None, None, method)
    edges = log_edge(first.edge) + log_edge(second.edge)
    half_width = math.hypot(difference.half_width + edges, _Z95 * gain_uncertainty)
    return Ratio(best, best * math.exp(-half_width), best * math.exp(half_width), method, degrees)


def log_edge(edge: float) -> float:
    """The distance of a bound as one of logarithms: a bound that lies a fifth below is farther than one above."""
    return -math.log1p(-edge) if edge < 1 else math.inf


def decide(quotient: Ratio, limit: float) -> Decision:
    """What the interval of a ratio says of a limit, such as 0.05 for "at most 5 % more"."""
    if quotient.low is None or quotient.high is None:
        return "inconclusive"
    if quotient.low > 1 + limit:
        return "regression"
    return "pass" if quotient.high < 1 + limit else "inconclusive"


@frozen
class _Difference:
    """Of mean logarithms: its value, half its interval from scatter alone (None without one), and how that was got."""

    value: float
    half_width: float | None
    method: Method
    degrees: float | None = None


def _difference(first: Arm, second: Arm, paired: bool) -> _Difference:
    counts = len(first.values), len(second.values)
    value = fmean(second.logs) - fmean(first.logs)
    changes = [late - early for early, late in zip(first.logs, second.logs, strict=True)] if paired else []
    if len(changes) > 1:
        half_width = t95(len(changes) - 1) * stdev(changes) / math.sqrt(len(changes))
        return _Difference(value, half_width, "paired by cycle", len(changes) - 1)
    if min(counts) > 1:
        return _welch(value, (stdev(first.logs), stdev(second.logs)), counts, "Welch")
    if max(counts) > 1:
        several = first if counts[0] > 1 else second
        spread = stdev(several.logs) * math.sqrt(1 + 1 / max(counts))
        return _Difference(value, t95(max(counts) - 1) * spread, "pooled", max(counts) - 1)
    if first.trial_deviation is None or second.trial_deviation is None or min(first.trials, second.trials) < 2:
        return _Difference(value, None, "no interval")
    deviations = first.trial_deviation, second.trial_deviation
    return _welch(value, deviations, (first.trials, second.trials), "trials of one process")


def _welch(value: float, deviations: tuple[float, float], counts: tuple[int, int], method: Method) -> _Difference:
    """Welch's interval, with the degrees of freedom by Satterthwaite."""
    errors = [deviation**2 / count for deviation, count in zip(deviations, counts, strict=True)]
    if not add_up(errors):
        return _Difference(value, 0.0, method, float(sum(counts) - 2))
    degrees = add_up(errors) ** 2 / add_up(error**2 / (count - 1) for error, count in zip(errors, counts, strict=True))
    return _Difference(value, t95(degrees) * math.sqrt(add_up(errors)), method, degrees)
