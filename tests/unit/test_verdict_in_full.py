"""The verdict's own lines, whole: ending, requests, tokens, protocol, notes; and which of them a run has."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.actions import ACTIONS, OTHERWISE, with_action
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.verdict import Planned, judge
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.result import Ending, Trial
from ai_energy_benchmarks.domain.verdict import Finding, Level, Verdict
from tests.factories import (
    CPU,
    ENGINE,
    ENVIRONMENT,
    GPU,
    completion,
    failure,
    measurement,
    reading,
    trial,
    verdict,
)

Line = tuple[Level, str]


def lines(judged: Verdict, check: str) -> list[Line]:
    """Level and message of each line of a check, without what to do about it, which follows from the check."""
    found = [each for each in judged.findings if each.check == check]
    for each in found:
        warns = each.level in ("WARN", "FAIL")
        assert each.message.endswith(f"; fix: {ACTIONS.get(check, OTHERWISE)}") is warns, each
    return [(each.level, each.message.partition("; fix: ")[0]) for each in found]


def five(count: int = 5) -> list[Trial]:
    return [trial(number, reading()) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("ending", "level", "words"),
    [
        ("completed", "PASS", ""),
        ("interrupted", "FAIL", "interrupted with "),
        ("stopped", "FAIL", "stopped early with "),
    ],
)
def test_the_ending_counts_complete_trials(ending: Ending, level: Level, words: str) -> None:
    """Of those that were planned; a part of one is not complete. What was too little is a line of its own."""
    trials = [*five(2), trial(3, reading(), complete=False)]
    judged = verdict(trials, ending=ending, planned=Planned(7))
    assert lines(judged, "ending") == [(level, f"{words}2 of 7 trials complete")]
    whole = [("PASS", "7 trials, 10 warm-up requests, idle before and after")]
    assert lines(judged, "protocol") == (whole if ending == "completed" else [])


def answers(succeeded: int, *reasons: str) -> list[Outcome]:
    """So many, and requests that failed for these reasons."""
    done = [completion(number) for number in range(succeeded)]
    return [*done, *(failure(succeeded + number, reason) for number, reason in enumerate(reasons))]


REQUESTS: list[tuple[list[list[Outcome]], Line]] = [
    ([answers(3), answers(4)], ("PASS", "0 of 7 requests failed")),
    ([answers(99, "a")], ("WARN", "1 of 100 requests failed (1.00%); 1 of them because: a")),
    ([answers(98, "a")], ("FAIL", "1 of 99 requests failed (1.01%); 1 of them because: a")),
    ([answers(1, "a")], ("FAIL", "1 of 2 requests failed (50.00%); 1 of them because: a")),
    ([answers(200, "b"), answers(196, "a", "a")], ("WARN", "3 of 399 requests failed (0.75%); 2 of them because: a")),
    ([answers(0, "a", "a", "b"), []], ("FAIL", "no request succeeded of 3, the last because: b")),
    ([answers(0, "b"), answers(0, "c", "a")], ("FAIL", "no request succeeded of 3, the last because: a")),
    ([[]], ("FAIL", "no request succeeded of 0")),
]


@pytest.mark.parametrize(("passes", "line"), REQUESTS)
def test_failed_requests_are_counted_over_all_trials(passes: Sequence[Sequence[Outcome]], line: Line) -> None:
    """More than one percent fail; the most frequent reason is named, or the last one where nothing succeeded."""
    trials = [trial(number, reading(), outcomes=each) for number, each in enumerate(passes, start=1)]
    assert lines(verdict(trials), "requests") == [line]


def images(number: int, amount: float) -> Completion:
    """An answer of images and no tokens."""
    return evolve(completion(number, output_tokens=0), token_times_s=array("d", (1.0,)), amounts={"images": amount})


def test_output_is_counted_in_its_unit() -> None:
    """Tokens, or what there is in their place; none of either fails."""
    long = [completion(number, output_tokens=700) for number in range(2)]
    trials = [trial(1, reading(), outcomes=[*long, failure(2)]), trial(2, reading(), outcomes=long)]
    assert lines(verdict(trials), "output tokens") == [("PASS", "2,800 output tokens from 4 requests")]
    none = [trial(1, reading(), outcomes=[completion(0, output_tokens=0)])]
    assert lines(verdict(none), "output tokens") == [("FAIL", "0 output tokens from 1 requests")]
    one = [trial(1, reading(), outcomes=[completion(0, output_tokens=1)])]
    assert lines(verdict(one), "output tokens") == [("PASS", "1 output tokens from 1 requests")]
    made = [trial(number, reading(), outcomes=[images(0, 1000.0), images(1, 234.0)]) for number in (1, 2)]
    assert lines(verdict(made), "output") == [("PASS", "2,468 images from 4 requests")]
    assert lines(verdict(made), "output tokens") == []
    nothing = [trial(1, reading(), outcomes=[images(0, 0.0)])]
    assert lines(verdict(nothing), "output") == [("FAIL", "0 images from 1 requests")]
    failed = [trial(1, reading(), outcomes=[failure(0)])]
    assert [lines(verdict(failed), check) for check in ("output", "output tokens", "truncation")] == [[], [], []]


def test_what_is_odd_about_tokens_is_counted_over_all_trials() -> None:
    """Counts from texts, prompts that were cut, and prompts that repeat, the last of one pass."""
    first = [
        completion(0, token_source="retokenised", truncated_prompt_tokens=1, rendered_sha256="ab"),
        completion(1, rendered_sha256="ab"),
        completion(2, truncated_prompt_tokens=70, rendered_sha256="ab"),
    ]
    second = [completion(0, token_source="retokenised", rendered_sha256="cd"), completion(1, rendered_sha256="ab")]
    trials = [trial(number, reading(), outcomes=each) for number, each in enumerate((first, second, second), start=1)]
    judged = verdict(trials)
    retokenised = "the tokens of 3 of 7 requests were counted by re-tokenising their text"
    assert lines(judged, "token counts") == [("WARN", retokenised)]
    assert lines(judged, "truncation") == [("WARN", "2 of 7 prompts were cut to fit the context")]
    assert lines(judged, "repeated prompts") == [("INFO", "2 prompts of a pass had been sent before in it")]
    # Of the first pass that was answered.
    lost = trial(4, reading(), outcomes=[failure(0)])
    assert lines(verdict([lost, *trials]), "repeated prompts") == lines(judged, "repeated prompts")
    assert lines(verdict([*trials[1:], trials[0]]), "repeated prompts") == []
    assert [lines(verdict(five()), check) for check in ("token counts", "truncation")] == [[], []]


@pytest.mark.parametrize("ending", ["interrupted", "stopped"])
def test_a_run_without_a_request_has_its_ending_alone(ending: Ending) -> None:
    """And no other line, as neither request nor meter is to blame; with a request both are judged."""
    for trials in ([], [trial(1, outcomes=[], complete=False)]):
        judged = verdict(trials, engine=None, ending=ending, gpu=True, planned=Planned(3, 0.0))
        assert [(each.level, each.check) for each in judged.findings] == [("FAIL", "ending")]
        assert judged.components == ("gpu",)
    begun = verdict([trial(1, complete=False)], engine=None, ending=ending, gpu=True, planned=Planned(5))
    assert {each.check for each in begun.findings if each.level == "FAIL"} == {"ending", "energy"}
    assert lines(begun, "requests") == [("PASS", "0 of 5 requests failed")]
    completed = verdict([trial(1, outcomes=[])], engine=None, gpu=True, planned=Planned(5))
    assert {each.check for each in completed.findings if each.level == "FAIL"} == {"requests", "energy"}


def judged_with(trials: Sequence[Trial], *, metrics_enabled: bool, gpu_unknown: str | None, ending: Ending) -> Verdict:
    return judge(
        ending=ending,
        steps=(),
        trials=trials,
        summary=summarise(trials, ()),
        environment=ENVIRONMENT,
        engine=evolve(ENGINE, notes=("eager",), warnings=("slow", "old")),
        metrics_enabled=metrics_enabled,
        planned=Planned(),
        gpu=False,
        gpu_unknown=gpu_unknown,
        collector_notes=("picked nvml", "no RAPL"),
    )


def test_what_is_not_known_of_a_gpu_matters_where_energy_is_judged() -> None:
    """Not without meters, nor before the first request; nor where it is known."""
    on_cpu = [trial(1, reading(CPU))]
    for metrics, backend, ending, trials, warns in (
        (True, "openai", "completed", on_cpu, True),
        (True, None, "completed", on_cpu, False),
        (False, "openai", "completed", on_cpu, False),
        (True, "openai", "stopped", [], False),
        (True, "openai", "stopped", on_cpu, True),
    ):
        judged = judged_with(trials, metrics_enabled=metrics, gpu_unknown=backend, ending=ending)  # type: ignore[arg-type] # an ending
        assert ("GPU use" in {each.check for each in judged.findings}) is warns
        assert bool(judged.components) is (metrics and bool(trials))
        absent = [("INFO", "metrics.enabled is false: energy is absent, not 0")]
        assert lines(judged, "energy") == ([] if metrics else absent)


def test_notes_of_engine_and_meter_are_lines() -> None:
    """The engine's warnings before its notes, as the worst comes first."""
    judged = judged_with(five(), metrics_enabled=True, gpu_unknown=None, ending="completed")
    assert lines(judged, "engine") == [("WARN", "slow"), ("WARN", "old"), ("INFO", "eager")]
    assert lines(judged, "meter") == [("INFO", "picked nvml"), ("INFO", "no RAPL")]
    bare = verdict(five(), engine=None)
    assert lines(bare, "engine") == lines(bare, "meter") == []


