"""Answers that ended too early: without text, or for a reason that is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ai_energy_benchmarks.analysis.pace import is_cancelled
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

MANY = 0.01
_FIX = (
    "fix: check the server's log, and check the chat template and the prompts; scenario.generate_kwargs."
    "min_new_tokens keeps a model from ending at once"
)


def empty_answer_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """How many requests were answered with nothing; fillers that were cancelled are neither empty nor failed."""
    facts = [trial_figures(trial).facts for trial in trials]
    answers, empty = sum(each.answers for each in facts), sum(each.empty for each in facts)
    for outcome in chain.from_iterable(trial.fillers for trial in trials):
        if isinstance(outcome, Completion) and not is_cancelled(outcome):
            answers += 1
            empty += outcome.empty
    if empty:
        message = (
            f"{empty:,} of {answers:,} answers are empty ({empty / answers:.2%}): their prompts "
            f"cost energy and brought no text, which raises J/output token; {_FIX}"
        )
        yield Finding("FAIL" if empty / answers > MANY else "WARN", "empty answers", message)


def unknown_end_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Answers shorter than their limit that ended with a reason that means nothing here, or with none."""
    facts = [trial_figures(trial).facts for trial in trials]
    answers, unknown = sum(each.answers for each in facts), sum(each.unknown_ends for each in facts)
    if unknown:
        message = (
            f"{unknown:,} of {answers:,} answers are shorter than their limit and ended without a known finish_reason: "
            "an answer that was cut off costs less than a whole one; fix: check the server's log and its limits"
        )
        yield Finding("WARN", "finish reason", message)
    if short := sum(each.short_lengths for each in facts):
        message = (
            f"{short:,} of {answers:,} answers ended at a limit of tokens before their own was reached: the server's "
            "limit or the model's context is shorter, or its count is too low; fix: check both, or lower "
            "scenario.generate_kwargs.max_new_tokens"
        )
        yield Finding("WARN", "finish reason", message)
