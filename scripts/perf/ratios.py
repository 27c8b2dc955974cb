"""Ratios of paired times with their 95 % intervals, as a table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from statistics import fmean, median, stdev

from attrs import asdict, frozen

from ai_energy_benchmarks.domain.statistics import t95


@frozen
class Row:
    """One line of the table.

    Attributes:
        what: what is compared, or measured.
        value: the ratio, or the value in ``unit``.
        low, high: limits of the 95 % interval; None for a size, which has no scatter.
        limit: the largest (or, if ``at_least``, the smallest) value that is accepted; None if there is no limit.
        pairs: number of interleaved pairs.
    """

    what: str
    value: float
    unit: str = "×"
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    at_least: bool = False
    pairs: int = 0

    @property
    def ok(self) -> bool:
        """Whether the limit is kept; an interval counts from its lower end where the value must not be small."""
        if self.limit is None:
            return True
        return (
            (self.low if self.low is not None else self.value) >= self.limit
            if self.at_least
            else self.value <= self.limit
        )

    def line(self) -> str:
        interval = f"[{self.low:.3f}, {self.high:.3f}]" if self.low is not None else ""
        bound = "" if self.limit is None else f"{'≥' if self.at_least else '≤'} {self.limit:g}"
        verdict = "" if self.limit is None else "ok" if self.ok else "MISSED"
        return f"{self.what:<58} {self.value:>8.3f} {self.unit:<3} {interval:<18} {bound:<8} {verdict}"


def ratio_row(
    what: str, ours: Sequence[float], theirs: Sequence[float], *, limit: float | None = None, at_least: bool = False
) -> Row:
    """The geometric mean of the paired ratios, with Student's t interval of their logarithms.

    Raises:
        ValueError: fewer than two pairs, or not as many of one as of the other.
    """
    logs = [math.log(a / b) for a, b in zip(ours, theirs, strict=True)]
    if len(logs) < 2:
        raise ValueError("an interval needs at least two pairs")
    mean = fmean(logs)
    half_width = t95(len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    low, high = math.exp(mean - half_width), math.exp(mean + half_width)
    return Row(what, math.exp(mean), "×", low, high, limit, at_least, len(logs))


def median_ratio_row(
    what: str, ours: Sequence[float], theirs: Sequence[float], *, limit: float | None = None, at_least: bool = False
) -> Row:
    """The median of the paired ratios, with the interval between order statistics that holds it in 95 % of cases.

    It assumes no distribution (Conover, Practical Nonparametric Statistics, §3.2), so that a few pairs that another
    program disturbed do not decide.

    Raises:
        ValueError: fewer than six pairs, for which there is no such interval.
    """
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    n = len(ratios)
    if n < 6:
        raise ValueError("an interval of the median needs at least six pairs")
    # The largest rank r with P(fewer than r of n fair coins show heads) ≤ 2.5 %.
    tails = accumulate(math.comb(n, heads) / 2**n for heads in range(n))
    rank = sum(tail <= 0.025 for tail in tails)
    return Row(what, median(ratios), "×", ratios[rank - 1], ratios[n - rank], limit, at_least, n)


def median_row(
    what: str, values: Sequence[float], *, unit: str = "s", limit: float | None = None, at_least: bool = False
) -> Row:
    """A median, in seconds if nothing else is said."""
    return Row(what, median(values), unit, limit=limit, at_least=at_least)


def report(rows: Sequence[Row], path: Path | None) -> int:
    """Print the table, write the JSON, and return the exit status: 1 if a limit was missed."""
    for row in rows:
        print(row.line())
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([asdict(row) | {"ok": row.ok} for row in rows], indent=2) + "\n", encoding="utf-8")
        print(f"written: {path}")
    return 0 if all(row.ok for row in rows) else 1
