"""Goodput: which requests keep the objectives, and what a run says of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from attrs import evolve
from rich.console import Console

from ai_energy_benchmarks.analysis.doubtful_tokens import without_token_figures
from ai_energy_benchmarks.analysis.goodput import goodput, keeps
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.config.slo import SloConfig
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.serving import Slo
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.reanalysis.recompute import Changes, differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, Journal
from tests.factories import completion, failure, reading, trial

# Of ``completion()``: first token after 0.1 s, three more 0.05 s apart, so the last after 0.25 s.
KEPT = Slo(ttft_s=0.15, tpot_s=0.06, e2e_s=0.3)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (KEPT, True),
        (evolve(KEPT, ttft_s=0.09), False),
        (evolve(KEPT, tpot_s=0.04), False),
        (evolve(KEPT, e2e_s=0.2), False),
        (Slo(e2e_s=0.3), True),
    ],
)
def test_a_request_keeps_all_objectives_or_none(limit: Slo, kept: bool) -> None:
    """One limit that is passed is enough; what is not asked does not matter."""
    assert keeps(completion(), limit) is kept


def test_a_failed_request_is_not_good() -> None:
    """However fast it failed."""
    assert keeps(failure(), KEPT) is False


def test_one_token_has_no_later_ones_that_could_be_slow() -> None:
    """TPOT is undefined there, and kept."""
    assert keeps(completion(output_tokens=1), KEPT) is True


def test_an_answer_without_a_text_is_judged_by_its_end() -> None:
    """Where all of it came in time, so did its first token; else nobody knows."""
    silent = evolve(completion(output_tokens=1), token_times_s=[], first_event_tokens=None)
    assert keeps(silent, Slo(ttft_s=silent.e2e_s + 0.1, tpot_s=0.06)) is True
    assert keeps(silent, Slo(ttft_s=silent.e2e_s - 0.1)) is None


def test_several_tokens_an_event_leave_the_time_per_token_unknown() -> None:
    """A figure that nobody knows is not counted as kept; a limit that is passed anyway still is."""
    chunked = evolve(completion(), first_event_tokens=None)
    assert keeps(chunked, KEPT) is None
    assert keeps(chunked, evolve(KEPT, ttft_s=0.01)) is False
    found = goodput([([chunked, completion()], 1.0)], KEPT)
    assert found is not None
    assert (found.good_requests, found.unknown_requests, found.requests_per_s, found.share) == (1, 1, None, None)


def test_one_pass_with_an_unknown_request_leaves_the_rate_unknown() -> None:
    """Another pass of which all is known does not make it known."""
    chunked = evolve(completion(), first_event_tokens=None)
    found = goodput([([chunked, completion()], 1.0), ([completion(), completion()], 1.0)], KEPT)
    assert found is not None
    assert (found.unknown_requests, found.requests_per_s, found.share) == (0.5, None, None)


def test_the_rate_is_that_of_one_pass() -> None:
    """Passes of 3 and 1 good requests in 2 s each: 1 a second, two thirds of six."""
    slow = completion(first_s=0.5)
    passes = [([completion(), completion(), completion()], 2.0), ([completion(), slow, failure()], 2.0)]
    found = goodput(passes, KEPT)
    assert found is not None
    assert (found.good_requests, found.requests_per_s) == (2, 1)
    assert found.share == pytest.approx(4 / 6)
    assert goodput(passes, None) is None


def test_a_pass_of_no_length_or_no_request_has_no_rate() -> None:
    """Nothing is divided by nothing; what was counted stays, and a rate that is known is used."""
    empty = goodput([([], 1.0)], KEPT)
    assert empty is not None
    assert (empty.good_requests, empty.requests_per_s, empty.share) == (0, None, None)
    at_once = goodput([([completion()], 0.0)], KEPT)
    assert at_once is not None
    assert (at_once.good_requests, at_once.requests_per_s, at_once.share) == (1, None, None)
    given = goodput([([completion(), failure()], 2.0)], KEPT, 8.0)
    assert given is not None
    assert (given.requests_per_s, given.share) == (4.0, 0.5)


def test_a_known_share_has_a_rate() -> None:
    """By the passes, or by the rate that is given."""
    for requests_per_s, good_per_s in ((None, 0.5), (3.0, 3.0)):
        found = goodput([([completion()], 2.0)], KEPT, requests_per_s)
        assert found is not None
        assert found.requests_per_s == good_per_s


@pytest.mark.parametrize(("limits", "kept"), [(KEPT, False), (evolve(KEPT, tpot_s=None), True)])
def test_doubtful_tokens_withhold_a_goodput_that_hangs_on_them(limits: Slo, kept: bool) -> None:
    """The time per token is divided by their number; the time to the first one and the whole time are not."""
    judged = evolve(summarise([trial(1, reading())], []), goodput=goodput([([completion()], 2.0)], limits))
    withheld = without_token_figures(judged, "usage and events differ")
    assert withheld.goodput == (judged.goodput if kept else None)
    assert without_token_figures(evolve(judged, goodput=None), "a doubt").goodput is None


@pytest.mark.parametrize(("block", "words"), [("{}", "names no limit"), ("{ttft_s: 0}", "ttft_s")])
def test_an_objective_that_asks_nothing_is_refused(tmp_path: Path, block: str, words: str) -> None:
    """An empty block, and a limit that nothing can keep."""
    with pytest.raises(ConfigError, match=words):
        load_config(_config(tmp_path, block))


def _config(directory: Path, slo: str) -> Path:
    file = directory / "config.yaml"
    file.write_text(
        "backend: {type: pytorch, model: m}\n"
        f"scenario: {{num_samples: 4, slo: {slo}}}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 0}, trials: 2}\n"
        "metrics: {enabled: false}\n"
        f"output_dir: '{directory / 'out'}'\n"
    )
    return file


def _measured(directory: Path, slo: str) -> BenchmarkResult:
    """Four requests of one simulated second each, in two trials."""
    journal, out = Journal(), directory / "out"
    clock = FakeClock(journal)
    runner = BenchmarkRunner(
        load_config(_config(directory, slo)),
        backend=FakeBackend(journal, clock),
        collector=FakeCollector(journal, clock),
        clock=clock,
        reporters=[JsonReporter(out / "result.json"), ParquetReporter(out / "requests.parquet")],
    )
    runner.run()
    assert runner.result is not None
    return runner.result


def test_a_run_reports_it_everywhere_and_reanalysis_keeps_it(tmp_path: Path) -> None:
    """Document, console, table of results and verdict; the same again from the stored requests."""
    result = _measured(tmp_path, "{ttft_s: 60, e2e_s: 60}")
    assert result.summary.goodput is not None
    assert result.summary.goodput.share == 1
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert document["goodput"]["slo"] == {"ttft_s": 60, "tpot_s": None, "e2e_s": 60}
    assert document["goodput"]["requests_per_s"] == pytest.approx(1)
    row = result_row(result)
    assert (row["goodput_share"], row["slo_ttft_ms"], row["slo_tpot_ms"]) == ("1.0", "60000.0", "")
    text = io.StringIO()
    ConsoleReporter(Console(file=text, width=200)).report(result)
    assert "1.000 requests/s kept TTFT" in text.getvalue()
    assert {each.check: each.level for each in result.verdict.findings}["goodput"] == "PASS"
    assert differences(reanalyse(tmp_path / "out"), tmp_path / "out") == ()
    cut = reanalyse(tmp_path / "out", Changes(to_s=2.0)).summary.goodput
    assert cut is not None
    assert (cut.good_requests, cut.requests_per_s, cut.share) == (2, 1, 1)


def test_an_objective_that_no_request_keeps_is_told(tmp_path: Path) -> None:
    """A share of 0 is a figure, not a missing one."""
    result = _measured(tmp_path, "{e2e_s: 1.0e-9}")
    assert result.summary.goodput is not None
    assert (result.summary.goodput.requests_per_s, result.summary.goodput.share) == (0, 0)
    assert {each.check: each.level for each in result.verdict.findings}["goodput"] == "INFO"


def test_without_objectives_there_is_no_goodput(tmp_path: Path) -> None:
    """Neither a block in the document nor a line in the verdict."""
    result = _measured(tmp_path, "null")
    assert result.summary.goodput is None
    assert "goodput" not in {each.check for each in result.verdict.findings}
    assert json.loads((tmp_path / "out" / "result.json").read_text())["goodput"] is None
    assert result_row(result)["goodput_share"] == ""


def test_the_block_is_the_domain_s_own_value() -> None:
    """What the config holds is what the analysis takes."""
    assert isinstance(SloConfig(ttft_s=1.0), Slo)
