"""Bounds have the digits that their distance leaves, in every sentence that names them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ai_energy_benchmarks
from ai_energy_benchmarks.analysis.repetition import repetition_findings
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.digits import between
from ai_energy_benchmarks.reporters.figures import cell
from ai_energy_benchmarks.results.no_score import why_no_score
from tests.factories import reading, trial


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(40.123456, 160.98765, "[40, 160]"), (99.8642, 100.1357, "[99.86, 100.14]"), (5.0, 5.0, "[5.000, 5.000]")],
)
def test_bounds_are_given_to_two_digits_of_their_distance(low: float, high: float, text: str) -> None:
    """Where they are one, to four digits."""
    assert between(low, high) == text


@pytest.mark.parametrize(("half_width", "text"), [(None, "4,551"), (1500.0, "4,551 ± 1,500"), (20.0, "4,551 ± 20")])
def test_a_figure_is_shown_within_the_bounds_under_it(half_width: float | None, text: str) -> None:
    """Trials of an H100 scattered by half, and 4,551 J were shown as 4,600 above [4,528, 4,569]."""
    bounds = Bounds(4528.0, 4550.6, 4569.0)
    assert cell(bounds, half_width=half_width, resolved=True, relative_scatter=0.5) == f"{text}\n[4,528, 4,569]"


def test_a_score_that_is_withheld_names_no_more_than_is_known() -> None:
    """100 ± 60 J are known to tens; without bounds none are made up."""
    gpu = {"resolved": False, "energy_low_j": 40.123456, "energy_high_j": 160.98765}
    assert why_no_score({"components": {"gpu": gpu}}) == (
        "its GPU energy is not resolved: a pass used between the bounds [40, 160] J"
    )
    assert why_no_score({"components": {"gpu": {"resolved": False}}}) == "its GPU energy is not resolved"


def test_no_sentence_gives_bounds_a_fixed_number_of_digits() -> None:
    """No low and high of anything is formatted to four digits whatever their distance."""
    source = Path(ai_energy_benchmarks.__file__).parent
    fixed = re.compile(r"\{[^{}]*\b(?:low|high)(?:_\w+)?:\.\d[gf]\}")
    assert [str(file) for file in sorted(source.rglob("*.py")) if fixed.search(file.read_text(encoding="utf-8"))] == []


def test_a_first_trial_that_stands_apart_asks_for_a_longer_warm_up() -> None:
    """Other programs are to blame for any other trial, or for a first one that costs less."""
    calm = [100.0, 100.1, 99.9, 100.05, 99.95]

    def advice(*energies_j: float) -> str:
        trials = [trial(number, reading(energy_j=energy_j)) for number, energy_j in enumerate(energies_j, start=1)]
        (line,) = [each for each in repetition_findings(["gpu"], trials) if each.check == "outliers"]
        assert line.level == "WARN"
        return line.message

    assert "fix: raise protocol.warmup.requests to those of a pass" in advice(130.0, *calm)
    assert "fix: " not in advice(*calm, 130.0)
    assert "fix: " not in advice(70.0, *calm)
