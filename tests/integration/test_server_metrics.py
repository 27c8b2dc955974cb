"""A server's own word on its queue and cache: read beside a run against a real socket, and what the report says."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ai_energy_benchmarks.backends.server.metrics_page import ANY, TENSORRT_LLM, VLLM
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.servers import Exchange, ScriptedServer, delta, running, usage

GAUGES = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a {b} c"} 3.0
vllm:num_requests_running{engine="1",model_name="a {b} c"} 1.0
vllm:num_requests_waiting{engine="0"} 2.0 1700000000
vllm:num_requests_waiting_by_reason{engine="0"} 99.0
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.75
"""


def test_requests_are_summed_over_engines_and_shares_averaged() -> None:
    """Names that only begin alike are other metrics, and labels may hold anything."""
    assert VLLM.read_gauges(GAUGES) == ServerGauges(running_requests=4, waiting_requests=2, kv_cache_share=0.5)


def test_what_is_not_on_the_page_is_unknown_and_not_zero() -> None:
    """A page without any of the names tells nothing at all."""
    assert VLLM.read_gauges("vllm:num_requests_running 0\n") == ServerGauges(running_requests=0)
    assert VLLM.read_gauges("python_gc_objects_collected_total 5\n") is None
    assert VLLM.read_counters("python_gc_objects_collected_total 5\n") is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1"])
def test_what_is_no_finite_number_is_no_sample(value: str) -> None:
    """The format has such values; the other engines' still count."""
    counter = f'vllm:generation_tokens_total{{engine="0"}} {value}\n'
    assert VLLM.read_counters(counter) is None
    assert VLLM.read_counters(f'{counter}vllm:generation_tokens_total{{engine="1"}} 5\n') == ServerCounters(
        output_tokens=5
    )
    assert VLLM.read_gauges(f"vllm:num_requests_running {value}\n") is None


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (ANY, 'sglang:num_running_reqs{tp="0"} 4\nsglang:num_queue_reqs{tp="0"} 2\nsglang:token_usage{tp="0"} 0.5\n'),
        (ANY, "llamacpp:requests_processing 4\nllamacpp:requests_deferred 2\nllamacpp:kv_cache_usage_ratio 0.5\n"),
        (
            TENSORRT_LLM,
            "trtllm_num_requests_running 4\ntrtllm_num_requests_waiting 2\ntrtllm_kv_cache_utilization 0.5\n",
        ),
    ],
)
def test_other_servers_have_names_of_their_own(page: Any, text: str) -> None:
    """SGLang, llama.cpp and TensorRT-LLM tell the same three figures."""
    assert page.read_gauges(text) == ServerGauges(4, 2, 0.5)


@pytest.mark.parametrize(("share", "known"), [("0", 0.0), ("0.4", 0.4), ("1.0", 1.0), ("1.001", None), ("54.2", None)])
def test_a_share_above_one_is_none(share: str, known: float | None) -> None:
    """A page that has percent is not read as shares, not in part either; what else it has counts."""
    page = f'vllm:num_requests_running 3\nvllm:kv_cache_usage_perc{{engine="0"}} {share}\n'
    assert VLLM.read_gauges(page) == ServerGauges(running_requests=3, kv_cache_share=known)
    two = f'{page}vllm:kv_cache_usage_perc{{engine="1"}} 0.5\n'
    both = None if known is None else (known + 0.5) / 2
    assert VLLM.read_gauges(two) == ServerGauges(running_requests=3, kv_cache_share=both)
    alone = ServerGauges(kv_cache_share=known) if known is not None else None
    assert VLLM.read_gauges(f"vllm:kv_cache_usage_perc {share}\n") == alone


def test_sglang_s_counters_are_read() -> None:
    """All prompt tokens, and those that were found, by kind of memory."""
    page = (
        'sglang:prompt_tokens_total{model_name="m"} 400\n'
        'sglang:cached_tokens_total{cache_source="device"} 30\nsglang:cached_tokens_total{cache_source="host"} 12\n'
    )
    assert ANY.read_counters(page) == ServerCounters(prompt_tokens=400, prefix_cache_hit_tokens=42)


def test_cached_tokens_are_summed_over_the_tiers_of_the_cache() -> None:
    """TensorRT-LLM tells them for each kind of memory."""
    page = 'trtllm_prompt_cached_tokens_total{tier="gpu"} 30\ntrtllm_prompt_cached_tokens_total{tier="host"} 12\n'
    assert TENSORRT_LLM.read_counters(page) == ServerCounters(prefix_cache_hit_tokens=42)


