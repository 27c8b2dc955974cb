"""What the verdict says of a steady window: by hand, two requests in flight whose answers take two seconds each."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.energy_checks import energy_findings
from ai_energy_benchmarks.analysis.footprint import footprint
from ai_energy_benchmarks.analysis.steady_checks import steady_findings
from ai_energy_benchmarks.analysis.steady_slices import slice_energies, work_slices
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.result import Carbon, Tariff, Trial
from ai_energy_benchmarks.domain.steady import SliceEnergies, Slices, SteadyWindow
from tests.factories import GPU, completion, failure, measurement, reading, result, trial


def window_of(start_s: float, stop_s: float, energy_j: float) -> Measurement:
    """The energy of a part of the pass, exactly."""
    return measurement(reading(energy_j=energy_j, half_width_j=0), start_s=start_s, duration_s=stop_s - start_s)


def steady_pass(
    requests: int = 64,
    halves_j: tuple[float, float] = (3000.0, 3000.0),
    fillers: tuple[Outcome, ...] = (),
    *,
    times: int = 1,
) -> Trial:
    """A pass of two slots: each request has twenty tokens, the first after 0.1 s and the last after 2 s; or more."""
    outcomes = [
        completion(n, sent_s=2.0 * times * (n // 2), output_tokens=20 * times, step_s=0.1) for n in range(requests)
    ]
    # Half a step before the first tokens and after the last ones, so that no token lies on an edge.
    start_s, stop_s = 0.05, times * requests + 0.05
    middle_s = (start_s + stop_s) / 2
    window = SteadyWindow(
        start_s,
        stop_s,
        2,
        window_of(start_s, stop_s, sum(halves_j)),
        window_of(start_s, middle_s, halves_j[0]),
        window_of(middle_s, stop_s, halves_j[1]),
    )
    whole = trial(1, outcomes=outcomes, duration_s=times * requests + 1.0)
    seen = window_of(0.0, times * requests + 1.0, sum(halves_j))
    return evolve(whole, start_s=0.0, stop_s=times * requests + 1.0, measurement=seen, steady=window, fillers=fillers)


def found(*trials: Trial, check: str = "steady state") -> list[tuple[str, str]]:
    """Levels and messages of one check."""
    findings = steady_findings(trials, summarise(trials, []))
    return [(each.level, each.message) for each in findings if each.check == check]


def test_an_even_window_passes_with_its_length() -> None:
    """The shortest of the trials is named."""
    expected = [("PASS", "at least 64 s and 10 requests for each in flight, even")]
    assert found(steady_pass(), evolve(steady_pass(70), number=2)) == expected
    assert found(evolve(steady_pass(70), number=1), evolve(steady_pass(), number=2)) == expected


def test_the_energy_of_the_window_is_judged_by_its_bounds_too() -> None:
    """That of the pass may be resolved where that of the window is not: ±25 % of 6,000 J are no figure."""
    whole = steady_pass()
    assert whole.steady is not None
    wide = reading(energy_j=6000.0, half_width_j=1500.0)
    loose = evolve(whole, steady=evolve(whole.steady, measurement=measurement(wide, start_s=0.05, duration_s=64.0)))
    messages = {}
    for name, one in (("exact", whole), ("loose", loose)):
        findings = energy_findings(summarise([one], []), [one], [], False)
        messages[name] = [(each.level, each.message) for each in findings if each.check == "window resolved"]
    of_pass = ("PASS", "GPU energy of a pass lies in [6,000, 6,000] J, ±0.0%")
    assert messages["exact"] == [of_pass, ("PASS", "GPU energy of the steady state lies in [6,000, 6,000] J, ±0.0%")]
    message = "GPU energy of the steady state lies in [4,500, 7,500] J, ±25.0%; a longer pass narrows them"
    assert messages["loose"] == [of_pass, ("FAIL", message)]


def test_answers_that_show_no_events_have_no_context_to_compare() -> None:
    """They come in one piece, so the tokens of the window are not known either, which is said."""
    pieces = [evolve(each, token_times_s=each.token_times_s[-1:]) for each in steady_pass().completions]
    whole = steady_pass()
    assert whole.steady is not None
    silent = evolve(trial(1, outcomes=pieces, duration_s=65.0), start_s=0.0, stop_s=65.0, steady=whole.steady)
    silent = evolve(silent, measurement=whole.measurement)
    found_lines = found(silent)
    assert found_lines
    assert not any("tokens of context" in message for _, message in found_lines)


def test_slices_are_given_where_each_has_tokens_and_energy() -> None:
    """Two halves of the window of 64 s: 640 tokens each, with what was read for them and computed before them."""
    whole = steady_pass()
    assert whole.steady is not None
    devices = (SliceEnergies(GPU.id, "nvml", (3000.0, 3100.0)),)
    window = evolve(whole.steady, slices=Slices((0.05, 32.05, 64.05), devices))
    first, second = work_slices(whole, window) or ()
    assert (first.duration_s, first.output_tokens, second.output_tokens) == (pytest.approx(32.0), 640, 640)
    # Ten prompt tokens and 9.5 before the mean token of twenty; a prompt of ten for twenty tokens.
    assert first.mix.context_tokens == pytest.approx(19.5, abs=0.6)
    assert first.mix.prompt_tokens == pytest.approx(0.5)
    assert slice_energies(window, ("gpu",)) == [3000.0, 3100.0]
    assert slice_energies(window, ("cpu",)) == [0.0, 0.0]
    assert slice_energies(evolve(window, slices=Slices((0.05, 32.05, 64.05), ())), ("gpu",)) is None
    assert slice_energies(evolve(window, measurement=None), ("gpu",)) is None
    assert (work_slices(whole, whole.steady), slice_energies(whole.steady, ("gpu",))) == (None, None)
    late = evolve(whole.steady, slices=Slices((0.05, 32.05, 64.05, 90.0), devices))
    assert work_slices(whole, late) is None


@pytest.mark.parametrize(
    ("halves_j", "shift"),
    [((3000, 3057), None), ((3057, 3000), None), ((3000, 3074), "+2.5%"), ((3000, 2926), "-2.5%")],
)
def test_halves_may_differ_by_two_percent(halves_j: tuple[float, float], shift: str | None) -> None:
    """In either direction; by chance it falls with the root of the requests, so that 64 × (2.467 / 2)² would do."""
    (finding,) = found(steady_pass(halves_j=halves_j))
    if shift is None:
        assert finding[0] == "PASS"
    else:
        message = f"the second half of the steady window costs {shift} J per output token against the first in trial 1"
        assert finding == ("WARN", f"{message}; fix: scenario.num_samples: 98 would do")


def test_halves_of_equal_answers_that_differ_much_are_no_chance() -> None:
    """15 % between 32 answers and 32 of the same length; an H100's server was told to send 59 times as many."""
    ((_, message),) = found(steady_pass(halves_j=(3000, 2550)))
    assert "its speed or its power changes, so that more samples will not help" in message
    mixed = steady_pass(halves_j=(3000, 2550))
    outcomes = [evolve(done, output_tokens=40 if done.number % 8 else 4) for done in mixed.completions]
    assert any("would do" in message for _, message in found(evolve(mixed, outcomes=outcomes)))


