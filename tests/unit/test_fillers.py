"""Filler requests: their prompts are those of the pass, and a cancelled one had made what finished ones make."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.filler_prompts import filler_prompts
from ai_energy_benchmarks.analysis.filler_tokens import (
    filler_completions,
    filler_prompt_tokens,
    filler_tokens,
    unseen_tokens,
    whole_amounts,
)
from ai_energy_benchmarks.analysis.pace import Pace, cancelled_tokens, pace, shows_events
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from tests.factories import completion, failure, trial


def cancelled(number: int, events: int, sent_s: float = 0.0, **known: object) -> Completion:
    """A request that had shown so many events, 0.1 s apart, when it was cancelled: of its counts nothing is known."""
    shown = completion(number, prompt_tokens=0, output_tokens=events, sent_s=sent_s, step_s=0.1)
    fields = {"output_tokens": 0, "finish_reason": "cancelled", "finished_s": sent_s + 0.1 * (events + 1), **known}
    return evolve(shown, **fields)  # type: ignore[arg-type] # fields of a completion


def whole(number: int, prompt_tokens: int, cached: int | None = None) -> Completion:
    """Four events of two tokens each, one every 0.1 s; 0.5 s to the end."""
    shown = completion(number, prompt_tokens=prompt_tokens, output_tokens=4, step_s=0.1, cached_prompt_tokens=cached)
    return evolve(shown, output_tokens=8, finished_s=0.5)


PASS = [whole(0, 10, 3), whole(1, 20), whole(2, 30, 30)]


def test_fillers_have_the_prompts_of_the_pass_in_its_order() -> None:
    """The fourth request repeats the first one; cached tokens that are not known are none."""
    fillers = (cancelled(3, 2), cancelled(4, 2), cancelled(8, 2))
    assert filler_prompts(evolve(trial(1, outcomes=PASS), fillers=fillers)) == {3: (10, 3), 4: (20, 0), 8: (30, 30)}
    assert filler_prompts(evolve(trial(1, outcomes=[]), fillers=fillers)) == {}
    assert filler_prompts(trial(1, outcomes=PASS)) == {}


def test_a_part_of_a_pass_still_knows_its_prompts() -> None:
    """Requests stand by number, not by place; of one that failed or is not in the part the prompt is unknown."""
    fillers = (cancelled(3, 2), cancelled(4, 2), cancelled(5, 2))
    moved = evolve(trial(1, outcomes=[PASS[1], PASS[2], PASS[0]]), fillers=fillers)
    assert filler_prompts(moved) == {3: (10, 3), 4: (20, 0), 5: (30, 30)}
    half = evolve(moved, outcomes=[PASS[0], PASS[2], PASS[1]])
    assert filler_prompts(half) == {3: (10, 3), 4: (20, 0), 5: (30, 30)}
    failed = evolve(trial(1, outcomes=[PASS[0], failure(1), PASS[2]]), fillers=fillers)
    assert filler_prompts(failed) == {3: (10, 3), 5: (30, 30)}


def test_a_cancelled_request_counts_by_the_events_of_finished_ones() -> None:
    """Three events of two tokens are six; a finished filler has its own count, and a failed one none."""
    fillers: tuple[Outcome, ...] = (cancelled(3, 3), whole(4, 20), failure(5))
    seen = evolve(trial(1, outcomes=PASS), fillers=fillers)
    assert filler_tokens(seen) == 6 + 8
    made = list(filler_completions(seen))
    assert [(each.number, each.output_tokens, each.prompt_tokens, each.cached_prompt_tokens) for each in made] == [
        (3, 6, 10, 3),
        (4, 8, 20, None),
    ]
    assert (filler_tokens(trial(1, outcomes=PASS)), list(filler_completions(trial(1, outcomes=PASS)))) == (0, [])


def test_a_finished_filler_has_its_own_count() -> None:
    """Seven tokens, whatever its events and the others say: 31 tokens in 16 events are 1.94 each, of three six."""
    fillers = (evolve(whole(4, 20), output_tokens=7), cancelled(3, 3))
    seen = evolve(trial(1, outcomes=PASS), fillers=fillers)
    assert filler_tokens(seen) == pytest.approx(7 + 3 * 31 / 16)
    assert [(each.number, each.output_tokens) for each in filler_completions(seen)] == [(4, 7), (3, 6)]


def test_a_filler_of_a_failed_request_has_no_known_prompt() -> None:
    """Which is none in the sums."""
    seen = evolve(trial(1, outcomes=[failure(0), *PASS[1:]]), fillers=(cancelled(3, 3),))
    (made,) = filler_completions(seen)
    assert (made.prompt_tokens, made.cached_prompt_tokens) == (0, 0)


def test_what_fillers_made_besides_tokens_is_in_the_window_too() -> None:
    """Unit by unit, with what the pass made; failed ones made nothing."""
    made = evolve(whole(0, 10), amounts={"images": 2.0})
    fillers: tuple[Outcome, ...] = (
        evolve(whole(1, 10), amounts={"images": 3.0, "audio_s": 1.5}),
        failure(2),
        cancelled(3, 1),
    )
    seen = evolve(trial(1, outcomes=[made]), fillers=fillers)
    assert whole_amounts(seen) == {"images": 5.0, "audio_s": 1.5}
    assert whole_amounts(trial(1, outcomes=PASS)) == {}


def test_a_prompt_that_a_cancelled_request_reports_is_its_own() -> None:
    """And so are its cached tokens."""
    told = cancelled(3, 3, prompt_tokens=12, cached_prompt_tokens=5)
    (made,) = filler_completions(evolve(trial(1, outcomes=PASS), fillers=(told,)))
    assert (made.prompt_tokens, made.cached_prompt_tokens) == (12, 5)
    short = cancelled(3, 3, prompt_tokens=1, cached_prompt_tokens=0)
    (made,) = filler_completions(evolve(trial(1, outcomes=PASS), fillers=(short,)))
    assert (made.prompt_tokens, made.cached_prompt_tokens) == (1, 0)


def test_only_fillers_that_had_begun_to_answer_computed_their_prompt() -> None:
    """Of three, one of 10 tokens had; one was still waiting, and one failed."""
    fillers: tuple[Outcome, ...] = (cancelled(3, 1), cancelled(4, 0), failure(5))
    assert filler_prompt_tokens(evolve(trial(1, outcomes=PASS), fillers=fillers)) == 10


def test_a_server_may_go_on_for_a_moment_after_a_request_was_cancelled() -> None:
    """A quarter of a second at 8 tokens in 0.5 s, for each of two."""
    fillers = (cancelled(3, 1), cancelled(4, 0), whole(5, 30))
    assert unseen_tokens(evolve(trial(1, outcomes=PASS), fillers=fillers)) == pytest.approx(2 * 0.25 * 16)
    assert unseen_tokens(evolve(trial(1, outcomes=PASS), fillers=(whole(5, 30),))) == 0.0


def test_the_pace_is_that_of_finished_requests() -> None:
    """Two tokens an event, 16 a second, the first after 0.1 s, and 0.1 s between two; a cancelled one has no part."""
    found = pace([*PASS, cancelled(3, 7), failure(4)])
    assert (found.tokens_per_event, found.tokens_per_s) == (2.0, pytest.approx(16.0))
    assert (found.first_event_s, found.event_gap_s) == (pytest.approx(0.1), pytest.approx(0.1))
    assert pace([failure(0)]) == Pace(None, 0.0, 0.0, 0.0)


def test_an_answer_in_one_piece_shows_no_events() -> None:
    """One event of many tokens is its end; one of at most two may be a short answer as it was made."""
    piece = evolve(completion(output_tokens=1), output_tokens=8)
    assert [shows_events(evolve(piece, output_tokens=count)) for count in (1, 2, 3, 8)] == [True, True, False, False]
    assert shows_events(completion(output_tokens=2))
    assert not shows_events(completion(output_tokens=0))
    assert pace([piece]).tokens_per_event is None


def test_without_events_time_tells_how_much_a_cancelled_request_had_made() -> None:
    """0.3 s at 16 tokens a second; but the server's own count of each event comes first."""
    of = Pace(None, 16.0)
    assert cancelled_tokens(cancelled(3, 2), of) == pytest.approx(0.3 * 16)
    assert cancelled_tokens(cancelled(3, 2), Pace(2.0, 16.0)) == 4.0
    counted = cancelled(3, 2, event_tokens=array("q", (1, 4)))
    assert cancelled_tokens(counted, Pace(2.0, 16.0)) == cancelled_tokens(counted, of) == 5.0
