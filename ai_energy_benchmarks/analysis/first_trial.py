"""Whether the first trial was slower than all later ones: the engine was still preparing itself then.

PyTorch on an H200 took 50 to 75 ms for many tokens at lengths of context that no request had reached before, and 10 to
15 ms otherwise ("On hardware" in docs/validation.md). The warm-up has other prompts, and so other lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

CHECK = "first trial"
_FEWEST_TRIALS = 3
# Slower than the slowest of the others by so much, and by so many times the distance between those.
_SLOWER, _TIMES_APART = 0.1, 3.0


def first_trial_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """One line if the first trial took longer than can be chance.

    Args:
        trials: complete trials, whose passes are the same.
    """
    if len(trials) < _FEWEST_TRIALS or trials[0].number != 1:
        return
    first_s, *later = (trial.duration_s for trial in trials)
    fastest_s, slowest_s = min(later), max(later)
    if first_s > (1 + _SLOWER) * slowest_s and first_s - slowest_s > _TIMES_APART * (slowest_s - fastest_s):
        message = (
            f"trial 1 took {first_s:.3g} s, the later ones {fastest_s:.3g} to {slowest_s:.3g} s: the engine was "
            "probably still preparing itself, for instance for lengths that no request of the warm-up had; its energy "
            "is in the mean"
        )
        yield Finding("WARN", CHECK, message)
