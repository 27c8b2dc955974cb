"""Outcomes in columns: what goes in comes out, and a run of very many requests gives the same figures."""

from __future__ import annotations

from array import array
from hashlib import sha256

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.outcomes import OutcomeTable
from ai_energy_benchmarks.domain.result import Trial

seconds = st.floats(0, 1e6)
counts = st.integers(0, 2**31 - 1)
told = st.none() | counts


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    return Completion(
        number=draw(st.integers(0, 2**40)),
        prompt_tokens=draw(counts),
        output_tokens=draw(counts),
        token_source=draw(st.sampled_from(["token_ids", "usage", "retokenised"])),
        sent_s=draw(seconds),
        token_times_s=array("d", draw(st.lists(seconds, max_size=4))),
        finished_s=draw(seconds),
        finish_reason=draw(st.sampled_from(["stop", "length", "unknown"])),
        truncated_prompt_tokens=draw(counts),
        cached_prompt_tokens=draw(told),
        reasoning_tokens=draw(told),
        first_event_tokens=draw(told),
        rendered_sha256=draw(st.sampled_from(["", sha256(b"a").hexdigest()])),
        output_token_ids=draw(st.sampled_from([(), (1, 2)])),
        text=draw(st.text(max_size=3)),
    )


failures = st.builds(FailedCompletion, counts, st.text(max_size=5), seconds, seconds, st.booleans())


@given(st.lists(completions() | failures, max_size=8))
def test_what_goes_in_comes_out(outcomes: list[Outcome]) -> None:
    """Every field of every outcome survives, in order, whatever it holds."""
    table = OutcomeTable()
    table.extend(outcomes)
    assert list(table) == outcomes
    assert table[1:] == tuple(outcomes[1:])
    done = [each for each in outcomes if isinstance(each, Completion)]
    assert list(table.completions) == done
    assert len(table.completions) == len(done)
    assert list(table.failures) == [each for each in outcomes if isinstance(each, FailedCompletion)]


@given(st.lists(completions() | failures, max_size=8))
def test_finishing_orders_and_replaces(outcomes: list[Outcome]) -> None:
    """Outcomes end up in the order of their numbers, each as the given function left it."""

    def finished(outcome: Outcome) -> Outcome:
        if isinstance(outcome, FailedCompletion) or outcome.token_source == "usage":
            return outcome
        if outcome.token_source == "token_ids":
            return evolve(outcome, text="finished")
        return FailedCompletion(outcome.number, "cannot be counted", outcome.sent_s, outcome.finished_s)

    table = OutcomeTable()
    table.extend(outcomes)
    table.finish(finished)
    wanted = [finished(each) for each in sorted(outcomes, key=lambda each: each.number)]
    assert list(table) == wanted
    assert list(table.failures) == [each for each in wanted if isinstance(each, FailedCompletion)]
    assert len(table.completions) == len(wanted) - len(table.failures)


def test_there_is_nothing_beyond_the_end() -> None:
    """A position outside the table is an error, as in any sequence."""
    with pytest.raises(IndexError):
        OutcomeTable()[0]


@given(st.lists(completions() | failures, max_size=8))
def test_a_trial_does_not_care_how_its_outcomes_are_kept(outcomes: list[Outcome]) -> None:
    """Tokens, completions and failures are the same from a table and from a tuple."""
    table = OutcomeTable()
    table.extend(outcomes)
    kept, plain = (Trial(1, 0.0, 1.0, None, each) for each in (table, tuple(outcomes)))
    assert list(kept.completions) == list(plain.completions)
    assert kept.failures == plain.failures
    assert (kept.output_tokens, kept.prompt_tokens) == (plain.output_tokens, plain.prompt_tokens)
