"""Whether readings of a gauge say anything about a trial: a value read before it may be long out of date."""

from __future__ import annotations

from collections.abc import Sequence

from ai_energy_benchmarks.domain.power import Quantity, Series
from ai_energy_benchmarks.domain.result import Trial

# Gauges are read twice a second, seldom less often; readings may begin so late in a trial, or end so early, or by a
# tenth of it if that is longer.
_EDGE_S, _EDGE_SHARE = 1.0, 0.1
# What drivers report where they know nothing: 0 for what cannot be 0, and NVML_PSTATE_UNKNOWN (NVML API reference).
_NEVER_ZERO: frozenset[Quantity] = frozenset(
    ("temperature_celsius", "clock_hz", "power_limit_w", "power_w", "average_power_w")
)
UNKNOWN_STATE = 32.0


def covers(series: Series | None, trial: Trial) -> bool:
    """Whether the readings last from the begin of a trial to its end.

    Of equal readings in a row the first and the last are kept (``metrics/recording.py``), so a gauge that is still read
    has a reading near the end even if it never changes.
    """
    if series is None or not len(series.values):
        return False
    edge_s = max(_EDGE_S, _EDGE_SHARE * trial.duration_s)
    return series.before_s[0] <= trial.start_s + edge_s and series.after_s[-1] >= trial.stop_s - edge_s


def silence(series: Series | None, trials: Sequence[Trial]) -> str | None:
    """Why the readings do not show what a GPU was like in these trials; None if they do.

    Args:
        series: of one gauge; None if its driver does not report it.
        trials: those that must be covered.
    """
    if series is None or not len(series.values):
        return "neither the GPU's driver nor the meter reports it"
    if not any(series.values) and series.quantity in _NEVER_ZERO:
        return "its driver reports only 0"
    if series.quantity == "performance_state" and any(value == UNKNOWN_STATE for value in series.values):
        return "its driver does not know it"
    missing = [str(trial.number) for trial in trials if not covers(series, trial)]
    if missing:
        return f"no readings cover all of trial {', '.join(missing)}"
    return None
