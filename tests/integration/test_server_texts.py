"""Texts of a server's answers: decoded only where they are to be kept, and only after the window."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import polars
import pytest
from attrs import evolve

from ai_energy_benchmarks.backends.server.vllm import VllmBackend
from ai_energy_benchmarks.config.model import BackendConfig, BenchmarkConfig, LoadConfig, MetricsConfig, ScenarioConfig
from ai_energy_benchmarks.config.protocol import ProtocolConfig, WarmupConfig
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.integration.test_openai_server import batch, settings, three_tokens
from tests.servers import Exchange, running


@pytest.mark.parametrize(("saved", "texts", "characters"), [(True, ["abc"] * 4, 3), (False, None, None)])
def test_texts_are_in_the_rows_where_they_were_asked_for(
    tmp_path: Path, saved: bool, texts: list[str] | None, characters: int | None
) -> None:
    """Without ``save_texts`` nothing is known of them, which is not a length of 0."""
    with running(three_tokens) as server:
        config = BenchmarkConfig(
            BackendConfig("openai", "scripted", endpoint=server.endpoint),
            scenario=ScenarioConfig(num_samples=2),
            load=LoadConfig(concurrency=2),
            protocol=ProtocolConfig(bare_idle_s=0, resident_idle_s=0, warmup=WarmupConfig(requests=0), trials=2),
            metrics=MetricsConfig(enabled=False),
            save_texts=saved,
            rows_memory_bytes=0,
        )
        BenchmarkRunner(config, reporters=[ParquetReporter.from_settings(ReporterSettings(tmp_path))]).run()
    rows = polars.read_parquet(tmp_path / "requests.parquet")
    assert rows["ok"].all()
    assert rows["output_characters"].unique().to_list() == [characters]
    assert rows["output_sha256"].is_not_null().all() is saved
    assert (rows["output"].to_list() if saved else None) == texts


def test_a_request_that_is_given_up_leaves_no_error_behind() -> None:
    """After Ctrl-C nobody waits for the answers any more, and nobody need be told that they do not come."""
    heard: list[dict[str, object]] = []

    async def silent(exchange: Exchange) -> None:
        await asyncio.sleep(30)

    async def interrupted(endpoint: str) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        with VllmBackend(evolve(settings(endpoint), keep_text=True)) as backend:
            task = asyncio.create_task(backend.generate(batch("hello")))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])
        await asyncio.sleep(0.05)
        gc.collect()

    with running(silent) as server:
        asyncio.run(interrupted(server.endpoint))
    assert heard == []
