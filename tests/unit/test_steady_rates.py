"""Goodput, latencies and the server's own gauge under concurrency: of the steady state, and with a reason if not."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.running_checks import running_findings
from ai_energy_benchmarks.analysis.steady_checks import steady_findings
from ai_energy_benchmarks.config.slo import SloConfig
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.serving import ServerLoad
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reanalysis.parts import of_a_part
from ai_energy_benchmarks.testing import Engine
from ai_energy_benchmarks.testing.engine import step_seconds
from tests.unit.test_steady import Bench, found


def run(lengths: list[int], *, concurrency: int = 8, **server: object) -> BenchmarkResult:
    bench = Bench(concurrency, lengths, **server)  # type: ignore[arg-type] # under test
    slo = SloConfig(ttft_s=10.0)
    bench.config = evolve(bench.config, scenario=evolve(bench.config.scenario, slo=slo))
    return bench.result()


def test_goodput_is_at_the_rate_of_the_steady_state() -> None:
    """A straggler keeps the server busy with fillers for most of the time; the pass's own requests are few in it."""
    even, straggler = run([200] * 160), run([200] * 159 + [8000])
    for result in (even, straggler):
        steady, goodput = result.summary.steady, result.summary.goodput
        assert steady is not None
        assert goodput is not None
        assert (goodput.share, goodput.good_requests) == (1.0, 152)
        assert goodput.requests_per_s == pytest.approx(steady.output_tokens_per_s / steady.request_output_tokens)
    assert straggler.summary.goodput is not None
    assert straggler.summary.goodput.requests_per_s > 2 * 160 / straggler.summary.duration_s  # type: ignore[operator] # known


def test_a_latency_of_no_request_says_why() -> None:
    """As many requests as are to be in flight are all sent before the steady state begins."""
    result = run([200] * 8)
    assert (result.summary.ttft_s, result.summary.e2e_s) == (None, None)
    notes = report_document(result)["latency_ms"]["notes"]
    assert set(notes) == {"ttft", "itl", "tpot", "e2e"}
    assert set(notes.values()) == {"no request of a pass was sent in the steady state; raise scenario.num_samples"}
    [(level, message)] = found(result, "latency")
    assert (level, message[:21]) == ("INFO", "TTFT, ITL, TPOT, E2E:")
    [(level, message)] = found(result, "goodput")
    assert (level, "no request was sent in the time that counts; fix: " in message) == ("WARN", True)
    assert "3 × the p95 of E2E (1.46 s)" in " ".join(message for _, message in found(result, "steady state"))


def test_halves_that_differ_for_a_reason_name_no_number_of_samples() -> None:
    """A server that becomes ever slower would need millions of them by the rule of chance."""
    steps = iter(range(10**9))

    def slower(batch: int, context_tokens: float, prefill_tokens: int) -> float:
        return step_seconds(batch, context_tokens, prefill_tokens) * (1 + next(steps) / 4000)

    messages = [message for _, message in found(run([200] * 160, engine=Engine(seconds=slower)), "steady state")]
    [halves] = [each for each in messages if "second half" in each]
    assert "its speed or its power changes, so that more samples will not help; fix: let it settle" in halves


@pytest.mark.parametrize(("running", "level"), [(8.0, "PASS"), (7.9, "PASS"), (9.5, "WARN")])
def test_a_server_that_runs_more_than_were_sent_is_used_by_others(running: float, level: str) -> None:
    """A server without a counter of output tokens shows others only there."""
    result = run([200] * 160)
    (trial,) = result.trials
    assert trial.steady is not None
    busy = evolve(trial, steady=evolve(trial.steady, server_load=ServerLoad(5, running_mean=running)))
    [finding] = [each for each in steady_findings([busy], result.summary) if each.check == "server load"]
    assert finding.level == level
    assert ("something else uses it" in finding.message) == (level == "WARN")


