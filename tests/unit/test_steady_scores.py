"""What runs under concurrency give to AI Energy Score: the energy of their requests, not that of their fillers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.reporters.aienergyscore import AIEnergyScoreReporter
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.no_score import why_no_score
from ai_energy_benchmarks.results.scores import read_scores
from tests.unit.test_steady import Bench, steady_j


@pytest.fixture(scope="module")
def straggler() -> BenchmarkResult:
    """Fillers work longer than the pass's own requests."""
    return Bench(8, [200] * 159 + [8000], trials=2).result()


def test_the_total_is_that_of_the_requests(straggler: BenchmarkResult, tmp_path: Path) -> None:
    """The whole pass drew twice as much, for fillers; the interval is that of the steady state too."""
    AIEnergyScoreReporter(tmp_path).report(straggler)
    summary = json.loads((tmp_path / "GPU_ENERGY_SUMMARY.json").read_text())
    wh = steady_j(straggler) * straggler.summary.output_tokens / 3600
    assert summary["total"] == pytest.approx(wh)
    assert float((tmp_path / "GPU_ENERGY_WH.txt").read_text()) == pytest.approx(wh, rel=1e-5)
    assert summary["wh_per_1000_queries"] == pytest.approx(1000 * wh / 160)
    assert straggler.summary.components[0].energy_j / 3600 > 1.5 * wh
    steady = straggler.summary.steady
    assert steady is not None
    per_token = steady.components[0].per_output_token_j
    assert per_token is not None
    assert per_token.half_width is not None
    expected = per_token.half_width / per_token.mean * wh
    assert summary["repeatability_95_wh"] == pytest.approx(expected, abs=1e-12)


def test_without_a_steady_state_there_is_no_score(tmp_path: Path) -> None:
    """Too few requests to fill the slots: no number in any file, and the reason in each."""
    result = Bench(8, [200] * 6).result()
    (tmp_path / "GPU_ENERGY_WH.txt").write_text("12.3\n")
    AIEnergyScoreReporter(tmp_path).report(result)
    assert not (tmp_path / "GPU_ENERGY_WH.txt").exists()
    summary = json.loads((tmp_path / "GPU_ENERGY_SUMMARY.json").read_text())
    assert (summary["total"], summary["wh_per_1000_queries"]) == (None, None)
    assert "fewer than the 8 of load.concurrency" in summary["reason"]
    assert "fewer than the 8 of load.concurrency" in (why_no_score(report_document(result)) or "")


def test_stars_say_how_many_requests_were_in_flight(straggler: BenchmarkResult, tmp_path: Path) -> None:
    """The method has one at a time; energy per query falls with the batch."""
    engine = straggler.engine
    assert engine is not None
    sized = evolve(straggler, engine=evolve(engine, parameters=8_000_000_000))
    (tmp_path / "result.json").write_text(json.dumps(report_document(sized)))
    (score,) = read_scores([tmp_path / "result.json"])
    assert score.energy_j is not None
    assert "measured with 8 requests at a time, where the method has one" in score.note


def test_a_steady_state_that_is_not_resolved_gives_no_score(straggler: BenchmarkResult, tmp_path: Path) -> None:
    """Its pass may be: the edges of the longer window weigh less."""
    steady = straggler.summary.steady
    assert steady is not None
    wide = tuple(evolve(each, resolved=False) for each in steady.components)
    doubtful = evolve(straggler, summary=evolve(straggler.summary, steady=evolve(steady, components=wide)))
    assert "1,000 queries used between the bounds" in (why_no_score(report_document(doubtful)) or "")
    AIEnergyScoreReporter(tmp_path).report(doubtful)
    assert not (tmp_path / "GPU_ENERGY_WH.txt").exists()
    summary = json.loads((tmp_path / "GPU_ENERGY_SUMMARY.json").read_text())
    assert summary["reason"] == "the bounds of the figure of the steady state are too wide"
