"""Whether the first trial was slower than all later ones: the engine was still preparing itself then.

PyTorch on an H200 took 50 to 75 ms for many tokens at lengths of context that no request had reached before, and 10 to
15 ms otherwise; on an H100 60 ms for a prompt of a new length, and 17 ms otherwise ("On hardware" in
docs/validation.md). The warm-up has other prompts, and so other lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve

from ai_energy_benchmarks.analysis.prompt_caches import first_token_drop
from ai_energy_benchmarks.analysis.repetition import PREPARING, WARM_UP
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

CHECK = "first trial"
_FEWEST_TRIALS = 3
# Slower than the slowest of the others by so much, and by so many times the distance between those.
_SLOWER, _TIMES_APART = 0.1, 3.0


def first_trial_findings(trials: Sequence[Trial], *, served: bool = False) -> Iterator[Finding]:
    """One line if the first trial took longer than can be chance, or its requests waited longer for their first token.

    Args:
        trials: complete trials, whose passes are the same.
        served: whether the engine is a server, of which the check of prompt caches compares the first tokens.
    """
    if len(trials) < _FEWEST_TRIALS or trials[0].number != 1:
        return
    first_s, *later = (trial.duration_s for trial in trials)
    fastest_s, slowest_s = min(later), max(later)
    if first_s > (1 + _SLOWER) * slowest_s and first_s - slowest_s > _TIMES_APART * (slowest_s - fastest_s):
        took = f"trial 1 took {first_s:.3g} s, the later ones {fastest_s:.3g} to {slowest_s:.3g} s"
        yield Finding("WARN", CHECK, f"{took}: {PREPARING}; its energy is in the mean")
    elif not served and (drop := first_token_drop(trials)) is not None:
        sooner = f"later trials had their first tokens after {drop:.0%} of the first trial's time"
        yield Finding("INFO", CHECK, f"{sooner}: {PREPARING}; its times are among the latencies")


def explain_scatter(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings on scatter name the first trial, if that took longer than the others, in place of other programs.

    Where another program was seen on the GPU, that one is to blame.
    """
    warned = {each.check for each in findings if each.level in ("WARN", "FAIL")}
    slow = CHECK in warned and "foreign process" not in warned
    for each in findings:
        named = slow and each.check == "repeatability" and each.level in ("WARN", "FAIL")
        yield evolve(each, message=f"{each.message}; trial 1 took longest; fix: {WARM_UP}") if named else each
