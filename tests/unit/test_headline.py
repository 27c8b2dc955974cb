"""A result in one sentence, and an action in everything that warns or fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.actions import ACTIONS, OTHERWISE, with_action
from ai_energy_benchmarks.analysis.verdict import Planned
from ai_energy_benchmarks.config.key_paths import _below
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.digits import fixed
from ai_energy_benchmarks.domain.power import Recipe
from ai_energy_benchmarks.domain.result import Ending
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.reporters.figures import as_known
from ai_energy_benchmarks.reporters.headline import sentence
from ai_energy_benchmarks.reporters.result_table import headline, quotable
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.quotable import FIGURES
from ai_energy_benchmarks.text.problems import dotted
from tests.factories import CPU, GPU, completion, reading, result, trial, verdict

GUESS = Recipe("fresh", "cpu_time_s", "", 0, 1, guessed=True)


def modelled(guessed: bool):
    """Three trials of about 6.8 J over 20 output tokens and five requests, by the model of the CPU."""
    seen = [reading(CPU, 6.8 + i / 100, 0, provenance="modelled", meter="modelled") for i in (1, 2, 3)]
    recipe = evolve(GUESS, guessed=guessed)
    trials = [trial(i, evolve(each, recipe=recipe)) for i, each in enumerate(seen, start=1)]
    return result(trials, judged=verdict(trials, planned=Planned(3)))


def test_the_sentence_of_a_guess() -> None:
    """Two digits, called an order of magnitude, and what the level comes from."""
    expected = "0.34 J/output token (CPU, modelled, an order of magnitude); 0.38 Wh per 1,000 queries; WARN: "
    assert sentence(modelled(True)) == f"{expected}modelled energy, protocol"
    assert sentence(modelled(False)).startswith("0.3410 J/output token (CPU, modelled); 0.379 Wh per 1,000 queries")


def test_the_sentence_of_a_measurement() -> None:
    """The figure with its interval, and PASS alone where nothing warns."""
    trials = [trial(i, reading(GPU, 100.0, 0.1)) for i in range(1, 6)]
    steps = ()
    found = result(trials, steps, judged=verdict(trials, steps))
    assert re.fullmatch(
        r"5\.00 ± 0\.28 J/output token \(GPU, measured\); 5\.56 Wh per 1,000 queries; (PASS|WARN: .*)", sentence(found)
    )


def test_what_has_no_figure_says_why() -> None:
    """Unresolved, absent, without tokens, and not measured at all."""
    unresolved = [trial(1, reading(GPU, 100, 60))]
    assert sentence(result(unresolved, judged=verdict(unresolved))) == (
        "FAIL: window resolved; J/output token (GPU) only known to lie in [2.0, 8.0]"
    )
    lost = [trial(1, reading(CPU), absent={"gpu": "the GPU fell off the bus"})]
    assert sentence(result(lost, judged=verdict(lost, gpu=True))).startswith(
        "FAIL: energy; no energy of the GPU (the GPU fell off the bus)"
    )
    silent = [trial(1, reading(GPU), outcomes=[completion(output_tokens=0)])]
    assert re.fullmatch(
        r"FAIL: [a-z, ]+; no J/output token \(GPU\): no output tokens", sentence(result(silent, judged=verdict(silent)))
    )
    unmeasured = [trial(1)]
    assert sentence(result(unmeasured, judged=verdict(unmeasured, metrics_enabled=False))).startswith(
        "no energy was measured; 2.000 output tokens/s; "
    )
    doubtful = result(unmeasured, judged=verdict(unmeasured, metrics_enabled=False))
    doubtful = evolve(doubtful, summary=evolve(doubtful.summary, tokens_in_doubt="half are reported"))
    assert sentence(doubtful).startswith("no energy was measured; half are reported; ")


@pytest.mark.parametrize(
    ("half_width_j", "per_token", "per_1000", "of_page"),
    [
        (0.0, "5.000", "5.56", "5.556"),
        (0.6, "5.000", "5.56", "5.556"),
        (2.0, "5.00", "5.56", "5.56"),
        (12.0, "5.0", "5.6", "5.6"),
    ],
)
def test_a_figure_without_an_interval_has_the_digits_of_its_ends(
    half_width_j: float, per_token: str, per_1000: str, of_page: str
) -> None:
    """One trial of 100 J, 20 tokens and 5 requests: 5 J and 5.5556 Wh; ends of 88 and 112 J leave 1.2 J a token."""
    trials = [trial(1, reading(CPU, 100.0, half_width_j, provenance="modelled", meter="modelled"))]
    found = result(trials, judged=verdict(trials))
    expected = f"{per_token} J/output token (CPU, modelled); {per_1000} Wh per 1,000 queries; "
    assert sentence(found).startswith(expected)
    assert quotable(report_document(found), FIGURES["wh_per_1000_queries"], "cpu") == of_page


@pytest.mark.parametrize("ending", ["interrupted", "stopped"])
def test_a_run_that_did_not_complete_leads_with_no_figure(ending: Ending) -> None:
    """Not of whole trials, not of a part of one: the sentence points to the table, and the CSV row has it too."""
    trials = [trial(1, reading(GPU, 100.0, 0.1)), trial(2, reading(GPU, 100.0, 0.1), complete=False)]
    pattern = (
        rf"FAIL: ending[a-z, ]*; no J/output token to quote \(GPU\): the run was {ending}, "
        "and the table has that of the part that was measured"
    )
    for of in (trials, trials[1:]):
        found = result(of, ending=ending, judged=verdict(of, ending=ending))
        assert re.fullmatch(pattern, sentence(found))
        assert headline(report_document(found)) == f"no J per output token to quote (GPU): the run was {ending}"
        assert float(result_row(found)["gpu_j_per_output_token"]) == 5.0
    blurred = [trial(1, reading(GPU, 100, 60))]
    assert sentence(result(blurred, ending=ending, judged=verdict(blurred, ending=ending))).endswith(
        f"no J/output token to quote (GPU): the run was {ending}"
    )
    off = result([trial(1)], ending=ending, judged=verdict([trial(1)], ending=ending, metrics_enabled=False))
    assert sentence(off) == f"FAIL: ending; no energy was measured; the run was {ending}"


def test_a_failed_verdict_stands_before_the_figure() -> None:
    """Whatever failed; a warning stands after it."""
    trials = [trial(number, reading(GPU, 100.0, 0.1)) for number in range(1, 6)]
    failed = Finding("FAIL", "other work", "too much", None)
    found = result(trials, judged=verdict(trials, extra=[failed]))
    assert found.verdict.level == "FAIL"
    assert sentence(found) == (
        "FAIL: other work; 5.00 ± 0.28 J/output token (GPU, measured); 5.56 Wh per 1,000 queries"
    )


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ({"half_width": 0.12}, "3.31 ± 0.12"),
        ({"half_width": 510.0, "value": 12345.6}, "12,350 ± 510"),
        ({"scatter": 0.0067, "value": 0.28943}, "0.2894"),
        ({"scatter": 0.36, "value": 1.3456}, "1.35"),
        ({"scatter": 1e-9}, "3.308"),
        ({"guessed": True}, "3.3"),
        ({"guessed": True, "scatter": 1e-9, "value": 72.06}, "72"),
        ({}, "3.308"),
    ],
)
def test_no_digits_beyond_what_is_known(known: dict[str, float], text: str) -> None:
    """Two digits of the interval or of the scatter, two of a guess, four at most."""
    value = known.pop("value", 3.3078)
    assert as_known(value, **known) == text  # type: ignore[arg-type] # as named


def test_rounding_reaches_beyond_the_point() -> None:
    """An interval of hundreds leaves no units."""
    assert (fixed(12345.6, -2), fixed(12345.6, 0), fixed(0.05, 1)) == ("12,300", "12,346", "0.1")


def test_what_warns_says_what_to_do() -> None:
    """Its own fix, that of its check, or the page that describes it; a pass needs none."""
    own = Finding("WARN", "other work", "much of it; fix: close it")
    assert with_action(own) is own
    assert with_action(Finding("FAIL", "steal time", "m")).message == f"m; fix: {ACTIONS['steal time']}"
    assert with_action(Finding("WARN", "a check of a plugin", "m")).message == f"m; fix: {OTHERWISE}"
    for level in ("PASS", "INFO"):
        assert with_action(Finding(level, "steal time", "m")).message == "m"  # type: ignore[arg-type] # a level


def test_every_action_is_of_a_check_that_exists(root: Path) -> None:
    """A check that is renamed takes its action along."""
    package = root / "ai_energy_benchmarks"
    source = "".join(
        file.read_text(encoding="utf-8")
        for room in ("analysis", "runner", "results")
        for file in (package / room).rglob("*.py")
        if file.name != "actions.py"
    )
    assert [check for check in ACTIONS if f'"{check}"' not in source] == []


def test_a_run_for_the_score_is_compared_with_its_method() -> None:
    """Ten runs over a thousand prompts, not the five trials of other runs."""
    trials = [trial(i, reading()) for i in (1, 2)]

    def message(planned: Planned) -> str:
        return next(each.message for each in verdict(trials, planned=planned).findings if each.check == "protocol")

    assert message(Planned(2, score_prompts=50)).startswith(
        "shortened protocol: 2 of AI Energy Score's 10 runs, 50 of its 1,000 prompts; fix: "
    )
    assert message(Planned(5, score_prompts=1000)).startswith("shortened protocol: 5 of AI Energy Score's 10 runs; fix")
    assert message(Planned(10, score_prompts=1000)).startswith("10 trials, ")
    assert message(Planned(5)).startswith("5 trials, ")


def test_every_key_in_an_action_is_a_setting() -> None:
    """Whoever follows it finds the key; options of a backend stand below backend.options."""
    keys = {dotted(path) for path in _below(BenchmarkConfig, ())}
    named = {
        key
        for action in ACTIONS.values()
        for key in re.findall(r"\b(?:protocol|scenario|load|backend|metrics)\.[\w.]*\w", action)
    }
    assert sorted(key for key in named if key not in keys and not key.startswith("backend.options.")) == []
