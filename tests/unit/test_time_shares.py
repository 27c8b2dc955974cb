"""How the time of a pass divides, at each limit and where a part of what is asked is missing."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.time_shares import TimeShares, Undivided, time_shares
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad


def done(sent_s: float, *times_s: float, tokens: int | None = None, thinking: int | None = None) -> Completion:
    """An answer by token ids whose events came at these times; one token each, or so many together."""
    made = len(times_s) if tokens is None else tokens
    last_s = times_s[-1] if times_s else sent_s
    return Completion(
        0,
        5,
        made,
        "token_ids",
        sent_s,
        array("d", times_s),
        last_s,
        "length",
        reasoning_tokens=thinking,
        first_event_tokens=1,
    )


def shares(*outcomes: Completion | FailedCompletion, stop_s: float = 100.0, served: bool = False) -> TimeShares:
    """Of a window that begins at 0 s."""
    divided = time_shares([window(*outcomes, stop_s=stop_s, served=served)])
    assert isinstance(divided, TimeShares), divided
    return divided


def why(*outcomes: Completion | FailedCompletion, stop_s: float = 100.0, served: bool = False) -> str:
    """Why it is not divided."""
    divided = time_shares([window(*outcomes, stop_s=stop_s, served=served)])
    assert isinstance(divided, Undivided), divided
    return divided.reason


def window(*outcomes: Completion | FailedCompletion, stop_s: float = 100.0, served: bool = False) -> Trial:
    client = ClientLoad(1, 0.1, 0.001) if served else None
    return Trial(1, 0.0, stop_s, None, outcomes, client=client)


def lost(sent_s: float, finished_s: float) -> FailedCompletion:
    return FailedCompletion(0, "gone", sent_s, finished_s)


def test_two_requests_with_a_pause_add_up() -> None:
    """From 10 s: 2 s and 8 s; from 40 s: 5 s and 15 s; outside are 70 of 100 s."""
    divided = shares(done(10.0, 12.0, 20.0), done(40.0, 45.0, 60.0))
    assert (divided.prefill, divided.decode, divided.outside) == pytest.approx((0.07, 0.23, 0.70))
    assert divided.thinking is divided.answer is None


def test_several_trials_are_taken_together() -> None:
    """7 s of prefill in 100 s and 1 s in 10 s."""
    divided = time_shares([window(done(10.0, 17.0, 20.0)), window(done(0.0, 1.0, 2.0), stop_s=10.0)])
    assert isinstance(divided, TimeShares)
    assert divided.prefill == pytest.approx(8 / 110)
    assert divided.decode == pytest.approx(4 / 110)
    assert isinstance(time_shares([]), Undivided)


def test_a_batch_begins_with_its_last_first_token_and_ends_with_its_last() -> None:
    """Rows that were sent together: 10 s to the last first token, 9.5 s after the first; 30 s to the last of all."""
    divided = shares(done(20.0, 29.5, 60.0), done(20.0, 30.0, 40.0), done(20.0, 29.8, 35.0))
    assert (divided.prefill, divided.decode) == pytest.approx((0.1, 0.3))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_first_tokens_of_a_batch_lie_within_a_tenth_of_its_prefill(order: tuple[int, int]) -> None:
    """Of the time since the batch was sent, here 10 s, and not of the clock; both ends are named."""
    together = [done(20.0, 29.0, 40.0), done(20.0, 30.0, 40.0)]
    apart = [done(20.0, 28.9, 40.0), done(20.0, 30.0, 40.0)]
    assert shares(*(together[number] for number in order)).prefill == pytest.approx(0.1)
    reason = why(*(apart[number] for number in order))
    assert "their first tokens came 8.9 to 10 s after it was sent" in reason


def test_a_batch_that_showed_nothing_is_unclear_until_its_last_row_ended() -> None:
    """A hundredth of the window may be; it is from the sending to the end of the longest row."""
    answer = done(0.0, 1.0, 2.0)
    assert shares(answer, lost(50.0, 50.2), lost(50.0, 51.0)).outside == pytest.approx(0.98)
    reason = "1.1% of the time lies in requests that showed no token"
    assert why(answer, lost(50.0, 50.2), lost(50.0, 51.1)) == reason
    assert why(answer, lost(50.0, 51.1), lost(50.0, 50.2)) == reason
    assert why(answer, lost(50.0, 50.6), lost(70.0, 70.5)) == reason
    # An answer without an event is no better; one next to it in the batch that shows them stands for both.
    assert why(answer, evolve(done(50.0), finished_s=51.1)) == reason
    assert shares(answer, evolve(done(50.0), finished_s=52.0), done(50.0, 51.0, 52.0)).decode == pytest.approx(0.02)


def test_nothing_is_divided_without_a_token_or_without_time() -> None:
    """A window of no length, requests that took none, or none that showed a token."""
    reason = "no request showed its first token"
    assert why(lost(1.0, 2.0)) == reason
    assert why() == reason
    assert why(done(0.0, 1.0, 2.0), stop_s=0.0) == reason
    assert why(done(0.0, 1.0, 2.0), stop_s=-1.0) == reason
    assert why(done(1.0, 1.0)) == reason
    assert shares(done(0.0, 0.5), stop_s=0.5).prefill == 1.0
    assert shares(done(0.0, 0.25, 0.5), stop_s=0.5).decode == 0.5


def test_overlapping_requests_are_not_divided() -> None:
    """What was sent before the last one in flight had ended, whichever of them ends last."""
    reason = "several requests were in flight at a time"
    assert why(done(0.0, 1.0, 10.0), done(5.0, 6.0, 7.0)).startswith(reason)
    # The longest of a batch counts, be it the first or the last of its rows.
    assert why(done(0.0, 1.0, 10.0), done(0.0, 1.0, 2.0), done(5.0, 6.0, 7.0)).startswith(reason)
    assert why(done(0.0, 1.0, 2.0), done(0.0, 1.0, 10.0), done(5.0, 6.0, 7.0)).startswith(reason)
    assert shares(done(0.0, 1.0, 2.0), done(0.0, 1.0, 10.0), done(10.0, 11.0, 12.0)).prefill == pytest.approx(0.02)
    # After a batch the next one has its own end.
    assert shares(done(0.0, 1.0, 10.0), done(20.0, 21.0, 22.0), done(23.0, 24.0, 25.0)).prefill == pytest.approx(0.03)
    # A failed request is in flight until it ended, an answer until its last token.
    assert why(lost(0.0, 0.9), done(0.5, 1.0, 2.0)).startswith(reason)
    late = evolve(done(0.0, 1.0, 2.0), finished_s=9.0)
    assert shares(late, done(3.0, 4.0, 5.0)).prefill == pytest.approx(0.02)


def test_requests_of_a_server_that_were_sent_together_overlap() -> None:
    """Only an engine in process has batches whose rows begin together; of no length they still are two."""
    both = done(0.0, 1.0, 2.0), done(0.0, 1.0, 2.0)
    assert shares(*both).prefill == pytest.approx(0.01)
    assert why(*both, served=True).startswith("several requests were in flight")
    assert shares(done(0.0, 1.0, 2.0), done(2.0, 3.0, 4.0), served=True).prefill == pytest.approx(0.02)
    assert why(done(0.0, 1.0, 2.0), lost(5.0, 5.0), lost(5.0, 5.0), served=True).startswith("several requests were")
    # Rows of no length that were sent at the same time are one batch, not one after another.
    assert shares(done(0.0, 1.0, 2.0), lost(5.0, 5.0), lost(5.0, 5.0)).prefill == pytest.approx(0.01)


def chunks(events: int, *, first: int | None = None, begun_s: float = 1.0) -> Completion:
    """An answer whose first event does not tell its tokens, from 0 s on."""
    times_s = array("d", (begun_s + 0.1 * number for number in range(events)))
    return Completion(0, 5, 80, "usage", 0.0, times_s, times_s[-1], "length", first_event_tokens=first)


def test_few_chunks_do_not_show_when_prefill_ends() -> None:
    """Nineteen are too few, twenty are not; nor where the first event tells its tokens or had begun before."""
    reason = "answers came in too few chunks of several tokens"
    assert why(chunks(19)).startswith(reason)
    assert shares(chunks(20)).prefill == shares(chunks(21)).prefill == pytest.approx(0.01)
    assert shares(chunks(19, first=1)).prefill == pytest.approx(0.01)
    assert shares(chunks(19, begun_s=0.0)).prefill == 0.0


@pytest.mark.parametrize(("few", "divided"), [(1, True), (2, True), (3, False)])
def test_a_hundredth_of_the_answers_may_come_in_few_chunks(few: int, divided: bool) -> None:
    """Two of two hundred are one hundredth."""
    answers = [
        evolve(chunks(2 if number < few else 20), sent_s=float(10 * number), token_times_s=array("d", times_s))
        for number in range(200)
        for times_s in ([10.0 * number + 1 + 0.1 * event for event in range(2 if number < few else 20)],)
    ]
    assert isinstance(time_shares([window(*answers, stop_s=2000.0)]), TimeShares) is divided


def test_thinking_is_known_if_every_answer_tells_it() -> None:
    """Of the first answer two tokens of four, 4 s of its 8; of the second none."""
    first, second = done(0.0, 2.0, 6.0, 8.0, 10.0, thinking=2), done(20.0, 21.0, 25.0, thinking=0)
    divided = shares(first, second)
    assert divided.thinking == pytest.approx(0.04)
    assert divided.answer == pytest.approx(0.12 - 0.04)
    silent = done(40.0, 41.0, 45.0)
    for outcomes in ((first, silent), (evolve(silent, sent_s=0.0), done(50.0, 51.0, 52.0, thinking=1))):
        assert shares(*outcomes).thinking is None
    # Of a batch too, whichever row is silent; and what comes later cannot mend it.
    row = done(0.0, 2.0, 6.0, 8.0, 10.0)
    assert shares(row, first).thinking is None
    assert shares(first, row, second).thinking is None


def test_rows_of_a_batch_share_its_thinking_in_proportion() -> None:
    """Rows of 8 s and 4 s with 4 s and 1 s of thinking: 5 of 12 s of their own, of 8 s of the batch."""
    rows = done(0.0, 2.0, 6.0, 8.0, 10.0, thinking=2), done(0.0, 2.0, 3.0, 5.0, 6.0, thinking=2)
    assert shares(*rows).thinking == pytest.approx(8 * 5 / 12 / 100)
    assert shares(done(0.0, 2.0, 2.25, 2.5, thinking=2)).thinking == pytest.approx(0.25 / 100)
    # An answer of one event has no time to think in.
    assert shares(done(0.0, 2.0, thinking=1)).thinking == 0.0


@pytest.mark.parametrize(
    ("thinking", "seconds"), [(0, 0.0), (1, 0.0), (2, 0.0), (3, 4.0), (4, 4.0), (5, 6.0), (8, 8.0), (9, 8.0)]
)
def test_tokens_are_spread_evenly_over_events(thinking: int, seconds: float) -> None:
    """Eight tokens in four events: the third is in the second event; no more than all of them."""
    answer = evolve(done(0.0, 2.0, 6.0, 8.0, 10.0, tokens=8, thinking=thinking), first_event_tokens=2)
    assert shares(answer).thinking == pytest.approx(seconds / 100)


def test_an_answer_that_counts_no_token_thinks_until_its_last_event() -> None:
    """What a server counts as none next to two events is no reason to divide by nothing."""
    assert shares(done(0.0, 2.0, 6.0, tokens=0, thinking=1)).thinking == pytest.approx(0.04)
