"""Tokens of answers whose events are irregular, come at once, or are none at all."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.event_times import tokens_by, tokens_until
from ai_energy_benchmarks.analysis.pace import Pace, cancelled_tokens, is_cancelled, shows_events, that_show_events
from ai_energy_benchmarks.analysis.slice_work import SliceWork
from ai_energy_benchmarks.domain.completions import Completion
from tests.factories import failure
from tests.unit.test_tokens_of_windows import answer, frame

# Ten tokens to an event, the first after 4 s and then one every 3 s.
OTHERS = Pace(10.0, 5.0, 4.0, 3.0)
UNKNOWN = Pace(None, 5.0)


@pytest.mark.parametrize(
    ("done", "of", "time_s", "tokens"),
    [
        # Nine to an event, 1 s and 4 s apart: before the first event they are made over their mean distance of 2.5 s.
        (answer(0.0, 4.0, 5.0, 9.0, tokens=27), OTHERS, 1.4, 0),
        (answer(0.0, 4.0, 5.0, 9.0, tokens=27), OTHERS, 2.75, 4.5),
        (answer(0.0, 4.0, 5.0, 9.0, tokens=27), OTHERS, 4.5, 13.5),
        (answer(0.0, 4.0, 5.0, 9.0, tokens=27), OTHERS, 7.0, 22.5),
        (answer(0.0, 4.0, 5.0, 9.0, tokens=27), OTHERS, 9.0, 27),
        # Two events are enough for a distance of their own; one has that of others.
        (answer(0.0, 4.0, 5.0, tokens=18), OTHERS, 3.5, 4.5),
        (answer(0.0, 4.0, tokens=9), OTHERS, 2.5, 4.5),
        # Not a whole number to an event.
        (answer(0.0, 4.0, 6.0, 8.0, tokens=25), OTHERS, 5.0, 12.5),
        (answer(0.0, 1.0, 2.0, 3.0, tokens=5), UNKNOWN, 2.5, 10 / 3),
        (answer(0.0, 1.0, 2.0, tokens=15), UNKNOWN, 1.5, 7.5),
        # Events at one time have no distance: their tokens come with them.
        (answer(0.0, 4.0, 4.0, tokens=20), OTHERS, 3.9, 0),
        (answer(0.0, 4.0, 4.0, tokens=20), OTHERS, 4.0, 20),
        (answer(4.0, 4.0, 6.0, tokens=20), OTHERS, 3.5, 0),
        (answer(0.0, 4.0, 4.0, finished_s=7.0, tokens=0, cancelled=True), OTHERS, 7.0, 20),
        # What a cancelled one showed, by the events of others, and the mean of its own where they tell.
        (answer(0.0, 4.0, 6.0, finished_s=7.0, tokens=0, cancelled=True), OTHERS, 7.0, 25),
        (answer(0.0, 4.0, 6.0, finished_s=7.0, tokens=0, carried=(20, 5), cancelled=True), OTHERS, 7.0, 31.25),
        (answer(0.0, 4.0, 6.0, finished_s=7.0, tokens=0, carried=(8, 7), cancelled=True), OTHERS, 7.0, 15),
        (answer(0.0, 4.0, finished_s=7.0, tokens=0, cancelled=True), OTHERS, 5.5, 15),
        (answer(0.0, 4.0, 6.0, finished_s=7.0, tokens=0, cancelled=True), UNKNOWN, 7.0, 0),
        (answer(1.0, finished_s=4.0, tokens=0, cancelled=True), OTHERS, 3.5, 5),
        # Without an event nothing was shown, whatever was counted.
        (answer(0.0, finished_s=3.0, tokens=5), OTHERS, 1.0, 0),
        (answer(0.0, finished_s=3.0, tokens=5), UNKNOWN, 9.0, 0),
    ],
)
def test_tokens_that_existed_at_a_time(done: Completion, of: Pace, time_s: float, tokens: float) -> None:
    """Shown with their events, or made since the one before where these carry eight or more."""
    assert tokens_until(done, of, time_s) == pytest.approx(tokens)


def test_rows_have_the_tokens_of_their_answers() -> None:
    """Those before, between and behind their events, at each of these times; also where no answer is in flight."""
    answers = (answer(0.0, 1.0, 2.0, 3.0, tokens=5), answer(2.0, 2.5, tokens=2), answer(5.0, 6.0, 9.0))
    table = frame(*answers)
    for time_s in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 7.0, 9.0, 10.0):
        assert tokens_by(table, time_s).to_list() == [tokens_until(done, UNKNOWN, time_s) for done in answers]
    assert tokens_by(table[:0], 1.0).to_list() == []


def test_a_table_without_rows_brings_nothing() -> None:
    """A part of a pass in which every request failed."""
    work = SliceWork((0.0, 1.0, 2.0))
    work.add_table(frame(answer(0.0, 1.0, 2.0))[:0])
    assert work == SliceWork((0.0, 1.0, 2.0))


def test_an_answer_in_one_piece_before_or_behind_the_slices_leaves_them_known() -> None:
    """Also well before them."""
    for outside in (answer(0.0, 4.0, tokens=6), answer(0.0, 5.0, tokens=6), answer(9.0, 12.0, tokens=6)):
        work = SliceWork((5.0, 7.0, 9.0))
        work.add(outside, UNKNOWN, {})
        assert not work.unknown


def test_events_of_a_cancelled_answer_carry_what_those_of_others_do() -> None:
    """Three events of two and a half tokens."""
    cut = answer(0.0, 4.0, 6.0, 7.0, finished_s=8.0, tokens=0, cancelled=True)
    assert cancelled_tokens(cut, Pace(2.5, 5.0)) == 7.5


@pytest.mark.parametrize(
    ("times_s", "tokens", "shows"),
    [((), 0, False), ((), 1, False), ((1.0,), 0, True), ((1.0,), 1, True), ((1.0,), 2, True), ((1.0,), 3, False),
     ((1.0, 2.0), 0, True), ((1.0, 2.0), 2, True), ((1.0, 2.0), 3, True), ((1.0, 2.0, 3.0), 30, True)],
)  # fmt: skip
def test_an_answer_shows_events(times_s: tuple[float, ...], tokens: int, shows: bool) -> None:
    """With two of them, or with one of an answer of two tokens at most."""
    done = answer(0.0, *times_s, tokens=tokens)
    assert shows_events(done) is shows
    assert frame(done).select(that_show_events()).to_series().to_list() == [shows]


def test_only_a_filler_that_was_in_flight_is_cancelled() -> None:
    """Not an answer that ended, nor a request that failed."""
    assert is_cancelled(answer(0.0, 1.0, cancelled=True))
    assert not is_cancelled(answer(0.0, 1.0))
    assert not is_cancelled(failure())
