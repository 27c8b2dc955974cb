"""The steady state of two trials by hand: when its window opens, what was in flight, its tokens and its energy."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.steady import in_flight_mean, in_window, steady_span, steady_trial
from ai_energy_benchmarks.analysis.steady_summary import steady_state, why_no_steady_state
from ai_energy_benchmarks.analysis.tokens import count
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import FailedCompletion, Outcome
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyState, SteadyTrial
from tests.factories import CPU, completion, measurement, reading, step
from tests.unit.test_tokens_of_windows import answer


def energy(start_s: float, stop_s: float, gpu_j: float, cpu_j: float | None) -> Measurement:
    """What a GPU and perhaps a CPU took."""
    of_cpu = () if cpu_j is None else (reading(CPU, cpu_j, 1.0, meter="rapl"),)
    return measurement(reading(energy_j=gpu_j, half_width_j=3.3), *of_cpu, start_s=start_s, duration_s=stop_s - start_s)


def failed(number: int, sent_s: float) -> FailedCompletion:
    return FailedCompletion(number, "gone", sent_s, sent_s + 0.5)


FIRST = Trial(
    1, 8.0, 22.0, energy(8.0, 22.0, 400.0, 90.0),
    (answer(8.0, 9.0, 12.0, 15.0, 18.0), answer(11.0, 12.0, 14.0, 16.0, tokens=6, cached=7, number=1), failed(2, 11.0)),
    fillers=(answer(12.0, 13.0, 19.0, prompt=20, number=3), failed(4, 13.0)),
    steady=SteadyWindow(10.0, 20.0, 2, energy(10.0, 20.0, 220.0, 55.0)),
)  # fmt: skip
SECOND = Trial(
    2, 28.0, 44.0, energy(28.0, 44.0, 500.0, 80.0),
    (
        answer(29.0, 31.0, 33.0, 36.5, prompt=16), answer(32.0, 33.0, 34.0, 35.0, 36.0, 37.0, number=1),
        answer(33.0, 34.0, 41.0, number=2),
    ),
    fillers=(answer(38.0, 39.0, 41.5, prompt=4, number=3),),
    steady=SteadyWindow(30.0, 42.0, 2, energy(30.0, 42.0, 300.0, 48.0)),
)  # fmt: skip
TRIALS = (FIRST, SECOND)
# Of the first: three of the first answer, all six of the second, two of the filler; after 11 to 13, 10 to 15 and 20 to
# 21 others. Of the second: three, five, two, and two of its filler.
FIRST_TRIAL = SteadyTrial(1, 10.0, Bounds.exact(11), (7, 4), 3 + 20, (3 * 12.5 + 6 * 13 + 2 * 21) / 11, 12.6)
SECOND_TRIAL = SteadyTrial(
    2, 12.0, Bounds.exact(12), (7, 5), 16 + 10 + 10 + 4, (3 * 17.5 + 5 * 12.5 + 2 * 11 + 2 * 5) / 12,
    (3 * 17.5 + 5 * 12.5 + 2 * 11) / 10,
)  # fmt: skip


def state(
    *trials: Trial, required: Sequence[Component] = (), doubt: str | None = None, idle_j: float = 20.0
) -> SteadyState | None:
    """Over these, after a rest of ten seconds in which the GPU took so much."""
    rests = [step("resident idle", reading(energy_j=idle_j))]
    return steady_state(trials, [count(trial.outcomes) for trial in trials], rests, required, doubt)


@pytest.mark.parametrize(("trial", "figures"), list(zip(TRIALS, (FIRST_TRIAL, SECOND_TRIAL), strict=True)))
def test_the_tokens_of_a_window(trial: Trial, figures: SteadyTrial) -> None:
    """Those of its fillers too; also of a window that is not the trial's own."""
    assert trial.steady is not None
    assert steady_trial(trial, trial.steady) == figures
    assert steady_trial(evolve(trial, steady=None), trial.steady) == figures
    other = evolve(trial, steady=evolve(trial.steady, start_s=trial.steady.start_s + 5.5))
    assert steady_trial(other, trial.steady) == figures


