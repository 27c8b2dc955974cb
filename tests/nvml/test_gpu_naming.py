"""A run against a server on a simulated host of eight GPUs, for each way of knowing which of them the server uses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, Machine, constant
from tests.servers import Exchange, delta, running, usage

GPUS = tuple(f"GPU-{n}{n}{n}{n}0000-0000-0000-0000-000000000000" for n in range(8))
IDLE_W, WORK_W = 140.0, 510.0
TOKENS, STEP_S = 8, 0.03


def host(simulate: Simulate, *working: int, listed: tuple[int, ...] = ()) -> Machine:
    """Eight GPUs at rest, of which some work for whoever answers; the driver lists this process on some.

    Args:
        working: numbers of the GPUs that work.
        listed: numbers of those on which the driver lists the server.
    """
    return simulate(
        *(
            Board(
                gpu,
                constant(IDLE_W),
                tick_s=0.01,
                delay_s=0.005,
                utilization=0.0,
                work_w=WORK_W if number in working else 0.0,
                pids=(os.getpid(),) if number in listed else (),
            )
            for number, gpu in enumerate(GPUS)
        )
    )


@contextmanager
def served(machine: Machine, tokens: int) -> Iterator[str]:
    """The endpoint of a server whose GPUs work while it answers."""

    async def answer(exchange: Exchange) -> None:
        with machine.work():
            await exchange.begin_stream()
            for _ in range(tokens):
                await asyncio.sleep(STEP_S)
                await exchange.event(delta(content="x"))
        await exchange.event(delta(finish_reason="length"))
        await exchange.event(usage(5, tokens))
        await exchange.end_stream()

    with running(answer) as server:
        yield server.endpoint


def run(machine: Machine, folder: Path, trials: int = 1, tokens: int = TOKENS, **backend: object) -> BenchmarkResult:
    """A benchmark of that server, with short rests, its files in ``folder``."""
    with served(machine, tokens) as endpoint:
        config = {
            "backend": {"type": "vllm", "model": "scripted", "endpoint": endpoint, **backend},
            "scenario": {"num_samples": 1, "generate_kwargs": {"max_new_tokens": tokens}},
            "protocol": {
                "bare_idle_s": 0,
                "resident_idle_s": 0.3,
                "settle_cap_s": 0,
                "warmup": {"requests": 1},
                "thermal_gate": False,
                "trials": trials,
            },
            "metrics": {"collectors": ["nvml"], "country_iso_code": "FRA"},
            "reporters": [{"type": "json"}, {"type": "parquet"}],
            "output_dir": str(folder),
        }
        runner = BenchmarkRunner(config_from_mapping(config))
        runner.run()
    assert runner.result is not None
    return runner.result


def counted(trial: Trial) -> set[int]:
    """Numbers of the GPUs that count."""
    assert trial.measurement is not None
    return {GPUS.index(each.device.id) for each in trial.measurement.readings if each.counted}


def findings(result: BenchmarkResult, check: str) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in result.verdict.findings if each.check == check]


def assert_energy_is_that_of(machine: Machine, result: BenchmarkResult, gpu: int) -> None:
    """Each trial counts this GPU alone, and its bounds hold what it drew."""
    for trial in result.trials:
        assert counted(trial) == {gpu}
        assert trial.measurement is not None
        [reading] = [each for each in trial.measurement.readings if each.counted]
        truth_j = machine.energy_j(gpu, trial.start_s, trial.stop_s)
        assert reading.bounds_j.low - 0.01 <= truth_j <= reading.bounds_j.high + 0.01
        assert truth_j > 1.5 * IDLE_W * trial.duration_s


def test_the_config_names_gpu_0_of_eight(simulate: Simulate, tmp_path: Path) -> None:
    """``device_ids: [0]`` is GPU 0 alone, also where the server is in a container and lists no process here."""
    machine = host(simulate, 0)
    result = run(machine, tmp_path / "out", device_ids=[0])
    assert_energy_is_that_of(machine, result, 0)
    assert result.subject.device_ids == (0,)
    [(level, message)] = findings(result, "GPUs counted")
    assert level == "PASS"
    assert "as backend.device_ids names them" in message
    assert findings(result, "counted GPU idle") == findings(result, "uncounted GPU worked") == []


def test_the_driver_lists_the_server_on_gpu_3(simulate: Simulate, tmp_path: Path) -> None:
    """Its energy counts; the report names its number, as the config named none."""
    machine = host(simulate, 3, listed=(3,))
    result = run(machine, tmp_path / "out")
    assert_energy_is_that_of(machine, result, 3)
    assert report_document(result)["config"]["device_ids"] == [3]
    [(_, message)] = findings(result, "GPUs counted")
    assert "as the driver lists the engine's processes on them" in message


def test_nothing_names_the_gpu_but_its_work(
    simulate: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that hides GPU 3 from the client says nothing of the server; re-analysis finds the same GPU."""
    machine = host(simulate, 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    result = run(machine, tmp_path / "out", trials=2)
    assert_energy_is_that_of(machine, result, 3)
    [(level, message)] = findings(result, "GPUs by activity")
    assert level == "WARN"
    assert GPUS[3] in message
    assert "fix: name the engine's GPUs in backend.device_ids" in message
    [gpu] = result.summary.components
    assert gpu.idle_power_w == pytest.approx(IDLE_W, rel=0.05)
    again = reanalyse(tmp_path / "out")
    assert differences(again, tmp_path / "out") == ()
    assert findings(again, "GPUs by activity") == findings(result, "GPUs by activity")


def test_the_config_names_another_gpu_than_the_servers(simulate: Simulate, tmp_path: Path) -> None:
    """As with rank 0 of a cluster's engine in the driver: GPU 0 is counted and idles, GPU 3 works uncounted."""
    machine = host(simulate, 3, listed=(3,))
    # Idle is power within 2 % of that at rest: readings that a busy machine delays at the edges must not make so much.
    result = run(machine, tmp_path / "out", tokens=5 * TOKENS, device_ids=[0])
    [(level, message)] = findings(result, "counted GPU idle")
    assert level == "FAIL"
    assert GPUS[0] in message
    [(level, message)] = findings(result, "uncounted GPU worked")
    assert level == "FAIL"
    assert "the driver lists processes of the engine on it" in message
    assert GPUS[3] in message


def test_no_gpu_of_this_host_works(simulate: Simulate, tmp_path: Path) -> None:
    """A server behind a tunnel: no idle GPU stands for it, and nothing is computed from what is left."""
    result = run(host(simulate), tmp_path / "out")
    assert [counted(each) for each in result.trials] == [set()]
    assert "no GPU worked in the trials and rested before" in result.summary.absent["gpu"]
    assert [level for level, _ in findings(result, "energy")] == ["FAIL"]
    assert result.summary.total is None
    document: dict[str, Any] = report_document(result)
    assert document["energy"]["total_energy_source"] == document["energy"]["emissions_source"] == "absent"
    assert document["config"]["device_ids"] == []