def test_the_trial_with_the_largest_difference_is_named() -> None:
    """And the number of samples is the one that it needs: 64 × (4 / 2)², in two digits."""
    trials = [steady_pass(halves_j=(3000, 3075)), evolve(steady_pass(halves_j=(3000, 2880)), number=2)]
    ((level, message),) = found(*trials)
    assert (level, "costs -4.0% J per output token" in message, "in trial 2" in message) == ("WARN", True, True)
    assert message.endswith("scenario.num_samples: 260 would do")


def test_halves_of_which_one_was_not_measured_are_not_compared() -> None:
    """Nor is a half without energy, of which no share can be told."""
    whole = steady_pass(halves_j=(3000, 4000))
    assert whole.steady is not None
    for half in ("first_half", "second_half"):
        assert found(evolve(whole, steady=evolve(whole.steady, **{half: None})))[0][0] == "PASS"
    assert found(steady_pass(halves_j=(0.0, 6000.0)))[0][0] == "PASS"


def test_a_short_window_needs_more_samples() -> None:
    """Of 59 requests in 59 s one more would do where 60 s are required."""
    message = "the steady window is 59.0 s long, less than 60 s or 3 × the p95 of E2E (2 s)"
    assert found(steady_pass(59)) == [("WARN", f"{message}; fix: scenario.num_samples: 60 would do")]
    assert found(steady_pass(60))[0][0] == "PASS"


def test_long_answers_need_a_longer_window() -> None:
    """Three times the 95th percentile of their time, here of 40 s."""
    ((level, message),) = found(steady_pass(20, times=20))
    assert level == "PASS"
    ((level, message),) = found(steady_pass(4, times=20))
    assert level == "WARN"
    assert "the steady window is 80.0 s long, less than 60 s or 3 × the p95 of E2E (40 s)" in message