@pytest.mark.parametrize(
    ("loads", "level", "message"),
    [
        # What a real vLLM with max_num_seqs=2 showed on two cores: one reading fell between two requests.
        (
            [(2, 4.0, 4.0), (2, 4.0, 4.0), (2, 2.0, 4.0)],
            "WARN",
            "ran 3.33 of 8 requests on average over the steady window",
        ),
        (
            [(1, 8.0, 8.0), (1, 8.0, 8.0), (1, 8.0, 8.0)],
            "PASS",
            "ran 8.00 of 8 requests on average over the steady window",
        ),
        ([(1, 8.0, 8.0), (1, 8.0, 8.0), (1, 0.0, 0.0)], "WARN", "by 3 readings (at most 8)"),
        ([(2, 3.0, 3.0), (2, 3.0, 3.0)], "FAIL", "ran 3.00 of 8 requests"),
        ([(20, 8.0, 8.0), (20, 8.0, 8.0), (20, 3.0, 8.0)], "FAIL", "ran 3.00 of 8 requests"),
    ],
)
def test_one_reading_of_a_gauge_decides_nothing(
    loads: list[tuple[int, float, float]], level: str, message: str
) -> None:
    """Few readings count together, and are a FAIL only if each is low; a trial with many counts by itself."""
    result = run([200] * 160)
    (trial,) = result.trials
    assert trial.steady is not None
    trials = [
        evolve(
            trial, steady=evolve(trial.steady, server_load=ServerLoad(readings, running_mean=mean, running_most=most))
        )
        for readings, mean, most in loads
    ]
    [finding] = running_findings(trials)
    assert finding.level == level
    assert message in finding.message


@pytest.mark.parametrize(("waiting", "message"), [(6.0, "raise the server's own limit"), (0.0, "its gauge lags")])
def test_requests_that_neither_run_nor_wait_are_not_put_down_to_a_limit(waiting: float, message: str) -> None:
    """A real vLLM that ran four of four showed 2.44 and an empty queue: its gauge is 0 during the next prefill."""
    (trial,) = run([200] * 160).trials
    assert trial.steady is not None
    load = ServerLoad(9, running_mean=2.0, running_most=8.0, waiting_mean=waiting)
    [finding] = running_findings([evolve(trial, steady=evolve(trial.steady, server_load=load))])
    assert finding.level == "WARN"
    assert message in finding.message


def test_a_gauge_that_was_read_outside_of_the_window_alone_is_said() -> None:
    """With what to change; a server that reports no running requests is not asked for any."""
    (trial,) = run([200] * 160).trials
    assert trial.steady is not None
    unread = evolve(trial, steady=evolve(trial.steady, server_load=None), server_load=ServerLoad(2, running_mean=8.0))
    [finding] = running_findings([unread])
    assert (finding.level, finding.message.endswith("; lower load.watch_server_s")) == ("INFO", True)
    assert list(running_findings([evolve(unread, server_load=None)])) == []
    assert list(running_findings([evolve(unread, server_load=ServerLoad(2, waiting_mean=1.0))])) == []
    assert list(running_findings([evolve(unread, steady=None)])) == []


def test_a_part_of_a_run_is_held_to_the_load_in_it() -> None:
    """A cut has no client and no gauge of its own: its requests are counted, and what the server ran is still said."""
    result = run([200] * 160, engine=Engine(most_running=3))
    (trial,) = result.trials
    assert trial.steady is not None
    for part_s, in_flight in ((10.0, "PASS"), (trial.duration_s + 200.0, "FAIL")):
        cut = evolve(trial, stop_s=trial.start_s + part_s, client=None, steady=None, fillers=(), outcomes=())
        _, findings = of_a_part(result.summary, (trial,), (cut,), None)
        assert [each.level for each in findings if each.check == "concurrency"] == [in_flight]
        assert [each.level for each in findings if each.check == "server load"] == ["FAIL"]
