"""A first trial in which the engine was still preparing itself."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.first_trial import explain_scatter, first_trial_findings
from ai_energy_benchmarks.analysis.repetition import WARM_UP
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding, Level
from tests.factories import completion, reading, trial, verdict


def judged(*durations_s: float) -> list[Finding]:
    return list(first_trial_findings([trial(i, duration_s=each) for i, each in enumerate(durations_s, start=1)]))


@pytest.mark.parametrize(
    "durations_s",
    [(11.18, 5.96, 6.10, 6.57, 6.04), (6.78, 3.26, 3.22), (14.51, 3.50, 3.27), (10.69, 8.43, 8.54)],
)
def test_the_runs_of_an_h200_and_an_h100_are_recognised(durations_s: tuple[float, ...]) -> None:
    """Their first trials took 1.3 to 4 times as long as the later ones."""
    [finding] = judged(*durations_s)
    assert finding.level == "WARN"
    assert f"trial 1 took {durations_s[0]:.3g} s" in finding.message


def test_scatter_and_a_slow_later_trial_are_none() -> None:
    """Neither a first trial within the scatter of the others, nor a slow one among them, nor two trials."""
    assert judged(10.5, 10.0, 10.4, 9.9) == []
    assert judged(14.0, 10.0, 12.0, 9.0) == []
    assert judged(10.0, 20.0, 10.0) == []
    assert judged(20.0, 10.0) == []


def test_a_first_trial_that_was_skipped_is_not_judged() -> None:
    """Re-analysis without trial 1 has no first trial."""
    later = [trial(number, duration_s=20.0 if number == 2 else 10.0) for number in (2, 3, 4)]
    assert list(first_trial_findings(later)) == []


def test_the_verdict_says_what_to_do() -> None:
    """With the number of warm-up requests, and not with other programs."""
    found = verdict([trial(1, duration_s=20.0), trial(2), trial(3)]).findings
    finding = next(each for each in found if each.check == "first trial")
    assert "fix: raise protocol.warmup.requests" in finding.message


def timed(*durations_s: float) -> list[tuple[str, str, str]]:
    """Passes that begin at nought, so that their lengths are exact."""
    trials = [evolve(trial(number), start_s=0.0, stop_s=end_s) for number, end_s in enumerate(durations_s, start=1)]
    return [(finding.level, finding.check, finding.message) for finding in first_trial_findings(trials)]


@pytest.mark.parametrize(
    ("durations_s", "others"),
    [
        # A tenth slower than the slowest of the others, and no more.
        ((2.2, 2.0, 2.0), None),
        ((2.25, 2.0, 2.0), "2 to 2"),
        ((2.25, 2.0, 2.0, 2.0, 2.0), "2 to 2"),
        # Three times as far from the slowest as that is from the fastest, and no more.
        ((18.0, 12.0, 10.0), None),
        ((18.5, 12.0, 10.0), "10 to 12"),
        ((18.5, 10.0, 11.0, 12.0), "10 to 12"),
        ((18.5, 12.0, 11.0, 10.0), "10 to 12"),
        ((12.5, 12.0, 12.0), None),
        ((9.0, 12.0, 12.0), None),
        ((20.0, 10.0), None),
        ((20.0,), None),
        ((), None),
        ((100.125, 20.1234, 20.0), "20 to 20.1"),
    ],
)
def test_each_limit_of_a_slow_first_trial(durations_s: tuple[float, ...], others: str | None) -> None:
    """Both must be exceeded, of at least three trials; the line names the fastest and the slowest of the others."""
    expected = (
        f"trial 1 took {durations_s[0]:.3g} s, the later ones {others} s: the engine was probably still preparing "
        "itself, for instance for lengths that no warm-up request had; its energy is in the mean"
        if others
        else ""
    )
    assert timed(*durations_s) == ([("WARN", "first trial", expected)] if others else [])


def waiting(number: int, *ttft_s: float) -> Trial:
    """A trial of 10 s whose requests had their first tokens after these times."""
    outcomes = [completion(i, first_s=first_s) for i, first_s in enumerate(ttft_s)]
    return trial(number, outcomes=outcomes, duration_s=10.0)


def test_first_tokens_that_came_late_in_the_first_trial_alone_are_named() -> None:
    """60 ms at new lengths of prompts and 17 ms later, on an H100; of a server the check of caches judges that."""
    trials = [waiting(1, *[0.060] * 8), waiting(2, *[0.017] * 8), waiting(3, *[0.018] * 8)]
    [finding] = first_trial_findings(trials)
    assert (finding.level, "first tokens after 29% of the first trial's time" in finding.message) == ("INFO", True)
    assert list(first_trial_findings(trials, served=True)) == []
    assert list(first_trial_findings(trials[1:])) == []


def test_scatter_that_comes_from_the_first_trial_is_not_blamed_on_other_programs() -> None:
    """Unless one was seen on the GPU."""
    trials = [trial(1, reading(energy_j=2000.0), duration_s=20.0), *(trial(n, reading()) for n in (2, 3))]
    (scatter,) = (each for each in verdict(trials).findings if each.check == "repeatability")
    assert (scatter.level, "fix: raise protocol.warmup.requests" in scatter.message) == ("FAIL", True)
    measurement = trials[0].measurement
    assert measurement is not None
    watched = evolve(trials[0], measurement=evolve(measurement, foreign_processes=("another",)))
    (scatter,) = (each for each in verdict([watched, *trials[1:]]).findings if each.check == "repeatability")
    assert "fix: close other programs" in scatter.message


@pytest.mark.parametrize(
    ("check", "level", "others", "explained"),
    [
        ("repeatability", "WARN", [("first trial", "WARN")], True),
        ("repeatability", "FAIL", [("first trial", "WARN")], True),
        ("repeatability", "PASS", [("first trial", "WARN")], False),
        ("repeatability", "WARN", [("first trial", "INFO")], False),
        ("repeatability", "WARN", [], False),
        ("repeatability", "WARN", [("first trial", "WARN"), ("foreign process", "FAIL")], False),
        ("repeatability", "WARN", [("first trial", "WARN"), ("foreign process", "INFO")], True),
        ("load", "WARN", [("first trial", "WARN")], False),
        ("trend", "WARN", [("first trial", "WARN")], False),
    ],
)
def test_scatter_is_explained_by_a_slow_first_trial(
    check: str, level: Level, others: list[tuple[str, Level]], explained: bool
) -> None:
    """That was warned of, where no other program was; all else stays as it is."""
    rest = [Finding(of_level, name, "so it is") for name, of_level in others]
    message = f"it scatters; trial 1 took longest; fix: {WARM_UP}" if explained else "it scatters"
    found = list(explain_scatter([Finding(level, check, "it scatters"), *rest]))
    assert found == [Finding(level, check, message), *rest]
