"""The load of a real streaming server kept up by filler requests: salts, cancellation, gauges, and the files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.servers import Exchange, ScriptedServer, delta, running, usage

pytest.importorskip("polars", reason="re-analysis reads Parquet")
WATTS = 100.0


@define
class Streams:
    """A server that streams tokens at a steady pace, ``slots`` requests at a time, and shows how many run.

    Attributes:
        tokens: of an answer, by the order of arrival; the longest come first.
        per_event: output tokens in one event.
        hears: whether it gives a request up when its client has left.
    """

    slots: int = 100
    step_s: float = 0.01
    per_event: int = 1
    hears: bool = True
    running: int = 0
    waiting: int = 0
    given_up: int = 0
    made: int = 0
    bodies: list[dict[str, Any]] = field(factory=list)
    _free: asyncio.Semaphore | None = None

    async def answer(self, exchange: Exchange) -> None:
        self._free = self._free or asyncio.Semaphore(self.slots)
        self.bodies.append(exchange.body)
        length = 4 * (2 + len(self.bodies) % 4)
        self.waiting += 1
        async with self._free:
            self.waiting, self.running = self.waiting - 1, self.running + 1
            try:
                await self._stream(exchange, length)
            except ConnectionError:
                self.given_up += 1
                if not self.hears:
                    await asyncio.sleep(60)
                raise
            finally:
                self.running -= 1

    async def _stream(self, exchange: Exchange, length: int) -> None:
        counts = bool(exchange.body["stream_options"].get("continuous_usage_stats"))  # type: ignore[attr-defined]
        await exchange.begin_stream()
        for sent in range(self.per_event, length + 1, self.per_event):
            await asyncio.sleep(self.step_s * self.per_event)
            self.made += self.per_event
            told = {"usage": {"prompt_tokens": 10, "completion_tokens": sent}} if counts else {}
            await exchange.event({**delta(content="a" * self.per_event), **told})
        await exchange.event(usage(10, length))
        await exchange.end_stream()

    def page(self) -> str:
        return (
            f"vllm:num_requests_running {self.running}\nvllm:num_requests_waiting {self.waiting}\n"
            f"vllm:generation_tokens_total {self.made}\n"
        )


@contextmanager
def serving(streams: Streams) -> Iterator[ScriptedServer]:
    with running(streams.answer) as server:
        server.pages["/metrics"] = streams.page
        yield server


def run(server: ScriptedServer, directory: Path, **changes: object) -> BenchmarkResult:
    trace = directory / "trace.csv"
    trace.write_text(
        "component,device,time_s,power_w\n" + "".join(f"gpu,board,{0.05 * row},{WATTS}\n" for row in range(1200))
    )
    file = directory / "wanted.yaml"
    file.write_text("{}\n")
    chosen = {
        "backend.type": "vllm",
        "backend.model": "scripted",
        "backend.endpoint": server.endpoint,
        "backend.device_ids": [0],
        "load.concurrency": 4,
        "load.watch_server_s": 0.1,
        "scenario.num_samples": 12,
        "protocol.bare_idle_s": 0,
        "protocol.resident_idle_s": 0,
        "protocol.warmup.requests": 0,
        "protocol.trials": 2,
        "metrics.collectors": [{"type": "replay", "options": {"path": str(trace)}}],
        "reporters": ["json", "parquet"],
        "output_dir": str(directory / "out"),
        **changes,
    }
    runner = BenchmarkRunner(load_config(file, chosen))
    runner.run()
    assert runner.result is not None
    return runner.result


def found(result: BenchmarkResult, check: str) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in result.verdict.findings if each.check == check]


def test_fillers_keep_the_load_up_and_are_cancelled(tmp_path: Path) -> None:
    """They repeat the pass in order, each with a salt of its own; their connections close, and the server gives up."""
    streams = Streams()
    with serving(streams) as server:
        result = run(server, tmp_path)
    salts = [body["cache_salt"] for body in streams.bodies]
    by_salt = {salt: salts.count(salt) for salt in salts}
    assert sorted(by_salt.values(), reverse=True)[:2] == [12, 12]  # the two passes
    fillers = sum(len(trial.fillers) for trial in result.trials)
    assert fillers == len(salts) - 24 == sum(count == 1 for count in by_salt.values()) >= 6
    prompts = [body["messages"][-1]["content"] for body in streams.bodies]
    trial = result.trials[0]
    assert prompts[12 : 12 + len(trial.fillers)] == prompts[: len(trial.fillers)]
    cancelled = [each for each in trial.fillers if isinstance(each, Completion) and each.finish_reason == "cancelled"]
    assert 1 <= len(cancelled) <= 3
    assert streams.given_up == sum(
        isinstance(each, Completion) and each.finish_reason == "cancelled"
        for trial in result.trials
        for each in trial.fillers
    )
    assert streams.running == 0
    assert [level for level, _ in found(result, "server stopped")] == ["PASS"]


def test_fillers_count_in_no_pass_but_in_its_tokens_and_the_servers(tmp_path: Path) -> None:
    """Requests and latencies are the pass's, the counter agrees with both kinds, and the files give all of it again."""
    with serving(Streams()) as server:
        result = run(server, tmp_path)
    summary = result.summary
    assert (summary.requests, summary.succeeded, summary.failed) == (12, 12, 0)
    assert summary.whole_output_tokens > summary.output_tokens
    assert [level for level, _ in found(result, "token counts")] == ["PASS"]
    steady = summary.steady
    assert steady is not None
    (gpu,) = steady.components
    assert gpu.energy_j == pytest.approx(WATTS * steady.duration_s)
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_j.mean == pytest.approx(WATTS / steady.output_tokens_per_s, rel=0.02)
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    figures = document["derived"]["gpu"]
    assert figures["steady"]["j_per_output_token"]["value"] == gpu.per_output_token_j.mean
    per_request_wh = gpu.per_output_token_j.mean * summary.output_tokens / 12 / 3600
    assert figures["steady"]["wh_per_request"]["value"] == pytest.approx(per_request_wh)
    assert figures["wh_per_1000_queries"]["value"] == pytest.approx(1000 * per_request_wh)
    whole_j = summary.components[0].energy_j / summary.whole_output_tokens
    assert figures["whole_pass"]["j_per_output_token"]["value"] == pytest.approx(whole_j, rel=0.02)
    assert document["summary"]["total_prompts"] == 12
    assert document["summary"]["total_completion_tokens"] == summary.output_tokens
    assert document["steady_state"]["concurrency"] == 4
    assert document["trials"][0]["fillers"]["cancelled"] in (1, 2, 3)
    assert differences(reanalyse(tmp_path / "out"), tmp_path / "out") == ()


