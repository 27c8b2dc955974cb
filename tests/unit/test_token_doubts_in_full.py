"""What contradicts the tokens that answers report, what is said of it, and which figures are withheld."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.doubtful_tokens import without_token_figures
from ai_energy_benchmarks.analysis.empty_answers import empty_answer_findings, unknown_end_findings
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.token_counts import (
    count_findings,
    output_contradiction,
    prompt_contradiction,
    prompt_doubts,
)
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, Goodput, Slo
from ai_energy_benchmarks.domain.verdict import Finding
from tests.factories import CPU, failure, reading, trial
from tests.factories import completion as plain

CLIENT = ClientLoad(1, 0.1, 0.001)


def answer(number: int, output: int = 4, events: int = 4, prompt: int = 100, **fields: object) -> Completion:
    """A server's answer: as many tokens as events, unless told otherwise."""
    times_s = array("d", (0.1 * event for event in range(1, events + 1)))
    done = Completion(number, prompt, output, "usage", 0.0, times_s, 9.0, "length")
    return evolve(done, **fields)  # type: ignore[arg-type] # fields of a completion


def served(number: int, *outcomes: Outcome, complete: bool = True) -> Trial:
    return evolve(trial(number, outcomes=outcomes, complete=complete), client=CLIENT)


def with_prompts(number: int, *prompts: int) -> Trial:
    return served(number, *(answer(position, prompt=prompt) for position, prompt in enumerate(prompts)))


def test_a_hundredth_of_the_output_may_be_contradicted() -> None:
    """Of 300 tokens that are believed 3, which one answer of 3 for 6 events is; of 299 they are too many."""
    odd = answer(9, 3, 6)
    for others, doubted in (([147, 147], False), ([147, 146], True)):
        seen = served(7, *(answer(number, count, count) for number, count in enumerate(others)), odd)
        message = "trial 7: 1 of 3 answers report output tokens that cannot be true, such as 3 for 6 token events"
        assert output_contradiction(seen) == (message if doubted else None)
    assert output_contradiction(served(1)) is None
    two = served(2, answer(0, 1, 40), answer(1, 2, 2000), answer(2))
    message = "trial 2: 2 of 3 answers report output tokens that cannot be true, such as 2 for 2,000 token events"
    assert output_contradiction(two) == message


NONE = "trial {}: {} of {} answers report 0 prompt tokens, which no prompt has"
MORE = "trial {}: {} of {} answers report more cached tokens than prompt tokens"
SAME = (
    "the same prompts have {} tokens in trial {} and {} in trial {}: a server "
    "that does not count what it found in a cache reports such numbers"
)


@pytest.mark.parametrize(
    ("fields", "words"), [({"prompt_tokens": 0}, NONE), ({"cached_prompt_tokens": 130}, MORE)], ids=["none", "more"]
)
def test_a_hundredth_of_the_answers_may_have_an_impossible_prompt(fields: dict[str, object], words: str) -> None:
    """One of a hundred, and not one of 99; in whichever trial it is. Nothing is said of an engine in process."""
    whole = [answer(number) for number in range(99)]
    odd = answer(99, **fields)  # type: ignore[arg-type] # fields of a completion
    assert prompt_contradiction([served(1, *whole, odd)]) is None
    doubted = served(2, *whole[:98], odd)
    for trials in ([doubted], [served(1, *whole[:99]), doubted], [doubted, served(3, *whole[:99])]):
        assert prompt_contradiction(trials) == words.format(2, 1, 99)
    assert prompt_contradiction([evolve(doubted, client=None)]) is None
    assert prompt_contradiction([served(1, failure(0)), doubted]) == words.format(2, 1, 99)
    assert prompt_contradiction([served(1, failure(0))]) is None
    assert prompt_contradiction([]) is None


def test_an_answer_without_a_prompt_comes_before_one_with_too_much_from_a_cache() -> None:
    """Of the first trial in which there is either."""
    none, more = answer(0, prompt=0), answer(0, cached_prompt_tokens=130)
    assert prompt_contradiction([served(1, none, more)]) == NONE.format(1, 1, 2)
    assert prompt_contradiction([served(1, answer(0), more), served(2, none)]) == MORE.format(1, 1, 2)


