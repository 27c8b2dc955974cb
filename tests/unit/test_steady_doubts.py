"""Doubts about a steady window that one condition alone decides, with their whole lines."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.steady_checks import steady_findings
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.completions import FailedCompletion, Outcome
from ai_energy_benchmarks.domain.power import Measurement, Reading
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding
from tests.factories import CPU, DRAM, completion, measurement, reading
from tests.unit.test_steady_checks import found, steady_pass
from tests.unit.test_steady_corrected_by_hand import costly
from tests.unit.test_steady_limits import judged, prompts

EVEN = ("PASS", "at least 64 s and 10 requests for each in flight, even")
LONG = ("PASS", "at least 64 s and 10 requests for each in flight")
NOT_COMPARED = (
    "INFO",
    "not checked: the energy or the tokens of its halves are not known, so they were not compared",
)
SECOND_HALF = "the second half of the steady window costs {} J per output token against the first in trial 1"


def with_halves(*halves: Measurement | None, whole: Measurement | None = None) -> Trial:
    """An even pass whose halves took this instead."""
    one = steady_pass()
    assert one.steady is not None
    of_window = whole or one.steady.measurement
    return evolve(one, steady=evolve(one.steady, measurement=of_window, first_half=halves[0], second_half=halves[1]))


def took(*readings: Reading) -> Measurement:
    return measurement(*readings, duration_s=32.0)


@pytest.mark.parametrize(
    ("first", "second", "shift"),
    [
        ([reading(energy_j=3000.0)], [reading(energy_j=3153.0)], "+5.1%"),
        ([reading(CPU, 3000.0)], [reading(CPU, 3153.0)], "+5.1%"),
        ([reading(DRAM, 3000.0)], [reading(DRAM, 2847.0)], "-5.1%"),
        # The first component that the window has is the one; a device that does not count has no part in it.
        ([reading(CPU, 100.0), reading(energy_j=3000.0)], [reading(CPU, 900.0), reading(energy_j=3153.0)], "+5.1%"),
        (
            [reading(counted=False), reading(CPU, 3000.0)],
            [reading(energy_j=900.0, counted=False), reading(CPU, 3153.0)],
            "+5.1%",
        ),
        # Devices add up.
        ([reading(energy_j=1000.0)] * 2, [reading(energy_j=400.0), reading(energy_j=1702.0)], "+5.1%"),
    ],
)
def test_the_halves_are_compared_by_the_first_component_that_was_seen(
    first: list[Reading], second: list[Reading], shift: str
) -> None:
    """GPU before CPU before memory."""
    lines = found(with_halves(took(*first), took(*second), whole=took(*first)))
    # 64 × (5.1 / 2)², in two digits rounded up.
    message = f"{SECOND_HALF.format(shift)}; fix: scenario.num_samples: 420 would do"
    assert [line for line in lines if "half" in line[1]] == [("WARN", message)]


@pytest.mark.parametrize(
    ("halves", "tokens", "lines"),
    [
        ((3000.0, 3000.0), (640.0, 640.0), [EVEN]),
        ((3000.0, 4000.0), (0.0, 640.0), [LONG, NOT_COMPARED]),
        ((3000.0, 4000.0), (640.0, 0.0), [LONG, NOT_COMPARED]),
        ((0.0, 4000.0), (640.0, 640.0), [LONG, NOT_COMPARED]),
        ((None, 4000.0), (640.0, 640.0), [LONG, NOT_COMPARED]),
        ((3000.0, None), (640.0, 640.0), [LONG, NOT_COMPARED]),
        # A second half that took nothing is one that costs nothing; tokens decide as energy does.
        ((3000.0, 0.0), (640.0, 640.0), None),
        ((3000.0, 3000.0), (500.0, 1000.0), None),
        ((3000.0, 6000.0), (500.0, 1000.0), [EVEN]),
    ],
)
def test_halves_need_energy_and_tokens(
    halves: tuple[float | None, float | None], tokens: tuple[float, float], lines: list[tuple[str, str]] | None
) -> None:
    """Where one lacks them nothing is compared, and the verdict says so."""
    parts = [None if energy_j is None else took(reading(energy_j=energy_j)) for energy_j in halves]
    settle = (
        ": its speed or its power changes, so that more samples will not help; fix: let it settle before the trials "
        "(protocol.warmup, protocol.thermal_gate), and let nothing else use it"
    )
    share = "-100.0%" if halves[1] == 0.0 else "-50.0%"
    seen = judged({"half_output_tokens": tokens}, trials=[with_halves(*parts)])
    assert seen == (lines or [("WARN", SECOND_HALF.format(share) + settle)])


def test_without_energy_of_the_window_its_halves_are_not_compared() -> None:
    """Though they have some."""
    one = steady_pass(halves_j=(3000.0, 4000.0))
    assert one.steady is not None
    bare = evolve(one, steady=evolve(one.steady, measurement=None))
    assert judged({}, trials=[bare], absent={}) == [LONG, NOT_COMPARED]


def test_one_trial_that_was_compared_is_enough() -> None:
    """To call the window even; none of them is not."""
    good, bare = steady_pass(), with_halves(None, None)
    assert found(good, evolve(bare, number=2)) == [EVEN]
    assert found(bare, evolve(good, number=2)) == [EVEN]
    assert found(bare, evolve(bare, number=2)) == [LONG, NOT_COMPARED]


def failed(number: int, reason: str) -> FailedCompletion:
    return FailedCompletion(number, reason, 0.0, 0.5)


def mixed(second_j: float, by: int) -> Trial:
    """Halves of 3,000 J and so many; every other answer is longer, and the next one shorter, by so many tokens."""
    one = steady_pass(halves_j=(3000.0, second_j))
    lengths = [evolve(done, output_tokens=20 + (by if done.number % 2 else -by)) for done in one.completions]
    return evolve(one, outcomes=lengths)


@pytest.mark.parametrize(
    ("second_j", "by", "samples"),
    [
        # Answers of 10 and 30 tokens explain 37.5 %: a hundred times the samples would do, and no more.
        (3599.0, 10, 6400),
        (3602.0, 10, None),
        (2401.0, 10, 6400),
        (2398.0, 10, None),
        # Answers of one length explain nothing: ten times the samples would do, and no more.
        (3189.0, 0, 640),
        (3192.0, 0, None),
        (2811.0, 0, 640),
        (2808.0, 0, None),
        # In between three deviations, each 2 / 8 of the 20 % by which answers of 16 and 24 tokens scatter.
        (3447.0, 4, 3600),
        (3453.0, 4, None),
        (2553.0, 4, 3600),
        (2547.0, 4, None),
    ],
)
def test_halves_that_no_number_of_samples_explains_differ_for_a_reason(
    second_j: float, by: int, samples: int | None
) -> None:
    """So many samples would do, in two digits rounded up, or something is to settle first."""
    ((level, message),) = found(mixed(second_j, by))
    assert level == "WARN"
    assert message.endswith(f"fix: scenario.num_samples: {samples} would do" if samples else "let nothing else use it")


def test_answers_that_failed_or_are_empty_explain_no_difference() -> None:
    """Of 128 requests 64 failed: those that did not scatter by 20 %, and the root is that of all."""
    one = mixed(3303.0, 4)
    half = evolve(one, outcomes=(*one.outcomes, *(failed(number, "gone") for number in range(64, 128))))
    assert found(one)[0][1].endswith("scenario.num_samples: 1700 would do")
    # Three times 2 / √128 of 20 % are 10.6 %.
    assert found(half)[0][1].endswith("scenario.num_samples: 3300 would do")
    more = evolve(half, steady=mixed(3330.0, 4).steady)
    assert found(more)[0][1].endswith("let nothing else use it")
    # One of 64 answers that is empty leaves the others' lengths what they are.
    first, *others = one.completions
    short = evolve(one, outcomes=(evolve(first, output_tokens=0, token_times_s=array("d")), *others))
    lines = judged({"half_output_tokens": (500.0, 500.0)}, trials=[short])
    assert [message.endswith("would do") for level, message in lines if "half" in message] == [True]
    empty = [evolve(done, output_tokens=0, token_times_s=array("d")) for done in one.completions]
    lines = judged({"half_output_tokens": (500.0, 500.0)}, trials=[evolve(one, outcomes=empty)])
    assert [message.endswith("let nothing else use it") for level, message in lines if level == "WARN"] == [True]


@pytest.mark.parametrize(
    ("seconds", "p95_s", "limits", "samples"),
    [
        # 64 requests in 64 s: of 21.4 s three times are 64.2 s, and 65 requests would do.
        (64.0, 21.3, None, 0),
        (64.0, 21.4, "60 s or 3 × the p95 of E2E (21.4 s)", 65),
        (64.0, 64.0 / 3, None, 0),
        (60.0, 2.0, None, 0),
        (59.9, 2.0, "60 s or 3 × the p95 of E2E (2 s)", 65),
        (12.0, 2.0, "60 s or 3 × the p95 of E2E (2 s)", 320),
        (12.0, 123.456, "60 s or 3 × the p95 of E2E (123 s)", 2000),
    ],
)
def test_the_window_is_a_minute_long_and_three_answers(
    seconds: float, p95_s: float, limits: str | None, samples: int
) -> None:
    """Whichever is longer; so many times the requests would do, in two digits rounded up."""
    one = steady_pass()
    assert one.steady is not None
    short = evolve(one, steady=evolve(one.steady, start_s=0.0, stop_s=seconds, first_half=None))
    summary = summarise([short], [])
    assert summary.e2e_s is not None
    summary = evolve(summary, e2e_s=evolve(summary.e2e_s, p95=p95_s))
    (line,) = [each.message for each in steady_findings([short], summary) if each.level in ("PASS", "WARN")]
    message = (
        f"the steady window is {seconds:.1f} s long, less than {limits}; fix: scenario.num_samples: {samples} would do"
    )
    assert line == (message if limits else f"at least {seconds:.0f} s and 10 requests for each in flight")


def test_prefill_is_not_compared_with_a_pass_that_made_no_tokens() -> None:
    """Of whose prompts there is no share for each."""
    one = steady_pass()
    outcomes = [evolve(done, output_tokens=0, token_times_s=array("d")) for done in one.completions]
    assert judged(prompts(0.9), trials=[evolve(one, outcomes=outcomes)]) == [EVEN]


def test_a_context_whose_cost_is_known_is_no_doubt() -> None:
    """A seventh more of it in the window than in the pass is one only where slices do not show what it costs."""
    trial = costly()
    assert trial.steady is not None
    for one, count in ((trial, 0), (evolve(trial, steady=evolve(trial.steady, slices=None)), 1)):
        messages = [each.message for each in steady_findings([one], summarise([one], []))]
        assert sum("+15.1% tokens of context" in message for message in messages) == count


def test_a_meter_that_is_lost_within_the_window_is_a_line_of_its_component() -> None:
    """For whoever reads the verdict by component."""
    one = steady_pass()
    summary = summarise([one], [])
    assert summary.steady is not None
    lost = evolve(summary, steady=evolve(summary.steady, absent={"gpu": "too slow", "cpu": "no meter"}))
    warned = [each for each in steady_findings([one], lost) if each.level == "WARN"]
    assert warned == [Finding("WARN", "steady state", "no GPU energy in the steady window: too slow", "gpu")]


MANY: list[Outcome] = [completion(number) for number in range(900)]


@pytest.mark.parametrize(
    ("fillers", "level", "text"),
    [
        # One of a hundred requests is 1 %, one of 99 is more.
        ([[failed(99, "gone")] + [completion(n) for n in range(35)]], "INFO", "1 of 36 filler requests"),
        ([[failed(99, "gone")] + [completion(n) for n in range(34)]], "WARN", "1 of 35 filler requests"),
        # Trials count together, and the last one's last reason is given.
        (
            [[failed(99, "early"), completion(1)], [completion(2), failed(9, "gone"), completion(3)]],
            "WARN",
            "2 of 5 filler requests",
        ),
        ([[failed(n, "gone") for n in range(9)], MANY], "INFO", "9 of 909 filler requests"),
        ([[failed(n, "gone") for n in range(10)], MANY], "WARN", "10 of 910 filler requests"),
        ([MANY * 2, [failed(n, "gone") for n in range(11)]], "WARN", "11 of 1811 filler requests"),
    ],
)
def test_the_whole_line_on_fillers_that_failed(fillers: list[list[Outcome]], level: str, text: str) -> None:
    """Ten of them, or more than 1 % of all requests."""
    trials = [evolve(steady_pass(fillers=tuple(own)), number=number) for number, own in enumerate(fillers, start=1)]
    message = f"{text} failed, so that the load was not kept up to the end of each pass; the last because: gone"
    assert found(*trials, check="filler requests") == [(level, message)]
