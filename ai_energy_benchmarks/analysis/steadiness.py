"""Whether something has come to rest: power and temperature of boards, the speed of a repeated request."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from statistics import fmean, stdev

from attrs import frozen

from ai_energy_benchmarks.analysis.trend import trend
from ai_energy_benchmarks.domain.power import Quantity, Samples, Series

# Enough points for a slope, whatever the meter's pace.
_POINTS = 60
_DRIFT, _DRIFT_P = 0.01, 0.05


@frozen
class Change:
    """How the boards change by a straight line through the last readings.

    Attributes:
        power: change of their power in a minute, as a share of it.
        celsius: the largest change of a board's temperature in a minute; None if no board tells it.
    """

    power: float
    celsius: float | None


def change(samples: Samples, boards: Collection[str] | None, begin_s: float, end_s: float) -> Change | None:
    """The change between two times; None if no meter told the power of a board all the while.

    Args:
        boards: device ids; None for all.
    """
    powers_w = _sampled(samples, "power_w", boards, begin_s, end_s)
    if not powers_w:
        return None
    total_w = [sum(each) for each in zip(*powers_w, strict=True)]
    mean_w, minute = fmean(total_w), 60.0 / (end_s - begin_s)
    if mean_w <= 0:
        return None
    temperatures = _sampled(samples, "temperature_celsius", boards, begin_s, end_s)
    celsius = max((_rise(each) * minute for each in temperatures), key=abs, default=None)
    return Change(_rise(total_w) / mean_w * minute, celsius)


def watched(samples: Samples, boards: Collection[str] | None) -> bool:
    """Whether a meter tells the power of any of the boards."""
    return any(True for _ in _of_boards(samples, "power_w", boards))


def _of_boards(samples: Samples, quantity: Quantity, boards: Collection[str] | None) -> Iterator[Series]:
    for series in samples.series:
        ours = series.device.component == "gpu" and (boards is None or series.device.id in boards)
        if series.quantity == quantity and ours and len(series.values):
            yield series


def _sampled(
    samples: Samples, quantity: Quantity, boards: Collection[str] | None, begin_s: float, end_s: float
) -> list[list[float]]:
    """Each board's series at equal distances in time; those that begin later are left out."""
    times_s = [begin_s + (end_s - begin_s) * point / (_POINTS - 1) for point in range(_POINTS)]
    return [
        [_last(series, at_s) for at_s in times_s]
        for series in _of_boards(samples, quantity, boards)
        if series.after_s[0] <= begin_s
    ]


def _last(series: Series, time_s: float) -> float:
    return series.values[max(0, bisect_right(series.after_s, time_s) - 1)]


def _rise(values: Sequence[float]) -> float:
    """Change from the first to the last value along the least-squares line."""
    middle = (len(values) - 1) / 2
    mean = fmean(values)
    spread = sum((i - middle) ** 2 for i in range(len(values)))
    slope = sum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread
    return slope * (len(values) - 1)


@frozen
class Speed:
    """How alike the last probes were.

    Attributes:
        cv: standard deviation over mean of their time per output token.
        drifts: whether there is a trend in them (p ≤ 0.05 and at least 1 %).
    """

    cv: float
    drifts: bool


def speed(per_token_s: Sequence[float]) -> Speed | None:
    """Judge the time per output token of the last probes, at least three; None without a time."""
    mean_s = fmean(per_token_s)
    line = trend(per_token_s)
    if line is None or mean_s <= 0:
        return None
    return Speed(stdev(per_token_s) / mean_s, abs(line.drift) >= _DRIFT and line.p_value <= _DRIFT_P)