SAME_PROMPTS: list[tuple[Sequence[Trial], str | None]] = [
    # One token a request, or 1 % of the most.
    ([with_prompts(1, 30, 40), with_prompts(2, 31, 41)], None),
    ([with_prompts(1, 30, 40), with_prompts(2, 31, 42)], SAME.format(73, 2, 70, 1)),
    ([with_prompts(1, 31, 42), with_prompts(2, 30, 40)], SAME.format(73, 1, 70, 2)),
    ([with_prompts(1, 500, 500), with_prompts(2, 495, 495)], None),
    ([with_prompts(1, 500, 500), with_prompts(2, 495, 494)], SAME.format("1,000", 1, 989, 2)),
    ([with_prompts(1, 1000, 1000), with_prompts(2, 990, 990)], None),
    # The least and the most of all trials.
    (
        [with_prompts(1, 60), with_prompts(2, 70), with_prompts(3, 50), with_prompts(4, 65)],
        SAME.format(70, 2, 50, 3),
    ),
    # Of one trial, and of passes that were not answered whole, nothing can be told.
    ([with_prompts(1, 30, 40)], None),
    ([with_prompts(1, 30, 40), served(2, answer(0), failure(1))], None),
    ([with_prompts(1, 30, 40), evolve(with_prompts(2, 31, 42), complete=False)], None),
    ([with_prompts(1, 30, 40), evolve(with_prompts(2, 31, 42), client=None)], None),
    ([served(1, answer(0), failure(1)), evolve(with_prompts(2, 31, 42), complete=False)], None),
]


@pytest.mark.parametrize(("trials", "reason"), SAME_PROMPTS)
def test_the_same_prompts_have_the_same_tokens(trials: Sequence[Trial], reason: str | None) -> None:
    """In all trials that were answered whole; the reason withholds J per prompt token."""
    assert prompt_contradiction(trials) == reason
    finding = Finding("FAIL", "prompt tokens", f"{reason}; J per prompt token is withheld")
    assert prompt_doubts(trials) == (() if reason is None else (finding,))


def test_what_is_odd_about_the_counts_of_a_server() -> None:
    """Each with its numbers over all trials, and the last example of a limit that was ignored."""
    longer = answer(0, 12, 12, budget_tokens=8), answer(1, 2000, 2000, budget_tokens=1000)
    finer, thinking = answer(2, 4, 9, first_event_tokens=None), answer(3, reasoning_tokens=5)
    ids = evolve(answer(4), token_source="token_ids")
    trials = [served(1, answer(5), longer[1], ids), served(2, longer[0], finer, thinking), served(3, answer(0))]
    assert [each for each in count_findings(trials) if each.check != "prompt tokens"] == [
        Finding(
            "FAIL",
            "output limit",
            "2 of 6 answers are longer than their limit: 12 tokens for 8; the server ignores it",
        ),
        Finding("INFO", "token events", "1 of 6 answers have more events than tokens: the server's events are finer"),
        Finding(
            "WARN",
            "thinking tokens",
            "1 of 6 answers report more thinking tokens than output tokens; none are used",
        ),
    ]
    for odd, check in ((longer[0], "output limit"), (finer, "token events"), (thinking, "thinking tokens")):
        for passes in (
            [served(1, answer(0), odd), with_prompts(2, 100, 100)],
            [with_prompts(2, 100, 100), served(1, answer(0), odd)],
        ):
            assert [each.check for each in count_findings(passes)] == [check]
    assert list(count_findings([served(1, answer(0))])) == []
    assert [each.check for each in count_findings([with_prompts(1, 30), with_prompts(2, 50)])] == ["prompt tokens"]


EMPTY = (
    "{} answers are empty ({}): their prompts cost energy and brought no text, which raises J/output token; "
    "fix: check the server's log, and check the chat template and the prompts; scenario.generate_kwargs."
    "min_new_tokens keeps a model from ending at once"
)