def test_tokens_whose_pace_others_show() -> None:
    """A cancelled filler with one event has two tokens, as two events of the second answer have four."""
    cut = answer(12.0, 13.0, finished_s=20.0, tokens=0, prompt=0, number=4, cancelled=True)
    trial = evolve(FIRST, outcomes=FIRST.outcomes[1:2], fillers=(cut, failed(5, 13.0)))
    assert trial.steady is not None
    figures = steady_trial(trial, trial.steady)
    assert (figures.output_tokens, figures.half_output_tokens, figures.number) == (6 + 2, (4 + 2, 2), 1)
    assert steady_trial(evolve(trial, steady=None), trial.steady) == figures


def test_a_pass_without_tokens_has_no_context() -> None:
    """Its requests failed, so that the window has none either."""
    trial = evolve(FIRST, outcomes=(failed(0, 9.0), failed(1, 11.0)), fillers=())
    assert trial.steady is not None
    assert steady_trial(trial, trial.steady) == SteadyTrial(1, 10.0, Bounds.exact(0), (0, 0), 0, None, None)


def test_the_steady_state_of_two_trials() -> None:
    """Means over trials, and each trial's energy over its own tokens."""
    found = state(*TRIALS)
    assert found is not None
    gpu, cpu = found.components
    assert found.total is not None
    plain = evolve(found, components=(), total=None)
    assert plain == SteadyState(
        trials=(FIRST_TRIAL, SECOND_TRIAL),
        concurrency=2,
        duration_s=11.0,
        output_tokens=11.5,
        output_tokens_per_s=11.5 / 11.0,
        components=(),
        absent={"dram": "no meter saw it in trial 1"},
        total=None,
        tokens_absent="",
        request_output_tokens=20 / 5,
        latency_requests=(1 + 2) / 2,
        left_out_requests=(2 + 3) / 2 - (1 + 2) / 2,
        filler_requests=(2 + 1) / 2,
        mix=None,
    )
    for energy, name, bounds_j, per_token_j in (
        (gpu, "gpu", Bounds(256.7, 260.0, 263.3), (220 / 11 + 300 / 12) / 2),
        (cpu, "cpu", Bounds(50.5, 51.5, 52.5), (55 / 11 + 48 / 12) / 2),
        (found.total, "total", Bounds(307.2, 311.5, 315.8), (275 / 11 + 348 / 12) / 2),
    ):
        assert (energy.component, energy.provenance, energy.resolved) == (name, "measured", True)
        assert list(energy.bounds_j) == pytest.approx(list(bounds_j))
        assert energy.per_output_token_j is not None
        assert energy.per_output_token_j.mean == pytest.approx(per_token_j)
        assert energy.per_output_token_window_j is None
    assert gpu.per_output_token_bounds_j is not None
    assert gpu.per_output_token_bounds_j.low == pytest.approx((216.7 / 11 + 296.7 / 12) / 2)
    # Two watts at rest, for eleven seconds.
    assert (gpu.idle_power_w, gpu.net_energy_j) == (2.0, 260.0 - 2.0 * 11.0)


def test_tokens_in_doubt_leave_the_energy_without_a_figure_per_token() -> None:
    """With the reason; the energy of the window is known all the same."""
    found = state(*TRIALS, doubt="counted twice")
    assert found is not None
    assert found.total is not None
    assert found.tokens_absent == "counted twice"
    assert [each.per_output_token_j for each in (*found.components, found.total)] == [None, None, None]
    assert [each.energy_j for each in (*found.components, found.total)] == [260.0, 51.5, 311.5]
    assert found.output_tokens_per_s == 11.5 / 11.0


