"""Answers without text are successes of no use, and the verdict says how many there were."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.empty_answers import empty_answer_findings, unknown_end_findings
from ai_energy_benchmarks.domain.completions import Completion, FinishReason
from ai_energy_benchmarks.results.requests import fillers_frame
from tests.factories import completion, failure, reading, result, trial, verdict

ENDED_AT_ONCE = evolve(completion(output_tokens=1), finish_reason="stop")
SERVED_ONE_TOKEN = evolve(completion(output_tokens=1, token_source="usage"), finish_reason="stop")
CANCELLED = evolve(completion(), finish_reason="cancelled")


@pytest.mark.parametrize(
    ("done", "empty"),
    [
        (ENDED_AT_ONCE, True),
        (evolve(ENDED_AT_ONCE, finish_reason="length"), False),
        (evolve(completion(output_tokens=2), finish_reason="stop"), False),
        (SERVED_ONE_TOKEN, False),
        (evolve(SERVED_ONE_TOKEN, token_times_s=()), True),
        (evolve(SERVED_ONE_TOKEN, token_times_s=(), finish_reason="length"), True),
        (completion(output_tokens=0), True),
        (CANCELLED, False),
        (evolve(CANCELLED, output_tokens=0, token_times_s=()), False),
    ],
)
def test_an_answer_is_empty_if_nothing_but_an_end_token_came(done: Completion, empty: bool) -> None:
    """By the ids themselves, or by the events in which a server shows text; a cancelled request is no answer."""
    assert done.empty is empty


@pytest.mark.parametrize(("empty", "level"), [(1, "WARN"), (2, "WARN"), (3, "FAIL")])
def test_over_one_percent_of_empty_answers_fails(empty: int, level: str) -> None:
    """Of 200 answers, two are one percent; failed requests and cancelled fillers are none of them."""
    outcomes = [completion(i) for i in range(200 - empty)] + [ENDED_AT_ONCE] * empty + [failure()] * 50
    seen = evolve(trial(1, reading(), outcomes=outcomes), fillers=(CANCELLED,) * 500)
    (finding,) = empty_answer_findings([seen])
    assert (finding.level, finding.check) == (level, "empty answers")
    assert f"{empty} of 200 answers are empty ({empty / 200:.2%})" in finding.message
    assert "fix: " in finding.message


def test_fillers_that_ended_at_once_count_too() -> None:
    """Their prompts are in the energy of the steady state, like those of the pass."""
    seen = evolve(trial(1, reading(), outcomes=[completion(i) for i in range(10)]), fillers=(ENDED_AT_ONCE,) * 2)
    (finding,) = empty_answer_findings([seen])
    assert "2 of 12" in finding.message


def test_a_run_without_empty_answers_has_no_line() -> None:
    """Answers of several tokens, and an answer that its budget ended after one."""
    judged = verdict([trial(1, reading(), outcomes=[completion(0), completion(1, output_tokens=1)])])
    assert [each for each in judged.findings if each.check == "empty answers"] == []


def test_a_cancelled_filler_is_neither_ok_nor_failed() -> None:
    """Its cell in the table of fillers is null, next to the true of one that ended."""
    frame = fillers_frame(result([evolve(trial(1, reading()), fillers=(completion(5), CANCELLED, failure(7)))]))
    assert frame is not None
    assert frame["ok"].to_list() == [True, None, False]
    assert frame["reason"].to_list() == [None, None, "out of memory"]


@pytest.mark.parametrize(("reason", "budget", "warns"), [("unknown", 8, True), ("unknown", 4, False),
                         ("unknown", None, False), ("stop", 8, False), ("length", 8, False)])  # fmt: skip
def test_an_answer_that_ended_for_no_known_reason_warns(reason: FinishReason, budget: int | None, warns: bool) -> None:
    """A server's own word, such as timeout, or none: shorter than the limit, it may have been cut off."""
    outcomes = [evolve(completion(0), finish_reason=reason, budget_tokens=budget), completion(1)]
    found = list(unknown_end_findings([trial(1, reading(), outcomes=outcomes)]))
    assert [(each.level, each.check) for each in found] == ([("WARN", "finish reason")] if warns else [])
    if warns:
        assert "1 of 2 answers" in found[0].message
