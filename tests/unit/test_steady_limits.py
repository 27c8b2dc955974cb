"""What the verdict says of a steady window at each of its limits, from figures that are set by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.steady_checks import steady_findings
from ai_energy_benchmarks.analysis.steady_mix import shift
from ai_energy_benchmarks.analysis.steady_slices import Mix, Slice
from ai_energy_benchmarks.analysis.steady_summary import why_no_steady_state
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.summary import Summary
from tests.factories import failure
from tests.unit.test_steady_checks import steady_pass


def judged(*figures: dict[str, object], trials: Sequence[Trial] = (), **steady: object) -> list[tuple[str, str]]:
    """Levels and messages on the steady state of passes of 64 requests whose steady figures are these.

    In the pass ten prompt tokens come with each answer of twenty, so that half a prompt token comes with each.
    """
    passes = list(trials) or [evolve(steady_pass(), number=number) for number in range(1, len(figures) + 1)]
    summary = summarise(passes, [])
    assert summary.steady is not None
    of_trials = tuple(
        evolve(of_trial, **given)  # type: ignore[arg-type] # under test
        for of_trial, given in zip(summary.steady.trials, figures, strict=True)
    )
    state = evolve(summary.steady, trials=of_trials, mix=None, **steady)  # type: ignore[arg-type] # under test
    findings = steady_findings(passes, evolve(summary, steady=state))
    return [(finding.level, finding.message) for finding in findings if finding.check == "steady state"]


def prompts(per_token: float) -> dict[str, object]:
    """A window of 1,000 tokens with so many computed prompt tokens for each."""
    tokens = Bounds.exact(1000.0)
    return {"bounds_tokens": tokens, "half_output_tokens": (500.0, 500.0), "computed_prompt_tokens": 1000 * per_token}


def context(window: float | None, of_pass: float | None) -> dict[str, object]:
    """A window whose tokens follow so many others, of a pass where they follow so many."""
    return {**prompts(0.5), "context_tokens": window, "pass_context_tokens": of_pass}


@pytest.mark.parametrize(
    ("per_token", "shift_text", "enough"),
    [(0.5, None, 0), (0.5249, None, 0), (0.4751, None, 0), (0.53, "+6.0%", 77), (0.45, "-10.0%", 130),
     (0.0, "-100.0%", 1300)],
)  # fmt: skip
def test_a_window_may_hold_five_percent_more_or_less_prefill(
    per_token: float, shift_text: str | None, enough: int
) -> None:
    """Of 64 requests 64 × shift / 5 % would do, in two digits rounded up."""
    ((level, message),) = judged(prompts(per_token))
    if shift_text is None:
        assert level == "PASS"
        return
    expected = f"the steady window has {shift_text} computed prompt tokens per output token against the pass in trial 1"
    assert (level, message) == ("WARN", f"{expected}; fix: scenario.num_samples: {enough} would do")


@pytest.mark.parametrize(
    ("first", "second", "number"), [(0.45, 0.54, 1), (0.46, 0.55, 2), (0.54, 0.45, 2), (0.5, 0.56, 2)]
)
def test_the_trial_with_the_largest_shift_of_prefill_is_named(first: float, second: float, number: int) -> None:
    """Upwards or downwards."""
    ((level, message),) = judged(prompts(first), prompts(second))
    assert (level, f"in trial {number};" in message) == ("WARN", True)


def test_prefill_is_not_compared_where_a_part_of_it_is_missing() -> None:
    """Tokens of the window, of the pass, or prompts that were computed at all: all came from a cache."""
    assert judged({**prompts(0.9), "bounds_tokens": Bounds.exact(0.0)})[0][0] == "PASS"
    for fields in ({"cached_prompt_tokens": 10}, {"prompt_tokens": 0}):
        cached = steady_pass()
        outcomes = [evolve(done, **fields) for done in cached.completions]  # type: ignore[arg-type] # under test
        assert judged(prompts(0.9), trials=[evolve(cached, outcomes=outcomes)])[0][0] == "PASS"
    # Five of ten from a cache: a quarter of a computed token for each output token.
    half = steady_pass()
    outcomes = [evolve(done, cached_prompt_tokens=5) for done in half.completions]
    assert judged(prompts(0.25), trials=[evolve(half, outcomes=outcomes)])[0][0] == "PASS"
    ((_, message),) = judged(prompts(0.5), trials=[evolve(half, outcomes=outcomes)])
    assert "+100.0%" in message
    # An answer that does not tell what was cached had nothing from a cache.
    ((_, message),) = judged(prompts(0.7))
    assert "+40.0%" in message


@pytest.mark.parametrize(
    ("window", "of_pass", "shift_text", "enough"),
    [(104.9, 100.0, None, 0), (95.1, 100.0, None, 0), (112.0, 100.0, "+12.0%", 160), (80.0, 100.0, "-20.0%", 260),
     (None, 100.0, None, 0), (120.0, None, None, 0), (120.0, 0.0, None, 0)],
)  # fmt: skip
def test_tokens_may_follow_five_percent_more_or_less_context(
    window: float | None, of_pass: float | None, shift_text: str | None, enough: int
) -> None:
    """Young requests read less than those of a steady state; where a side is not known nothing is compared."""
    ((level, message),) = judged(context(window, of_pass))
    if shift_text is None:
        assert level == "PASS"
        return
    expected = (
        f"the output tokens of the steady window follow {shift_text} tokens of context against the pass in trial 1"
    )
    assert message == f"{expected}: a few long answers; fix: scenario.num_samples: {enough} would do"


@pytest.mark.parametrize(("first", "second", "number"), [(80.0, 110.0, 1), (90.0, 120.0, 2), (110.0, 80.0, 2)])
def test_the_trial_with_the_largest_shift_of_context_is_named(first: float, second: float, number: int) -> None:
    """Upwards or downwards."""
    ((level, message),) = judged(context(first, 100.0), context(second, 100.0))
    assert (level, f"in trial {number}: a few long answers" in message) == ("WARN", True)


def test_all_that_more_samples_mend_is_one_line() -> None:
    """With the largest number of them; what changes on its own, however many there are, has a line of its own."""
    uneven = steady_pass(halves_j=(2000.0, 4000.0))
    settle, mended = sorted(judged(context(112.0, 100.0), trials=[uneven]), key=lambda line: "would do" in line[1])
    assert "costs +100.0% J per output token" in settle[1]
    assert "more samples will not help" in settle[1]
    assert mended[1].endswith("a few long answers; fix: scenario.num_samples: 160 would do")
    assert "costs" not in mended[1]
    ((_, both),) = judged({**context(112.0, 100.0), "computed_prompt_tokens": 450.0})
    assert both.count("; ") == 2
    assert both.endswith("scenario.num_samples: 160 would do")
    ((_, both),) = judged({**context(112.0, 100.0), "computed_prompt_tokens": 300.0})
    assert both.endswith("scenario.num_samples: 520 would do")
    ((level, _),) = judged(context(100.0, 100.0), trials=[uneven])
    assert level == "WARN"


def test_the_shortest_window_and_the_fewest_requests_are_judged() -> None:
    """Whichever trial has them."""
    for order in ((1, 2), (2, 1)):
        short = evolve(steady_pass(50), number=order[0])
        long = evolve(steady_pass(), number=order[1])
        chosen = [short, long] if order[0] == 1 else [long, short]
        ((_, message),) = judged(prompts(0.5), prompts(0.5), trials=chosen)
        assert "the steady window is 50.0 s long" in message
    few, many = evolve(steady_pass(18, times=4), number=1), evolve(steady_pass(30, times=4), number=2)
    for chosen in ([few, many], [many, few]):
        lines = judged(prompts(0.125), prompts(0.125), trials=chosen)
        assert "18 requests are fewer than 10 × the 2 in flight" in lines[0][1]


def test_what_the_steady_state_lacks_is_in_the_verdict() -> None:
    """Its tokens fail; a meter of which the energy of a part is not known warns, if that meter counts in the pass."""
    lines = judged(prompts(0.5), tokens_absent="answers in one piece", absent={"gpu": "too slow", "cpu": "no meter"})
    assert ("FAIL", "no steady figure per token: answers in one piece") in lines
    assert ("WARN", "no GPU energy in the steady window: too slow") in lines
    assert not any("CPU" in message for _, message in lines)


def test_without_a_steady_state_the_reason_is_given() -> None:
    """A failure where a load was kept up in any trial, a warning where none was; nothing with one request in flight."""
    passes = [evolve(steady_pass(), number=number, steady=None) for number in (1, 2)]
    summary = evolve(summarise(passes, []), steady=None, steady_absent="")

    def lines(trials: Sequence[Trial], of: Summary) -> list[tuple[str, str]]:
        return [(finding.level, finding.message) for finding in steady_findings(trials, of)]

    assert lines(passes, summary) == []
    absent = evolve(summary, steady_absent="no window")
    assert lines(passes, absent) == [("WARN", "no steady figure: no window")]
    for reasons in (("", "no window"), ("no window", ""), ("no window", "no window")):
        tried = [evolve(one, steady_absent=reason) for one, reason in zip(passes, reasons, strict=True)]
        assert lines(tried, absent) == [("FAIL", "no steady figure: no window")]
    cut = [evolve(one, complete=False, steady_absent="cut") for one in passes]
    cut_short = evolve(summary, steady_absent="cut")
    assert lines(cut, cut_short) == [("FAIL", "no steady figure: cut; fix: run it again to its end")]
    assert lines([cut[0], evolve(cut[1], complete=True)], cut_short) == [("FAIL", "no steady figure: cut")]


def test_the_reason_is_that_of_the_first_trial_that_has_one() -> None:
    """One trial with a steady state does not speak for the others; with one in each there is no reason."""
    good = steady_pass()
    assert good.steady is not None
    without = evolve(good, number=2, steady=None, steady_absent="too short")
    assert why_no_steady_state([good, without]) == "trial 2: too short"
    assert why_no_steady_state([good, evolve(good, number=2)]) == ""
    assert why_no_steady_state([]) == ""


def test_fillers_that_fail_are_reported_without_a_steady_state_too() -> None:
    """They keep no load up; failed requests of the pass are no fillers."""
    one = evolve(steady_pass(fillers=(failure(64, "gone"),)), steady=None)
    (finding, *_) = steady_findings([one], evolve(summarise([one], []), steady=None, steady_absent=""))
    assert finding.check == "filler requests"
    assert finding.message.startswith("1 of 1 filler requests failed, so that the load was not kept up")
    one = evolve(one, fillers=())
    assert list(steady_findings([one], evolve(summarise([one], []), steady=None, steady_absent=""))) == []


def test_only_trials_that_the_steady_state_is_over_are_judged() -> None:
    """Another one, without a window, is no part of it."""
    with_window, without = steady_pass(), evolve(steady_pass(), number=2, steady=None)
    summary = summarise([with_window], [])
    findings = list(steady_findings([with_window, without], summary))
    assert [finding.level for finding in findings if finding.check == "steady state"] == ["PASS"]


def test_the_latency_of_the_pass_stands_for_that_of_the_window() -> None:
    """Three times the 95th percentile are required; where latencies of the window are withheld, of the pass's."""
    one = steady_pass()
    summary = summarise([one], [])
    assert summary.e2e_s is not None
    for of, level in (
        (evolve(summary, e2e_s=None, pass_e2e_s=30.0), "WARN"),
        (evolve(summary, e2e_s=None, pass_e2e_s=21.0), "PASS"),
        (evolve(summary, e2e_s=None, pass_e2e_s=None), "PASS"),
        (evolve(summary, e2e_s=evolve(summary.e2e_s, p95=30.0)), "WARN"),
        (evolve(summary, e2e_s=evolve(summary.e2e_s, p95=2.0), pass_e2e_s=30.0), "PASS"),
    ):
        assert [each.level for each in steady_findings([one], of) if each.check == "steady state"] == [level]


def test_fewer_slices_than_parts_of_the_jackknife_show_nothing() -> None:
    """Without each of eight parts in turn something must be left, and their scatter must mean something."""
    slices = [Slice(10.0, 100.0, Mix(100.0 + number, 0.5)) for number in range(8)]
    amounts = [1000.0 + 10 * number for number in range(8)]
    steady = Mix(103.5, 0.5)
    assert shift(slices, amounts, steady) is not None
    assert shift(slices[:7], amounts[:7], steady) is None
    assert shift(slices[:1], amounts[:1], Mix(100.0, 0.5)) is None