def test_tokens_per_event_come_from_usage_in_every_event(tmp_path: Path) -> None:
    """vLLM is asked for it; chunks of four tokens are then counted as four, of cancelled requests too."""
    streams = Streams(per_event=4)
    with serving(streams) as server:
        result = run(server, tmp_path)
    assert all(body["stream_options"]["continuous_usage_stats"] for body in streams.bodies)
    completions = [each for trial in result.trials for each in (*trial.outcomes, *trial.fillers)]
    assert all(set(each.event_tokens) <= {4} for each in completions if isinstance(each, Completion))
    assert any(len(each.event_tokens) for each in completions if isinstance(each, Completion))
    assert [level for level, _ in found(result, "token counts")] == ["PASS"]
    assert differences(reanalyse(tmp_path / "out"), tmp_path / "out") == ()


def test_a_server_that_goes_on_fails(tmp_path: Path) -> None:
    """It does not notice that its clients have left: its gauge shows them, and the wait ends at its limit."""
    with serving(Streams(hears=False)) as server:
        result = run(server, tmp_path, **{"load.cancel_cap_s": 0.3, "protocol.trials": 1})
    [(level, message)] = found(result, "server stopped")
    assert (level, message[:41]) == ("FAIL", "the server went on after cancelling: its ")
    assert result.verdict.level == "FAIL"


def test_a_server_that_runs_fewer_than_are_sent_is_found_out(tmp_path: Path) -> None:
    """Four are in flight, two run: the client's count is right, and the server's own gauge says what was measured."""
    with serving(Streams(slots=2)) as server:
        result = run(server, tmp_path)
    assert [level for level, _ in found(result, "concurrency")] != ["FAIL"]
    [(level, message)] = found(result, "server load")
    assert level in ("WARN", "FAIL")
    assert "of 4 requests on average over the steady window" in message
    assert result.verdict.level in ("WARN", "FAIL")


def test_fewer_requests_than_are_to_be_in_flight_have_no_steady_state(tmp_path: Path) -> None:
    """Three requests never fill four slots: FAIL, no steady figure, and none per request."""
    with serving(Streams()) as server:
        result = run(server, tmp_path, **{"scenario.num_samples": 3, "protocol.trials": 1})
    assert result.summary.steady is None
    [(level, message)] = found(result, "steady state")
    assert level == "FAIL"
    assert "fewer than the 4 of load.concurrency" in message
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert document["derived"]["gpu"]["steady"] is None
    assert document["derived"]["gpu"]["wh_per_1000_queries"] is None
    assert differences(reanalyse(tmp_path / "out"), tmp_path / "out") == ()


def test_fillers_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    """A run with one request in flight into the same directory has none, and no figure of a steady state."""
    with serving(Streams()) as server:
        run(server, tmp_path, **{"protocol.trials": 1})
        assert (tmp_path / "out" / "fillers.parquet").exists()
        result = run(server, tmp_path, **{"protocol.trials": 1, "load.concurrency": 1, "scenario.num_samples": 3})
    assert not (tmp_path / "out" / "fillers.parquet").exists()
    assert (result.trials[0].fillers, result.summary.steady, result.summary.steady_absent) == ((), None, "")
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert "steady" not in document["derived"]["gpu"]
