"""What the requests of one trial come to, by hand: as objects and as tables, with fillers and with a steady window."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import polars
import pytest
from attrs import define, evolve

from ai_energy_benchmarks.analysis.trial_figures import TrialFigures, trial_figures, walked_parts
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.outcomes import OutcomeList
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import Slices, SteadyWindow
from tests.factories import completion, failure, measurement, trial
from tests.unit.test_tokens_of_windows import frame

# From the 22nd to the 28th second of a trial from the 20th to the 30th, in two slices.
WINDOW = SteadyWindow(22.0, 28.0, 2, slices=Slices((22.0, 25.0, 28.0), ()))


@define(eq=False)
class Tabled(OutcomeList):
    """Outcomes whose parts are tables, two to a part, as those of a very long pass are."""

    def parts(self) -> Iterator[polars.DataFrame | Sequence[Outcome]]:
        done = [each for each in self if isinstance(each, Completion)]
        for first in range(0, len(done), 2):
            yield frame(*done[first : first + 2])


def at(number: int, sent_s: float, *events_s: float, tokens: int | None = None, prompt_tokens: int = 10) -> Completion:
    """An answer with events at these times, a token each unless there are more."""
    times_s = array("d", events_s)
    output_tokens = len(events_s) if tokens is None else tokens
    return evolve(
        completion(number, sent_s=sent_s, output_tokens=output_tokens, prompt_tokens=prompt_tokens),
        token_times_s=times_s,
        finished_s=times_s[-1],
        rendered_sha256="a" * 64,
    )


PASS = [
    at(0, 19.0, 20.0, 21.0, 24.0, 24.5),  # before the trial until in the window: 4.5 s of it in the trial
    at(1, 22.0, 22.5, 23.0, 26.0),  # sent at the very begin of the window: 4 s
    at(2, 25.0, 26.0, 27.0, prompt_tokens=20),  # 2 s
    at(3, 28.0, 28.5, 29.5),  # at its very end: 1.5 s
    at(4, 28.25, 28.75, 31.0),  # after it, and beyond the trial: 1.75 s
]


def of(outcomes: Sequence[Outcome], fillers: Sequence[Outcome] = (), window: SteadyWindow | None = WINDOW) -> Trial:
    return evolve(trial(1, outcomes=()), outcomes=outcomes, fillers=fillers, steady=window)


@pytest.mark.parametrize("kind", [OutcomeList, Tabled])
def test_requests_of_a_pass_with_a_steady_window(kind: type[OutcomeList]) -> None:
    """Each request in its time, latencies of all and of those sent in the window, and the tokens within it.

    In the window 2 tokens of the first (of its 24 and 24.5 s), 3 of the second and 2 of the third: 4 in the first half
    and 3 in the second.
    """
    found = trial_figures(of(kind(PASS)))
    assert (found.counts.succeeded, found.counts.output_tokens) == (5, 13)
    assert found.in_flight_s == pytest.approx(4.5 + 4.0 + 2.0 + 1.5 + 1.75)
    assert found.latencies.gaps is False
    of_pass, within = found.latencies.latencies(), found.steady_latencies
    assert within is not None
    assert within.gaps is True
    of_window = within.latencies()
    assert of_pass.ttft_s is not None
    assert of_window.ttft_s is not None
    assert of_window.itl_s is not None
    assert (of_pass.ttft_s.n, of_pass.ttft_s.mean) == (5, pytest.approx((1.0 + 0.5 + 1.0 + 0.5 + 0.5) / 5))
    assert (of_window.ttft_s.n, of_window.ttft_s.mean) == (3, pytest.approx((0.5 + 1.0 + 0.5) / 3))
    assert (of_window.itl_s.n, of_window.itl_s.mean) == (4, pytest.approx((0.5 + 3.0 + 1.0 + 1.0) / 4))
    assert found.steady_requests == 3
    assert found.steady_tokens is not None
    assert tuple(found.steady_tokens.tokens) == (7.0, 7.0, 7.0)
    assert found.steady_tokens.half_tokens == (4.0, 3.0)
    assert found.steady_tokens.computed_prompt_tokens == 30
    assert found.slice_work is not None
    assert (found.slice_work.tokens, found.slice_work.computed) == ([4.0, 3.0], [10.0, 20.0])
    assert found.facts.answers == 5
    assert found.pace.tokens_per_event == 1.0


@pytest.mark.parametrize("kind", [OutcomeList, Tabled])
def test_a_pass_without_a_steady_window_has_the_gaps_of_all(kind: type[OutcomeList]) -> None:
    """And nothing of a window; a window without slices has tokens and no work of slices."""
    bare = trial_figures(of(kind(PASS), window=None))
    assert bare.latencies.gaps is True
    assert (bare.steady_latencies, bare.steady_requests, bare.steady_tokens, bare.slice_work) == (None, 0, None, None)
    whole = trial_figures(of(kind(PASS), window=evolve(WINDOW, slices=None)))
    assert whole.slice_work is None
    assert whole.steady_tokens is not None
    assert whole.steady_tokens.tokens.best == 7.0


@pytest.mark.parametrize("kind", [OutcomeList, Tabled])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_one_request_that_hangs_on_the_pace_of_all_leaves_the_tokens_for_later(
    kind: type[OutcomeList], place: int
) -> None:
    """First, in the middle or last: an answer in one piece shows only its end. All else stays."""
    outcomes = [evolve(each, token_times_s=each.token_times_s[-1:]) if each.number == place else each for each in PASS]
    outcomes[place] = evolve(outcomes[place], output_tokens=3)
    found = trial_figures(of(kind(outcomes)))
    assert (found.steady_tokens, found.slice_work) == (None, None)
    assert found.steady_requests == 3
    assert found.counts.succeeded == 5


def test_failures_take_time_and_nothing_else() -> None:
    """Half a second of one, 2.5 s of another that began before the trial, and none of one that ended before it."""
    failures = [
        evolve(failure(5), sent_s=24.0, finished_s=24.5),
        evolve(failure(6), sent_s=19.0, finished_s=22.5),
        evolve(failure(7), sent_s=18.0, finished_s=19.5),
    ]
    found = trial_figures(of([*PASS, *failures]))
    assert found.in_flight_s == pytest.approx(13.75 + 0.5 + 2.5)
    assert (found.counts.failed, found.facts.answers, found.steady_requests) == (3, 5, 3)


def test_fillers_are_in_the_pace_the_time_and_the_window_only() -> None:
    """One that finished has 3 tokens in the window, in its second half; one that was cancelled repeats request 1.

    Of that one an event was seen at 27.5 s, and 13 + 3 tokens came in as many events: it had one token.
    """
    done = at(5, 25.5, 26.0, 26.5, 27.0, prompt_tokens=40)
    cancelled = evolve(at(6, 27.25, 27.5, prompt_tokens=0), finished_s=27.75, finish_reason="cancelled")
    lost: FailedCompletion = evolve(failure(7), sent_s=29.0, finished_s=29.5)
    found = trial_figures(of(PASS, [done, cancelled, lost]))
    assert found.in_flight_s == pytest.approx(13.75 + 1.5 + 0.5 + 0.5)
    assert (found.counts.succeeded, found.counts.failed, found.facts.answers) == (5, 0, 5)
    assert (found.latencies.latencies().ttft_s, found.steady_requests) == (
        trial_figures(of(PASS)).latencies.latencies().ttft_s,
        3,
    )
    seconds = 5.5 + 4.0 + 2.0 + 1.5 + 2.75 + 1.5
    assert found.pace.tokens_per_s == pytest.approx(16 / seconds)
    assert found.steady_tokens is not None
    assert found.steady_tokens.tokens.best == pytest.approx(7 + 3 + 1)
    assert found.steady_tokens.half_tokens == pytest.approx((4, 3 + 3 + 1))
    assert found.steady_tokens.computed_prompt_tokens == 30 + 40 + 10
    assert found.slice_work is not None
    assert found.slice_work.tokens == pytest.approx([4, 7])
    assert found.slice_work.computed == [10.0, 20.0 + 40.0 + 10.0]
    without = trial_figures(of(PASS, [done, cancelled], evolve(WINDOW, slices=None)))
    assert without.slice_work is None
    assert trial_figures(of(PASS, [done, cancelled], None)).steady_tokens is None
    assert without.steady_tokens is not None
    assert without.steady_tokens.tokens == found.steady_tokens.tokens


def test_figures_are_kept_by_all_that_they_are_of() -> None:
    """The same outcomes with other edges of the trial or of its window, or with other fillers, come to others."""
    whole = of(PASS)
    figures = trial_figures(whole)
    assert trial_figures(evolve(whole, number=5)) is figures
    assert trial_figures(evolve(whole, steady=evolve(WINDOW, measurement=measurement()))) is figures
    others = [
        evolve(whole, start_s=21.0),
        evolve(whole, stop_s=29.0),
        evolve(whole, fillers=[at(5, 25.5, 26.0)]),
        evolve(whole, steady=evolve(WINDOW, start_s=22.25)),
        evolve(whole, steady=evolve(WINDOW, stop_s=27.75)),
        evolve(whole, steady=None),
    ]
    kept: list[TrialFigures] = [trial_figures(other) for other in others]
    assert all(each != figures for each in kept)
    assert [round(each.in_flight_s, 9) for each in kept] == [12.75, 12.25, 14.25, 13.75, 13.75, 13.75]
    assert [each.steady_requests for each in kept] == [3, 3, 3, 2, 2, 0]


@pytest.mark.parametrize("kind", [OutcomeList, Tabled])
def test_parts_that_are_stored_are_walked_on_the_way(kind: type[OutcomeList]) -> None:
    """Nothing is walked again: what was made of the parts is what is asked for later."""
    whole = of(kind(PASS))
    assert sum(map(len, walked_parts(whole))) == 5
    first = trial_figures(whole)
    assert first == trial_figures(of(kind(PASS)))
    assert trial_figures(whole) is first