def noted(number: int, *notes: str, of_cpu: tuple[str, ...] = (), strangers: tuple[str, ...] = ()) -> Trial:
    """A trial whose window has notes."""
    seen: Measurement = measurement(reading(), start_s=20.0 * number, notes=notes, component_notes={"cpu": of_cpu})
    return evolve(trial(number), measurement=evolve(seen, foreign_processes=strangers))


def test_notes_of_windows_are_lines_with_their_trials() -> None:
    """Each note once with all trials that have it; one of a component is another than the same one of all."""
    trials = [
        noted(1, "late", of_cpu=("late", "reset"), strangers=("pid 7",)),
        trial(2, measured=False),
        noted(3, "gap", "late", strangers=("pid 7", "pid 9")),
        noted(4, of_cpu=("reset",)),
    ]
    found = [each for each in verdict(trials).findings if each.check in ("window", "foreign process")]
    expected: list[tuple[Level, str, str, str | None]] = [
        ("FAIL", "foreign process", "pid 7 (trial 1, 3)", "gpu"),
        ("FAIL", "foreign process", "pid 9 (trial 3)", "gpu"),
        ("WARN", "window", "late (trial 1, 3)", None),
        ("WARN", "window", "late (trial 1)", "cpu"),
        ("WARN", "window", "reset (trial 1, 4)", "cpu"),
        ("WARN", "window", "gap (trial 3)", None),
    ]
    assert [(each.level, each.check, each.message.partition("; fix")[0], each.component) for each in found] == expected