def test_a_component_of_one_trial_is_absent() -> None:
    """It is no part of the total, unless it is required: then there is no total."""
    assert SECOND.steady is not None
    bare = evolve(SECOND, steady=evolve(SECOND.steady, measurement=energy(30.0, 42.0, 300.0, None)))
    found, required = state(FIRST, bare), state(FIRST, bare, required=("cpu",))
    assert found is not None
    assert required is not None
    assert found.total is not None
    reasons = {"cpu": "no meter saw it in trial 2", "dram": "no meter saw it in trial 1"}
    assert (found.absent, required.absent) == (reasons, reasons)
    assert [each.component for each in found.components] == [each.component for each in required.components] == ["gpu"]
    assert (found.total.energy_j, required.total) == (260.0, None)
    unmeasured = [evolve(trial, steady=evolve(trial.steady, measurement=None)) for trial in TRIALS if trial.steady]
    nothing = state(*unmeasured)
    assert nothing is not None
    assert (nothing.components, nothing.total, nothing.output_tokens) == ((), None, 11.5)
    assert nothing.absent == dict.fromkeys(("gpu", "cpu", "dram"), "nothing was measured")


def test_every_trial_needs_a_window() -> None:
    """Of one, none, or no trials there is no steady state; of failed requests alone there is one without a figure."""
    assert state() is None
    for without in (
        (evolve(FIRST, steady=None),),
        (FIRST, evolve(SECOND, steady=None)),
        (evolve(FIRST, steady=None), SECOND),
    ):
        assert state(*without) is None
    one = state(FIRST)
    assert one is not None
    assert (one.output_tokens, one.request_output_tokens, one.left_out_requests) == (11, 5.0, 1)
    nothing = state(evolve(FIRST, outcomes=(failed(0, 9.0), failed(1, 11.0)), fillers=()))
    assert nothing is not None
    assert (nothing.request_output_tokens, nothing.output_tokens_per_s, nothing.left_out_requests) == (0.0, 0.0, 0)
    assert [each.per_output_token_j for each in nothing.components] == [None, None]


@pytest.mark.parametrize(
    ("inside", "across", "share"),
    [
        # Half of four tokens lie inside, or none, or all: two of 100 are 2 %, two of 99 are more.
        (98, (5.0, 15.0, 4), None),
        (97, (5.0, 15.0, 4), "2.0%"),
        # Nine of ten lie inside, or none: nine of 449 are more than 2 %, of 450 they are not.
        (441, (9.0, 19.0, 10), None),
        (440, (9.0, 19.0, 10), "2.0%"),
        # One of ten lies inside, or all: nine more of 449 are too many.
        (449, (19.0, 29.0, 10), None),
        (448, (19.0, 29.0, 10), "2.0%"),
        (30, (15.0, 25.0, 30), "33.3%"),
    ],
)
def test_tokens_may_be_uncertain_by_two_percent(
    inside: int, across: tuple[float, float, int], share: str | None
) -> None:
    """On either side; the reason names the trial and the share."""
    sent_s, finished_s, tokens = across
    pieces = (answer(11.0, 12.0, tokens=inside), answer(sent_s, finished_s, tokens=tokens, number=1))
    for trials in ((evolve(FIRST, outcomes=pieces, fillers=()),), (SECOND, evolve(FIRST, outcomes=pieces, fillers=()))):
        found = state(*trials)
        assert found is not None
        reason = (
            f"trial 1: answers without token events leave {share} of the tokens of the steady window uncertain, more "
            "than 2%; raise scenario.num_samples, or have the server stream"
        )
        assert found.tokens_absent == (reason if share else "")
        assert (found.components[0].per_output_token_j is None) is (share is not None)


def test_why_there_is_no_steady_state() -> None:
    """The first reason that a trial has, or the version that measured it; none with one request in flight."""
    old = "the version of this package that measured it did not keep the load up until the end of a pass: its figures "
    old += "are those of the whole pass, with ramp and drain"
    without = [evolve(trial, steady=None) for trial in TRIALS]
    loaded = [evolve(trial, client=ClientLoad(2, 1.0, None)) for trial in without]
    alone = [evolve(trial, client=ClientLoad(1, 1.0, None)) for trial in without]
    too_short = [evolve(trial, steady_absent=f"{trial.number} s") for trial in without]
    for trials, why in (
        ([], ""), (TRIALS, ""), (without, ""), (alone, ""), (loaded, old), ([alone[0], loaded[1]], old),
        ([without[0], loaded[1]], old), (too_short, "trial 1: 1 s"), ([FIRST, too_short[1]], "trial 2: 2 s"),
        ([loaded[0], too_short[1]], "trial 2: 2 s"), ([FIRST, without[1]], ""),
        ([evolve(FIRST, client=ClientLoad(2, 1.0, None))], ""), ([FIRST, loaded[1]], old),
    ):  # fmt: skip
        assert why_no_steady_state(trials) == why