WARM_UP = 2

in_work: set[int] = set()


async def _slow(exchange: Exchange) -> None:
    in_work.add(id(exchange))
    try:
        await exchange.begin_stream()
        for _ in range(2):
            await exchange.event(delta(content="a"))
            await asyncio.sleep(0.1)
        await exchange.event(usage(10, 2))
        await exchange.end_stream()
    finally:
        in_work.discard(id(exchange))


def _gauges() -> str:
    """As above while anything runs; nothing in work or in the queue otherwise."""
    return GAUGES if in_work else "vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server whose page tells of two preemptions between any two readings of its counters."""
    preempted = count(0, 2)
    with running(_slow) as serving:
        serving.pages["/metrics"] = lambda: f"{_gauges()}vllm:num_preemptions_total {next(preempted)}\n"
        yield serving


def run(server: ScriptedServer, directory: Path, **changes: object) -> BenchmarkResult:
    chosen = {
        "backend.type": "vllm",
        "backend.model": "scripted",
        "backend.endpoint": server.endpoint,
        "load.concurrency": 2,
        "load.watch_server_s": 0.2,
        "scenario.num_samples": 8,
        "protocol.bare_idle_s": 0,
        "protocol.resident_idle_s": 0,
        "protocol.warmup.requests": WARM_UP,
        "protocol.trials": 2,
        "metrics.enabled": False,
        "output_dir": str(directory),
        **changes,
    }
    file = directory / "wanted.yaml"
    file.write_text("{}\n")
    reporters = [JsonReporter(directory / "result.json"), ParquetReporter(directory / "requests.parquet")]
    runner = BenchmarkRunner(load_config(file, chosen), reporters=reporters)
    runner.run()
    assert runner.result is not None
    return runner.result


def test_queue_cache_and_preemptions_are_in_every_report(server: ScriptedServer, tmp_path: Path) -> None:
    """Document, console and verdict; re-analysis keeps them."""
    result = run(server, tmp_path)
    document = json.loads((tmp_path / "result.json").read_text())
    told = document["server"]
    assert (told["running_mean"], told["waiting_most"], told["kv_cache_most_share"]) == (4, 2, 0.5)
    assert told["readings"] == sum(each["server_load"]["readings"] for each in document["trials"]) >= 4
    assert told["preemptions"] >= 4
    assert told["prefix_cache_hit_share"] is None
    text = io.StringIO()
    ConsoleReporter(Console(file=text, width=200)).report(result)
    assert (
        "4 requests running and 2 waiting on average, at most 2 waiting, KV cache at most 50.0% full" in text.getvalue()
    )
    [finding] = [each for each in result.verdict.findings if each.check == "preemptions"]
    assert finding.level == "WARN"
    assert differences(reanalyse(tmp_path), tmp_path) == ()


def test_within_a_window_it_is_asked_only_as_often_as_was_said(server: ScriptedServer, tmp_path: Path) -> None:
    """Apart from the edges of a trial it is not read with ``watch_server_s: 0``, or with one request at a time."""
    for changes in ({"load.watch_server_s": 0}, {"load.concurrency": 1, "scenario.num_samples": 3}):
        server.seen.clear()
        result = run(server, tmp_path, **{"protocol.trials": 1, **changes})
        paths = [each.path for each in server.seen]
        answers = [row for row, path in enumerate(paths) if path.endswith("/completions")]
        assert "/metrics" not in paths[answers[WARM_UP] : answers[WARM_UP + 2]]  # of the trial
        assert paths.count("/metrics") >= 2 * len(result.trials)
        assert all(each.server_load is None for each in result.trials)
        assert all(each.server is not None for each in result.trials)


def test_a_server_without_a_page_is_asked_once_a_window_and_costs_nothing_else(tmp_path: Path) -> None:
    """Requests go on as if nobody had asked, and the report has no block of the server."""
    with running(_slow) as server:
        result = run(server, tmp_path, **{"backend.type": "openai"})
    assert result.summary.succeeded == 8
    assert json.loads((tmp_path / "result.json").read_text())["server"] is None
    asked = [each.path for each in server.seen].count("/metrics")
    assert asked <= 5 * len(result.trials)  # its counters at the edges, once within, once for what it still runs