def test_only_what_warns_or_fails_has_something_to_do() -> None:
    """By its check, unless the line says so itself."""
    for level, does in (("PASS", False), ("INFO", False), ("WARN", True), ("FAIL", True)):
        plain = Finding(level, "trend", "it changes", "gpu")  # type: ignore[arg-type] # a level
        assert with_action(plain).message == "it changes" + (f"; fix: {ACTIONS['trend']}" if does else "")
        assert evolve(with_action(plain), message="it changes") == plain
        itself = evolve(plain, message="it changes; fix: end it")
        assert with_action(itself) == itself
    assert with_action(Finding("WARN", "of a plugin", "odd")).message == f"odd; fix: {OTHERWISE}"


def test_a_component_is_judged_if_it_has_a_figure_or_should_have_one() -> None:
    """In the order in which one of them leads."""
    both = [trial(number, reading(CPU), reading(GPU)) for number in range(1, 6)]
    on_cpu = [trial(number, reading(CPU)) for number in range(1, 6)]
    assert verdict(both).components == ("gpu", "cpu")
    assert verdict(on_cpu).components == ("cpu",)
    assert verdict(on_cpu, gpu=True).components == ("gpu", "cpu")
    for check in ("a", "energy", "z"):
        assert verdict(on_cpu, extra=[Finding("FAIL", check, "y", "gpu")]).components == ("gpu", "cpu")
        assert verdict(on_cpu, extra=[Finding("WARN", check, "y", "gpu")]).components == ("cpu",)
    assert verdict(on_cpu, extra=[Finding("FAIL", "x", "y", "dram")]).components == ("cpu", "dram")
    assert verdict(both, metrics_enabled=False).components == ()
