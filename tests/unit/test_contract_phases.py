"""Energy by phase, split by time: thinking apart from the answer, prefill apart from decode."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.time_shares import TimeShares, Undivided, time_shares
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ClientLoad
from ai_energy_benchmarks.reporters.aienergyscore import AIEnergyScoreReporter
from ai_energy_benchmarks.results.document.phases import Phases, phases_by_time
from ai_energy_benchmarks.results.document.report import report_document
from tests.factories import reading, result, trial


def done(sent_s: float, times_s: tuple[float, ...], thinking: int | None = None, number: int = 0) -> Completion:
    """A request whose tokens came at ``times_s``."""
    return Completion(
        number=number,
        prompt_tokens=5,
        output_tokens=len(times_s),
        token_source="token_ids",
        sent_s=sent_s,
        token_times_s=array("d", times_s),
        finished_s=times_s[-1] if times_s else sent_s,
        finish_reason="stop",
        reasoning_tokens=thinking,
    )


def window(*outcomes: Completion, stop_s: float = 10.0) -> Trial:
    return Trial(1, 0.0, stop_s, None, outcomes)


def test_one_request_after_another() -> None:
    """2 s to the first token, 6 s for the others, and 2 s of the window without a request."""
    shares = time_shares([window(done(1.0, (3.0, 5.0, 9.0)))])
    assert isinstance(shares, TimeShares)
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.2, 0.2, 0.6))
    assert shares.thinking is shares.answer is None


def test_a_last_token_behind_the_end_of_the_window_takes_no_time_from_outside() -> None:
    """1 s to the first token and 10 s for the rest, in a window of 10 s: parts of 11 s, and nothing is outside."""
    shares = time_shares([window(done(0.0, (1.0, 11.0)))])
    assert isinstance(shares, TimeShares)
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.0, 1 / 11, 10 / 11))
    assert shares.outside == 0.0


def test_thinking_ends_with_its_last_token() -> None:
    """Two of the three tokens are thinking: 2 s of the 6 s of decode."""
    shares = time_shares([window(done(1.0, (3.0, 5.0, 9.0), thinking=2))])
    assert isinstance(shares, TimeShares)
    assert (shares.thinking, shares.answer) == pytest.approx((0.2, 0.4))


def test_requests_side_by_side_share_their_time() -> None:
    """Two equal requests at once give the shares of one."""
    shares = time_shares([window(done(1.0, (3.0, 5.0, 9.0), 0), done(1.0, (3.0, 5.0, 9.0), 0, number=1))])
    assert isinstance(shares, TimeShares)
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.2, 0.2, 0.6))
    assert shares.thinking == 0.0


@pytest.mark.parametrize("outcomes", [(), (done(1.0, ()),)])
def test_without_a_token_there_are_no_shares(outcomes: tuple[Completion, ...]) -> None:
    """Nothing is divided by nothing."""
    assert time_shares([window(*outcomes)]) == Undivided("no request showed its first token")


def offline_batch(
    rows: int, at_once: int, *, prefill_s: float = 0.38, decode_s: float = 20.0
) -> tuple[Completion, ...]:
    """An engine that takes all rows and runs ``at_once`` of them at a time, each wave as long as the one before."""
    answers = []
    for number in range(rows):
        begins_s = (number // at_once) * (prefill_s + decode_s)
        times_s = tuple(begins_s + prefill_s + decode_s * token / 20 for token in range(21))
        answers.append(done(0.0, times_s, number=number))
    return tuple(answers)


def test_a_batch_that_the_engine_runs_in_waves_has_no_phases() -> None:
    """128 rows, 16 at a time, 1.9 % of the time prefill: the wait of the later rows is no prefill, so none is given."""
    shares = time_shares([window(*offline_batch(128, 16), stop_s=163.04)])
    assert isinstance(shares, Undivided)
    assert "did not begin together: their first tokens came 0.38 to 143 s after it was sent" in shares.reason


def test_a_batch_that_the_engine_runs_at_once_has_phases() -> None:
    """The same 16 rows alone: 1.9 % of the time until their first tokens, whatever the number of rows."""
    shares = time_shares([window(*offline_batch(16, 16), stop_s=20.38)])
    assert isinstance(shares, TimeShares)
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.0, 0.38 / 20.38, 20 / 20.38))


def test_rows_that_end_early_do_not_make_prefill_larger() -> None:
    """A batch of 10 s with 1 s to its first tokens is 10 % prefill, though one row had ended after 2 s."""
    shares = time_shares([window(done(0.0, (1.0, 2.0)), done(0.0, (1.0, 5.0, 10.0), number=1))])
    assert isinstance(shares, TimeShares)
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.0, 0.1, 0.9))


@pytest.mark.parametrize(("last_s", "divided"), [(1.1, True), (1.2, False)])
def test_first_tokens_a_tenth_apart_are_together(last_s: float, divided: bool) -> None:
    """Streams of one step are read one after the other; prefill is then until the last of them."""
    shares = time_shares([window(done(0.0, (1.0, 9.0)), done(0.0, (last_s, 10.0), number=1))])
    assert isinstance(shares, TimeShares) is divided
    if isinstance(shares, TimeShares):
        assert (shares.prefill, shares.decode) == pytest.approx((0.11, 0.89))


@pytest.mark.parametrize("second", [done(1.0, (3.0, 9.0), number=1), done(2.0, (3.0, 9.0), number=1)])
def test_requests_side_by_side_on_a_server_have_no_phases(second: Completion) -> None:
    """A server with a queue makes the time to the first token mean something else, sent together or not."""
    served = evolve(window(done(1.0, (3.0, 9.0)), second), client=ClientLoad(2, 1.0, 0.0))
    shares = time_shares([served])
    assert isinstance(shares, Undivided)
    assert "several requests were in flight at a time" in shares.reason
    assert "load.concurrency: 1" in shares.reason


def test_requests_that_overlap_have_no_phases_in_a_part_of_a_run_either() -> None:
    """A part of a trial knows of no client; requests that were sent at different times were no batch."""
    shares = time_shares([window(done(1.0, (3.0, 9.0)), done(2.0, (4.0, 9.0), number=1))])
    assert isinstance(shares, Undivided)


def test_one_request_at_a_time_on_a_server_has_phases() -> None:
    """Without a queue the time to the first token is prefill."""
    served = evolve(window(done(1.0, (3.0, 5.0)), done(5.0, (6.0, 9.0), number=1)), client=ClientLoad(1, 1.0, 0.0))
    shares = time_shares([served])
    assert isinstance(shares, TimeShares)
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.2, 0.3, 0.5))


def test_a_request_that_leaves_as_the_last_one_ends_does_not_overlap_it() -> None:
    """0.3 + (0.9 - 0.3) is more than 0.9 in floating point; a simulated clock sends the next request at 0.9."""
    first, second = done(0.3, (0.5, 0.9)), done(0.9, (1.4, 1.6), number=1)
    assert first.sent_s + first.e2e_s > second.sent_s
    assert isinstance(time_shares([window(first, second)]), TimeShares)


def test_batches_one_after_another_have_phases() -> None:
    """The next batch begins where the last one ended."""
    first = (done(0.0, (1.0, 4.0)), done(0.0, (1.0, 5.0), number=1))
    second = (done(5.0, (6.0, 10.0), number=2), done(5.0, (6.0, 8.0), number=3))
    shares = time_shares([window(*first, *second)])
    assert isinstance(shares, TimeShares)
    assert (shares.prefill, shares.decode) == pytest.approx((0.2, 0.8))


def test_time_of_requests_that_showed_nothing_belongs_to_no_phase() -> None:
    """A second of a failed request in ten is a tenth of the energy of which nobody knows what it was."""
    failed = FailedCompletion(1, "status 500", sent_s=9.0, finished_s=10.0)
    shares = time_shares([window(done(0.0, (1.0, 9.0)), failed)])
    assert shares == Undivided("10.0% of the time lies in requests that showed no token")
    shares = time_shares([window(done(0.0, (1.0, 9.0)), evolve(failed, finished_s=9.05))])
    assert isinstance(shares, TimeShares)


def test_an_answer_in_one_piece_is_not_all_prefill() -> None:
    """A server that does not stream shows its first token with its last."""
    whole = evolve(done(0.0, (9.0,)), output_tokens=40, first_event_tokens=None)
    shares = time_shares([window(whole)])
    assert isinstance(shares, Undivided)
    assert "too few chunks" in shares.reason
    many = evolve(done(0.0, tuple(map(float, range(1, 21)))), output_tokens=40, first_event_tokens=None)
    assert isinstance(time_shares([window(many)]), TimeShares)


def test_a_window_is_not_more_than_full() -> None:
    """A last token a moment behind the window leaves nothing below zero for the time outside of requests."""
    shares = time_shares([window(done(0.0, (2.0, 10.5)))])
    assert isinstance(shares, TimeShares)
    assert shares.outside == 0.0
    assert shares.prefill + shares.decode == pytest.approx(1.0)


def test_thinking_is_told_by_tokens_and_not_by_events() -> None:
    """Eight of sixteen tokens in two of four steps are the time until the second step."""
    answer = evolve(done(0.0, (1.0, 2.0, 3.0, 5.0), thinking=8), output_tokens=16, first_event_tokens=4)
    shares = time_shares([window(answer)])
    assert isinstance(shares, TimeShares)
    assert shares.thinking == pytest.approx(0.1)


def test_files_say_why_there_are_no_phases(tmp_path: Path) -> None:
    """The keys are there, null, with the reason: in the report document and in the files for AI Energy Score."""
    rows = tuple(evolve(each, sent_s=20.0) for each in offline_batch(128, 16))
    rows = tuple(evolve(each, token_times_s=array("d", (20 + t for t in each.token_times_s))) for each in rows)
    found = result([evolve(trial(1, reading(), duration_s=200.0), outcomes=rows)])
    document = report_document(found)
    assert document["phases_by_time"] is None
    assert "did not begin together" in document["phases_by_time_absent"]
    AIEnergyScoreReporter(tmp_path).report(found)
    summary = json.loads((tmp_path / "GPU_ENERGY_SUMMARY.json").read_text())
    assert (summary["prefill_wh"], summary["decode_wh"], summary["preprocess_wh"], summary["split"]) == (None,) * 4
    assert "did not begin together" in summary["split_absent"]
    assert summary["total"] is not None
    report = json.loads((tmp_path / "benchmark_report.json").read_text())
    assert report["prefill"]["energy"] is None
    assert "did not begin together" in report["prefill"]["reason"]


def test_files_have_the_phases_where_there_are_some(tmp_path: Path) -> None:
    """One request at a time: the parts are the total, and no reason stands next to them."""
    found = result([evolve(trial(1, reading()), outcomes=(done(20.0, (22.0, 24.0, 28.0)),))])
    document = report_document(found)
    assert document["phases_by_time_absent"] is None
    assert document["phases_by_time"]["shares"]["prefill"] == pytest.approx(0.2)
    AIEnergyScoreReporter(tmp_path).report(found)
    summary = json.loads((tmp_path / "GPU_ENERGY_SUMMARY.json").read_text())
    parts = (summary["preprocess_wh"], summary["prefill_wh"], summary["decode_wh"])
    assert sum(parts) == pytest.approx(summary["total"], rel=1e-5)
    assert "split_absent" not in summary


def test_the_parts_add_up_to_the_whole() -> None:
    """Preprocess, prefill and decode are the energy of the pass; tokens of each kind cost their own share."""
    outcomes = (done(20.0, (22.0, 24.0, 28.0), thinking=2),)
    one = evolve(trial(1, reading()), outcomes=outcomes)
    found = result([one])
    found = evolve(found, summary=summarise([one], ()))
    phases = phases_by_time(found)
    assert isinstance(phases, Phases)
    (energy,) = found.summary.components
    parts = phases.energy["gpu"]
    assert parts.preprocess_j + parts.prefill_j + parts.decode_j == pytest.approx(energy.energy_j)
    assert parts.per_thinking_token_j is not None
    assert parts.per_answer_token_j is not None
    assert 2 * parts.per_thinking_token_j + parts.per_answer_token_j == pytest.approx(parts.decode_j)
    assert parts.whole_per_answer_token_j == pytest.approx(energy.energy_j)