def test_few_requests_need_more_samples() -> None:
    """Ten are required for each of two in flight."""
    message = "18 requests are fewer than 10 × the 2 in flight; fix: scenario.num_samples: 20 would do"
    assert found(steady_pass(18, times=4))[0] == ("WARN", message)
    assert found(steady_pass(20, times=4))[0][0] == "PASS"


def test_emissions_and_cost_of_a_thousand_queries_are_those_of_the_steady_state() -> None:
    """A query's energy is that of its tokens in the steady window; of the pass's energy fillers had a part."""
    one = steady_pass(64, fillers=tuple(completion(64 + n, output_tokens=20) for n in range(8)))
    found_result = evolve(result([one], carbon=Carbon(360.0, 1.0, "a test")), tariff=Tariff(0.36, "EUR"))
    summary = found_result.summary
    assert summary.steady is not None
    assert summary.total is not None
    marks = footprint(found_result)
    # 6,000 J in the window, and 20 tokens to a request; 360 g and 0.36 EUR a kWh are 0.1 mg and 0.1 µEUR a joule.
    per_request_j = 6000 / summary.steady.output_tokens * 20
    assert marks.emissions_g == pytest.approx(6000 * 1e-4)
    assert marks.emissions_per_1000_g == pytest.approx(1000 * per_request_j * 1e-4)
    assert marks.cost_per_1000 == pytest.approx(1000 * per_request_j * 1e-7)


@pytest.mark.parametrize(
    ("failed", "well", "level"),
    [(1, 99, "INFO"), (9, 900, "INFO"), (10, 2000, "WARN"), (2, 100, "WARN"), (1, 0, "WARN")],
)
def test_failed_fillers_warn_where_they_are_many(failed: int, well: int, level: str) -> None:
    """Ten of them, or more than 1 % of all requests; fewer are an accident, which is said."""
    fillers = (*(completion(64 + n) for n in range(well)), *(failure(64 + well + n, "gone") for n in range(failed)))
    ((seen, message),) = found(steady_pass(fillers=fillers), check="filler requests")
    assert seen == level
    assert message.startswith(f"{failed} of {failed + well} filler requests failed, ")
    assert message.endswith("the last because: gone; fix: check the server's log and its settings") or message.endswith(
        "the last because: gone"
    )
    assert found(steady_pass(fillers=fillers[:well]), check="filler requests") == []


def test_more_samples_are_no_fix_for_counts_that_cannot_be_true() -> None:
    """The fix is that of the doubt, and no number of samples follows from such tokens; length is judged."""
    uneven = steady_pass(halves_j=(3000.0, 3600.0))
    doubtful = evolve(summarise([uneven], []), tokens_in_doubt="10 for 20 token events")
    assert doubtful.steady is not None
    doubtful = evolve(doubtful, steady=evolve(doubtful.steady, tokens_absent="10 for 20 token events"))
    lines = [(each.level, each.message) for each in steady_findings([uneven], doubtful) if each.check == "steady state"]
    assert lines[0] == (
        "FAIL",
        "no steady figure per token: 10 for 20 token events; fix: name the model's tokenizer in "
        "backend.options.tokenizer, or use a server whose counts are right",
    )
    assert lines[1] == ("PASS", "at least 64 s and 10 requests for each in flight")
    assert not any("num_samples" in message for _, message in lines)


def test_a_doubt_about_prompts_leaves_their_share_of_the_window_unjudged() -> None:
    """The halves are compared; computed prompt tokens that cannot be true are not."""
    uneven = steady_pass(halves_j=(3000.0, 3600.0))
    summary = summarise([uneven], [])
    assert summary.steady is not None
    twice = tuple(evolve(each, computed_prompt_tokens=-each.computed_prompt_tokens) for each in summary.steady.trials)
    shifted = evolve(summary, steady=evolve(summary.steady, trials=twice))
    shown = [
        " ".join(each.message for each in steady_findings([uneven], of))
        for of in (shifted, evolve(shifted, prompt_tokens_in_doubt="more cached than prompt tokens"))
    ]
    assert ["computed prompt tokens" in text for text in shown] == [True, False]
    assert ["the second half" in text for text in shown] == [True, True]


def test_more_samples_may_need_prompts_again() -> None:
    """Where a pass does not take prompts again, the fix names the setting that a smaller dataset needs."""
    short = steady_pass(59)
    findings = list(steady_findings([short], summarise([short], []), repeats=False))
    (message,) = [each.message for each in findings if each.level == "WARN" and each.check == "steady state"]
    assert message.endswith(
        "scenario.num_samples: 60 would do, with scenario.repeat: true where the dataset has fewer prompts"
    )