@pytest.mark.parametrize(
    ("passes", "fillers", "words"),
    [
        ((0,), (), None),
        ((1,), (), ("FAIL", "1 of 10", "10.00%")),
        ((0, 1), (), ("FAIL", "1 of 20", "5.00%")),
        ((1, 2), (), ("FAIL", "3 of 20", "15.00%")),
        ((0,), (answer(0, 1, 0), answer(1)), ("FAIL", "1 of 12", "8.33%")),
        ((0,), (evolve(answer(0, 1, 0), finish_reason="cancelled"), failure(1)), None),
        ((0,) * 9 + (1,), (), ("WARN", "1 of 100", "1.00%")),
        ((0,) * 118 + (6, 6), (), ("WARN", "12 of 1,200", "1.00%")),
        ((0,) * 119 + (10, 3), (), ("FAIL", "13 of 1,210", "1.07%")),
    ],
)
def test_empty_answers_are_counted(
    passes: Sequence[int], fillers: Sequence[Outcome], words: tuple[str, str, str] | None
) -> None:
    """Ten answers in each pass, of which so many are empty; finished fillers are answers too."""
    trials = [
        served(number, *(answer(at, 1, 0) for at in range(empty)), *(answer(at) for at in range(empty, 10)))
        for number, empty in enumerate(passes, start=1)
    ]
    trials[0] = evolve(trials[0], fillers=fillers)
    found = list(empty_answer_findings(trials))
    if words is None:
        assert found == []
    else:
        level, count, share = words
        assert [(each.level, each.message) for each in found] == [(level, EMPTY.format(count, share))]


def test_answers_that_ended_early_are_counted() -> None:
    """For no known reason, or at a limit before theirs, over all trials."""
    unknown = evolve(answer(0, budget_tokens=8), finish_reason="unknown")
    short = answer(1, budget_tokens=8)
    trials = [served(1, unknown, answer(2)), served(2, unknown, short, answer(3))]
    of_unknown = Finding(
        "WARN",
        "finish reason",
        "2 of 5 answers are shorter than their limit and ended without a known finish_reason: an answer that was cut "
        "off costs less than a whole one; fix: check the server's log and its limits",
    )
    of_short = Finding(
        "WARN",
        "finish reason",
        "1 of 5 answers ended at a limit of tokens before their own was reached: the server's limit or the model's "
        "context is shorter, or its count is too low; fix: check both, or lower "
        "scenario.generate_kwargs.max_new_tokens",
    )
    assert list(unknown_end_findings(trials)) == [of_unknown, of_short]
    assert list(unknown_end_findings(trials[:1])) == [
        evolve(of_unknown, message=of_unknown.message.replace("2 of 5", "1 of 2"))
    ]
    assert list(unknown_end_findings([served(1, short, answer(0))])) == [
        evolve(of_short, message=of_short.message.replace("1 of 5", "1 of 2"))
    ]
    assert list(unknown_end_findings([served(1, answer(0))])) == []
    many = served(1, *[unknown] * 1200)
    (found,) = unknown_end_findings([many])
    assert found.message.startswith("1,200 of 1,200 answers are shorter")


def test_figures_of_tokens_are_withheld_and_no_others() -> None:
    """Of each component and of their total; goodput only where the time per token decides it."""
    outcomes = [plain(number) for number in range(5)]
    summary = summarise([trial(1, reading(), reading(CPU), outcomes=outcomes)], [])
    assert summary.total is not None
    assert summary.total.per_output_token_j is not None
    assert summary.tpot_s is not None
    found = without_token_figures(summary, "odd")
    assert found.total is not None
    for before, after in zip((*summary.components, summary.total), (*found.components, found.total), strict=True):
        assert after.per_output_token_j is after.per_output_token_bounds_j is None
        kept = {"per_output_token_j": None, "per_output_token_bounds_j": None}
        assert after == evolve(before, **kept)  # type: ignore[arg-type] # fields of it
    assert (found.tokens_in_doubt, found.tpot_s) == ("odd", None)
    assert found.latency_notes == {**summary.latency_notes, "tpot": "withheld, as token counts are in doubt"}
    assert found.output_tokens == summary.output_tokens
    assert found.ttft_s == summary.ttft_s
    alone = summarise([trial(1, reading(), outcomes=outcomes)], [])
    assert without_token_figures(evolve(alone, total=None), "odd").total is None
    for slo, kept_it in ((Slo(1.0, None, 2.0), True), (Slo(1.0, 0.1, None), False), (Slo(None, 0.1, None), False)):
        judged = Goodput(slo, 5.0, 0.0, 0.5, 1.0)
        left = without_token_figures(evolve(summary, goodput=judged), "odd").goodput
        assert left == (judged if kept_it else None)
    assert without_token_figures(summary, "odd").goodput is None