@pytest.mark.parametrize(
    ("outcomes", "concurrency", "span"),
    [
        ([answer(0.0, 1.0, 9.0), answer(0.5, 3.0, 4.0), answer(5.0, 8.0, 11.0)], 2, (3.0, 11.0)),
        ([answer(0.0, 1.0, 9.0), answer(0.5, 3.0, 4.0), answer(5.0, 8.0, 11.0)], 1, (1.0, 11.0)),
        ([answer(0.0, 1.0, 9.0), failed(1, 0.5), answer(5.0, 8.0, 11.0)], 2, (1.0, 11.0)),
        ([answer(0.0, 1.0, 9.0), answer(5.0, 8.0, 8.5)], 2, (8.0, 9.0)),
        ([answer(0.0, 1.0, 9.0), answer(5.0, 8.0)], 1, (1.0, 9.0)),
        ([answer(0.0, 9.0), answer(5.0, 8.0)], 2, None),
        ([answer(0.0, 9.0)], 1, None),
        ([answer(0.0, 8.5, 9.0)], 1, (8.5, 9.0)),
    ],
)
def test_when_the_window_opens_and_closes(
    outcomes: Sequence[Outcome], concurrency: int, span: tuple[float, float] | None
) -> None:
    """At the latest first token of the first ones, and at the end of the last; else the reason names what helps."""
    never = (
        "when each of the first requests had its first token, the last one of the pass had ended; set "
        "scenario.num_samples to at least ten times load.concurrency"
    )
    assert steady_span(outcomes, concurrency) == (span or never)
    few = (
        f"the pass has {len(outcomes)} requests, fewer than the {len(outcomes) + 1} of load.concurrency, so that many "
        "were never in flight; set scenario.num_samples to at least ten times load.concurrency"
    )
    assert steady_span(outcomes, len(outcomes) + 1) == few


def test_the_mean_number_of_requests_in_flight() -> None:
    """Each for as long as it lies in the window: 10, 5 and 0.5 s of the pass, 7 and 0.5 s of fillers, in 14 s."""
    assert in_flight_mean(FIRST) == pytest.approx((10 + 5 + 0.5 + 7 + 0.5) / 14)
    # From 11.2 s to 14.2 s: 3 s, 3 s, 0.3 s, 2.2 s and 0.5 s.
    part = evolve(FIRST, start_s=11.2, stop_s=14.2, outcomes=(), fillers=())
    assert in_flight_mean(FIRST, part) == pytest.approx((3 + 3 + 0.3 + 2.2 + 0.5) / 3)
    late = evolve(FIRST, start_s=16.5, stop_s=17.0, outcomes=(), fillers=())
    assert in_flight_mean(FIRST, late) == pytest.approx(2.0)
    for nothing in (evolve(FIRST, stop_s=8.0), evolve(FIRST, stop_s=7.0)):
        assert in_flight_mean(nothing) == 0.0
        assert in_flight_mean(FIRST, nothing) == 0.0
    half = evolve(FIRST, stop_s=8.5)
    assert in_flight_mean(half) == in_flight_mean(FIRST, half) == 1.0


@pytest.mark.parametrize(("sent_s", "within"), [(9.9, False), (10.0, True), (15.0, True), (20.0, True), (20.1, False)])
def test_a_request_belongs_to_the_window_in_which_it_was_sent(sent_s: float, within: bool) -> None:
    """Both edges are part of it."""
    assert in_window(completion(sent_s=sent_s), SteadyWindow(10.0, 20.0, 2)) is within
