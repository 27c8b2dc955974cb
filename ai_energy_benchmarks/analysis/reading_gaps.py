"""How long no reading came within a trial: the meters' side of a pause, which stops them together with the client."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from statistics import median

from ai_energy_benchmarks.analysis.machine_checks import PAUSE_S, PAUSE_SHARE
from ai_energy_benchmarks.domain.power import Samples, Series
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

# A meter that is read once a second or less often has gaps of that length; a pause is longer than several of them.
_TIMES_USUAL = 4.0
_FEWEST = 8


def gap_findings(samples: Samples, trials: Sequence[Trial], notes: Sequence[str]) -> Iterator[Finding]:
    """One finding for each trial with a pause that the client did not notice.

    Args:
        notes: of the meters; readings that were thinned since show no gaps.
    """
    if not samples.series or any("thinned" in note for note in notes):
        return
    for trial in trials:
        if trial.machine is not None and (trial.machine.paused_s or 0.0) > PAUSE_S:
            continue  # known already
        gaps = [(_longest_s(each, trial.start_s, trial.stop_s), each) for each in samples.series]
        gap_s, series = max(gaps, key=lambda pair: pair[0])
        if gap_s <= PAUSE_S:
            continue
        message = (
            f"{series.meter} has no reading of {series.device.label or series.device.id} for {gap_s:.1f} s in trial "
            f"{trial.number}, far longer than usual: the machine or its container stood still, and the energy of that "
            "time is in the figures"
        )
        yield Finding("FAIL" if gap_s > PAUSE_SHARE * trial.duration_s else "WARN", "pause", message)


def _longest_s(series: Series, start_s: float, stop_s: float) -> float:
    """The longest time without a reading; 0 where all are about as long.

    Of equal readings in a row only the first and the last are stored (``metrics/recording.py``), so only the time
    before a change says when the meter was read.
    """
    first, last = bisect_left(series.after_s, start_s), bisect_right(series.after_s, stop_s)
    before_s, after_s, values = series.before_s, series.after_s, series.values
    gaps_s = [before_s[row] - after_s[row - 1] for row in range(first + 1, last) if values[row] != values[row - 1]]
    if len(gaps_s) < _FEWEST:
        return 0.0
    longest_s = max(gaps_s)
    return longest_s if longest_s > _TIMES_USUAL * median(gaps_s) else 0.0
