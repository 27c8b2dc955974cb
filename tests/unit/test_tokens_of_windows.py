"""The tokens that requests bring into a window and its slices, by hand: at each edge, as objects and as a table."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import polars
import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.event_times import tokens_until
from ai_energy_benchmarks.analysis.pace import Pace, Pacing, cancelled_tokens, shows_events
from ai_energy_benchmarks.analysis.slice_work import SliceWork
from ai_energy_benchmarks.analysis.steady_tokens import SteadyTokens, needs_pace, some_need_pace
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.outcome_frames import with_times
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from ai_energy_benchmarks.domain.steady import SteadyWindow

NO_PACE = Pace(None, 0.0)
# Two tokens to an event, five a second, the first after 1 s and then every half second.
PACE = Pace(2.0, 5.0, 1.0, 0.5)
CHUNKY = Pace(10.0, 5.0, 4.0, 2.0)


def answer(
    sent_s: float,
    *times_s: float,
    tokens: int | None = None,
    finished_s: float | None = None,
    prompt: int = 10,
    cached: int | None = None,
    carried: Sequence[int] = (),
    cancelled: bool = False,
    number: int = 0,
) -> Completion:
    """One token for each event, or so many together."""
    last_s = times_s[-1] if times_s else sent_s
    return Completion(
        number,
        prompt,
        len(times_s) if tokens is None else tokens,
        "usage",
        sent_s,
        array("d", times_s),
        last_s if finished_s is None else finished_s,
        "cancelled" if cancelled else "length",
        cached_prompt_tokens=cached,
        event_tokens=array("q", carried) if carried else (),
        rendered_sha256="a" * 64,
    )


def frame(*answers: Completion) -> polars.DataFrame:
    table = OutcomeTable()
    table.extend(answers)
    (part,) = table.parts()
    assert isinstance(part, polars.DataFrame)
    return with_times(part)


def brought(
    *answers: Completion, pace: Pace = NO_PACE, prompts: Mapping[int, tuple[int, int]] | None = None
) -> tuple[Bounds, tuple[float, float], float, float | None]:
    """Tokens, those of the halves, computed prompt tokens and context of a window from 10 s to 20 s."""
    tokens = SteadyTokens(SteadyWindow(10.0, 20.0, 2))
    for done in answers:
        tokens.add(done, pace, prompts or {})
    figures = tokens.tokens, tokens.half_tokens, tokens.computed_prompt_tokens, tokens.context_tokens
    if not any(map(needs_pace, answers)):
        by_table = SteadyTokens(SteadyWindow(10.0, 20.0, 2))
        by_table.add_table(frame(*answers))
        same = by_table.tokens, by_table.half_tokens, by_table.computed_prompt_tokens, by_table.context_tokens
        assert same == figures
    return figures


@pytest.mark.parametrize(
    ("done", "tokens", "halves", "prompt", "context"),
    [
        # Tokens 2 to 4 of a request that began before; they follow 11, 12 and 13 others.
        (answer(8.0, 9.0, 12.0, 15.0, 18.0), 3, (2, 1), 0, 12.5),
        # An event on an edge lies before it.
        (answer(5.0, 10.0, 20.0), 1, (0, 1), 0, 11.5),
        (answer(9.0, 15.0, 20.5), 1, (1, 0), 10, 10.5),
        (answer(9.0, 20.0, 20.5), 1, (0, 1), 10, 10.5),
        (answer(9.0, 10.0, 20.5), 0, (0, 0), 0, None),
        (answer(9.0, 20.5, 21.0), 0, (0, 0), 0, None),
        # Wholly before and wholly behind, up to the edges.
        (answer(5.0, 6.0, 10.0), 0, (0, 0), 0, None),
        (answer(5.0, 6.0, 9.0, finished_s=11.0), 0, (0, 0), 0, None),
        (answer(20.0, 21.0, 22.0), 0, (0, 0), 0, None),
        (answer(20.5, 21.0, 22.0), 0, (0, 0), 0, None),
        # Seven of ten prompt tokens came from a cache; two tokens to an event.
        (answer(11.0, 12.0, 14.0, 16.0, tokens=6, cached=7), 6, (4, 2), 3, 13.0),
        (answer(11.0, 12.0, 14.0, 16.0, tokens=6, cached=0), 6, (4, 2), 10, 13.0),
        # One event of at most two tokens shows when they came.
        (answer(11.0, 12.0, tokens=2), 2, (2, 0), 10, 11.0),
    ],
)
def test_tokens_lie_where_their_events_lie(
    done: Completion, tokens: float, halves: tuple[float, float], prompt: float, context: float | None
) -> None:
    """After the begin and up to the end; the prompt is computed with the first one."""
    assert not needs_pace(done)
    assert brought(done) == (Bounds.exact(tokens), halves, prompt, context)


def test_requests_add_up() -> None:
    """Context is the mean over tokens: three that follow 12.5 others and six that follow 13."""
    first, second = answer(8.0, 9.0, 12.0, 15.0, 18.0), answer(11.0, 12.0, 14.0, 16.0, tokens=6, cached=7)
    tokens, halves, prompt, context = brought(first, second)
    assert (tokens, halves, prompt) == (Bounds.exact(9), (6, 3), 3)
    assert context == pytest.approx((3 * 12.5 + 6 * 13) / 9)
    # One that shows no events makes the context unknown, before or after the others.
    silent = answer(11.0, 16.0, tokens=6)
    assert brought(first, silent)[3] is brought(silent, first)[3] is None
    assert brought(first, silent, pace=PACE)[3] is None
    # Not one that lies outside of the window, nor a cancelled one that had no token yet.
    for outside in (
        answer(1.0, 10.0, tokens=6),
        answer(1.0, 9.0, tokens=6),
        answer(20.0, 30.0, tokens=6),
        answer(20.5, 30.0, tokens=6),
    ):
        assert brought(first, outside)[3] == brought(outside, first)[3] == 12.5
    unbegun = answer(12.0, finished_s=18.0, tokens=0, cancelled=True)
    assert brought(first, unbegun, pace=PACE)[3] == 12.5


@pytest.mark.parametrize(
    ("done", "needs"),
    [
        (answer(0.0, 1.0, 2.0), False),
        (answer(0.0, 1.0, 2.0, cancelled=True), True),
        (answer(0.0, 1.0, tokens=2), False),
        (answer(0.0, 1.0, tokens=3), True),
        (answer(0.0), True),
        (answer(0.0, 1.0, 2.0, tokens=15), False),
        (answer(0.0, 1.0, 2.0, tokens=16), True),
        (answer(0.0, 1.0, 2.0, tokens=17), True),
        (answer(0.0, 1.0, 2.0, carried=(1, 1)), True),
        (answer(0.0, 1.0, tokens=1, carried=(1,)), True),
        (answer(0.0, 1.0, tokens=3, carried=(3,)), True),
        (answer(0.0, finished_s=1.0, tokens=0, cancelled=True), True),
    ],
)
def test_some_answers_need_the_pace_of_others(done: Completion, needs: bool) -> None:
    """Cancelled ones, those in one piece, and those of eight tokens to an event; one of them among others is enough."""
    assert needs_pace(done) is needs
    assert some_need_pace(frame(done)) is needs
    assert some_need_pace(frame(answer(0.0, 1.0, 2.0), done)) is needs


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        # 30 tokens over 10 s: wholly inside exactly, else none or all may lie inside.
        (answer(10.0, 20.0, tokens=30), (30, 30, 30)),
        (answer(11.0, 19.0, tokens=30), (30, 30, 30)),
        (answer(5.0, 15.0, tokens=30), (0, 15, 30)),
        (answer(15.0, 25.0, tokens=30), (0, 15, 30)),
        (answer(5.0, 25.0, tokens=30), (0, 15, 30)),
        (answer(9.0, 19.0, tokens=30), (0, 27, 30)),
        (answer(11.0, 21.0, tokens=30), (0, 27, 30)),
        (answer(9.75, 10.25, tokens=30), (0, 15, 30)),
        (answer(0.0, 10.0, tokens=30), (0, 0, 0)),
        (answer(20.0, 30.0, tokens=30), (0, 0, 0)),
        (answer(12.0, 12.0, tokens=30), (30, 30, 30)),
        (answer(12.0, 12.5, tokens=30), (30, 30, 30)),
        (answer(16.0, 18.0, tokens=30), (30, 30, 30)),
    ],
)
def test_an_answer_in_one_piece_spreads_its_tokens(done: Completion, expected: tuple[float, float, float]) -> None:
    """From its sending to its end; its context is not known."""
    tokens, halves, _, context = brought(done)
    assert tokens == Bounds(*expected)
    assert sum(halves) == pytest.approx(expected[1])
    assert context is None


def test_a_cancelled_answer_without_events_has_the_pace_of_the_others() -> None:
    """Five tokens a second on a server that shows no events; none to twice as many may be true, also wholly inside."""
    no_events = evolve(PACE, tokens_per_event=None)
    assert brought(answer(10.0, finished_s=20.0, tokens=0, cancelled=True), pace=no_events)[0] == Bounds(0, 50, 100)
    assert brought(answer(15.0, finished_s=25.0, tokens=0, cancelled=True), pace=no_events)[0] == Bounds(0, 25, 100)
    # On a server that streams it had no token yet, and its context is that of the others.
    tokens, _, prompt, context = brought(answer(10.0, finished_s=20.0, tokens=0, cancelled=True), pace=PACE)
    assert (tokens, prompt, context) == (Bounds.exact(0), 0, None)


def test_a_cancelled_answer_repeats_a_prompt_of_the_pass() -> None:
    """Its own prompt tokens are not known; it computes them with its first token, if it came to one in the window."""
    prompts = {7: (40, 15)}
    filler = answer(9.0, 12.0, 14.0, tokens=0, prompt=0, cancelled=True, number=7)
    tokens, halves, prompt, context = brought(filler, pace=PACE, prompts=prompts)
    assert (tokens, halves, prompt) == (Bounds.exact(4), (4, 0), 25)
    assert context == pytest.approx(40 + 2)
    assert brought(filler, pace=PACE)[2:] == (0, 2.0)
    assert brought(evolve(filler, prompt_tokens=60), pace=PACE, prompts=prompts)[2:] == (60, 62.0)
    assert brought(answer(9.0, finished_s=15.0, prompt=0, cancelled=True, number=7), pace=PACE, prompts=prompts)[2] == 0
    # An answer without events has begun by its end; one that was not cancelled repeats nothing.
    assert brought(answer(9.0, finished_s=15.0, tokens=5), prompts={0: (40, 15)})[2] == 10
    own = SteadyTokens(SteadyWindow(10.0, 20.0, 2))
    own.add(answer(9.0, 12.0, 14.0, prompt=0), NO_PACE, {0: (40, 15)})
    assert own.computed_prompt_tokens == 0


def sliced(*answers: Completion, pace: Pace = NO_PACE, edges_s: Sequence[float] = (10.0, 15.0, 20.0)) -> SliceWork:
    """The work of the slices from 10 s to 15 s and to 20 s."""
    work = SliceWork(edges_s)
    for done in answers:
        work.add(done, pace, {7: (40, 15)})
    if not any(map(needs_pace, answers)):
        by_table = SliceWork(edges_s)
        by_table.add_table(frame(*answers))
        assert by_table == work
    return work


@pytest.mark.parametrize(
    ("done", "tokens", "context", "computed"),
    [
        (answer(8.0, 9.0, 12.0, 15.0, 18.0), [2, 1], [2 * 12, 13.5], [0, 0]),
        (answer(9.0, 15.0, 20.0, cached=4), [1, 1], [10.5, 11.5], [6, 0]),
        (answer(9.0, 10.0, 15.5, cached=4), [0, 1], [0, 11.5], [0, 0]),
        (answer(9.0, 15.5, 20.0, cached=0), [0, 2], [0, 2 * 11], [0, 10]),
        (answer(9.0, 20.0, 21.0), [0, 1], [0, 10.5], [0, 10]),
        (answer(9.0, 20.5, 21.0), [0, 0], [0, 0], [0, 0]),
        (answer(9.0, 11.0, 12.0, 13.0, 21.0), [3, 0], [3 * 11.5, 0], [10, 0]),
        (answer(5.0, 6.0, 10.0), [0, 0], [0, 0], [0, 0]),
        (answer(20.0, 21.0, 22.0), [0, 0], [0, 0], [0, 0]),
        (answer(15.0, 16.0, 17.0), [0, 2], [0, 2 * 11], [0, 10]),
        (answer(11.0, 12.0, 15.0), [2, 0], [2 * 11, 0], [10, 0]),
    ],
)
def test_slices_have_the_tokens_of_their_events(
    done: Completion, tokens: list[float], context: list[float], computed: list[float]
) -> None:
    """An event on an edge belongs to the slice before it; the prompt to that of the first token."""
    work = sliced(done)
    assert (work.tokens, work.context, work.computed, work.unknown) == (tokens, context, computed, False)
    both = sliced(done, done)
    assert both.tokens == [2 * made for made in tokens]
    assert both.computed == [2 * made for made in computed]


def test_one_slice_is_the_window() -> None:
    """With all tokens of it."""
    work = sliced(answer(8.0, 9.0, 12.0, 15.0, 18.0), edges_s=(10.0, 20.0))
    assert (work.tokens, work.context) == ([3], [3 * 12.5])


def test_slices_are_unknown_with_an_answer_in_one_piece_in_them() -> None:
    """Not with one outside; and cancelled ones show their events where the server streams."""
    piece = answer(11.0, 16.0, tokens=6)
    assert sliced(piece).unknown
    assert sliced(piece, pace=PACE).unknown
    assert sliced(answer(8.0, 9.0, 12.0), piece, answer(8.0, 9.0, 12.0)).tokens == [1, 0]
    assert not sliced(answer(1.0, 10.0, tokens=6)).unknown
    assert not sliced(answer(20.0, 21.0, tokens=6)).unknown
    filler = answer(9.0, 12.0, tokens=0, prompt=0, cancelled=True, number=7)
    unbegun = answer(9.0, finished_s=15.0, tokens=0, prompt=0, cancelled=True, number=7)
    assert sliced(unbegun).unknown
    assert sliced(unbegun, pace=PACE) == SliceWork((10.0, 15.0, 20.0))
    work = sliced(filler, pace=PACE)
    assert (work.unknown, work.tokens, work.context, work.computed) == (False, [2, 0], [2 * 41, 0], [25, 0])
    assert sliced(evolve(filler, prompt_tokens=60, cached_prompt_tokens=20), pace=PACE).computed == [40, 0]
    assert sliced(evolve(filler, number=8), pace=PACE).computed == [0, 0]
    assert sliced(answer(8.0, 9.0, 9.5), pace=PACE).computed == [0, 0]


@pytest.mark.parametrize(
    ("done", "time_s", "tokens"),
    [
        # Ten tokens to an event: those of the next one come evenly since the last.
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 0.0, 0),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 2.0, 0),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 3.0, 5),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 4.0, 10),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 5.0, 15),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 7.9, 29.5),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 8.0, 30),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=30), 9.0, 30),
        (answer(3.0, 4.0, 6.0, 8.0, tokens=30), 3.5, 5),
        # Seven are shown with their event.
        (answer(0.0, 4.0, 6.0, 8.0, tokens=21), 5.9, 7),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=21), 3.9, 0),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=24), 5.0, 12),
        # What each event carried: 20, 5 and 5 of 31, the last of which is the end token.
        (answer(0.0, 4.0, 6.0, 8.0, tokens=31, carried=(20, 5, 5)), 5.0, 22.5),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=31, carried=(20, 5, 5)), 3.0, 10),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=31, carried=(20, 5, 5)), 6.5, 26.25),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=31, carried=(20, 5, 5)), 8.0, 31),
        (answer(0.0, 4.0, 6.0, 8.0, tokens=29, carried=(20, 5, 5)), 8.0, 30),
        # One event: its own gap is that of the others.
        (answer(0.0, 4.0, tokens=10), 3.0, 5),
        (answer(0.0, 4.0, tokens=10), 5.0, 10),
        # Cancelled: up to one more event was made and not shown, before the first one too.
        (answer(0.0, 4.0, 6.0, finished_s=7.0, tokens=0, cancelled=True), 7.0, 25),
        (answer(0.0, 4.0, 6.0, finished_s=9.0, tokens=0, cancelled=True), 9.0, 30),
        (answer(0.0, 4.0, finished_s=5.0, tokens=0, cancelled=True), 5.0, 15),
        (answer(0.0, finished_s=3.0, tokens=0, cancelled=True), 3.0, 5),
        (answer(0.0, finished_s=1.0, tokens=0, cancelled=True), 1.0, 0),
        (answer(0.0, 4.0, 6.0, finished_s=7.0, tokens=0, carried=(20, 4), cancelled=True), 7.0, 30),
    ],
)
def test_tokens_of_a_large_event_are_made_before_it(done: Completion, time_s: float, tokens: float) -> None:
    """Of eight tokens or more to an event, on a server whose events carry ten, every 2 s, the first after 4 s."""
    assert tokens_until(done, CHUNKY, time_s) == pytest.approx(tokens)


def test_a_cancelled_answer_is_counted_by_what_is_known_of_it() -> None:
    """What its events carried, else its events at the pace of others, else its time at their speed."""
    cut = answer(0.0, 4.0, 6.0, finished_s=7.0, tokens=0, cancelled=True)
    assert cancelled_tokens(cut, PACE) == 4.0
    assert cancelled_tokens(evolve(cut, event_tokens=array("q", (20, 5))), PACE) == 25.0
    assert cancelled_tokens(cut, evolve(PACE, tokens_per_event=None)) == 35.0


def test_the_pace_of_answers_is_theirs_together() -> None:
    """Answers that were cancelled have no part, those in one piece only in tokens per second."""
    answers = (
        answer(0.0, 1.0, 2.0, 4.0, tokens=9, finished_s=5.0),
        answer(10.0, 12.0, 13.0, tokens=2),
        answer(20.0, 30.0, tokens=40),
        answer(40.0, 41.0, tokens=2),
        answer(50.0, 51.0, 52.0, tokens=99, cancelled=True),
    )
    pacing, by_table = Pacing(), Pacing()
    for done in answers:
        pacing.add(done)
    by_table.add_table(frame(*answers))
    assert by_table == pacing
    assert pacing.pace() == Pace(
        tokens_per_event=13 / 6,
        tokens_per_s=53 / 19,
        first_event_s=pytest.approx(4 / 3),
        event_gap_s=pytest.approx(4 / 3),
    )
    assert Pacing().pace() == Pace(None, 0.0, 0.0, 0.0)
    instant = Pacing()
    instant.add(answer(1.0, tokens=5))
    assert instant.pace() == Pace(None, 0.0, 0.0, 0.0)
    assert [shows_events(answer(0.0, *times_s, tokens=made)) for times_s, made in
            (((1.0,), 2), ((1.0,), 3), ((1.0, 2.0), 30), ((), 0))] == [True, False, True, False]  # fmt: skip
