"""A server behind a tunnel, on a machine with an idle GPU of its own."""

from __future__ import annotations

from pathlib import Path

from ai_energy_benchmarks.domain.address import parse_address
from tests.integration.test_real_proxies import FORWARD, answer, named, run, started
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, constant
from tests.servers import running


def test_the_idle_gpu_of_this_machine_is_not_the_servers(simulate: Simulate, tmp_path: Path) -> None:
    """Its 20 W gave 0.2105 J/token ± 0.0040 for a server on another machine; with or without GPUs named."""
    simulate(Board("GPU-a", constant(20.0), tick_s=0.02))
    ssh = (named("ssh", tmp_path), "-S", "-c", FORWARD)
    with (
        running(answer) as server,
        started(*ssh, str(parse_address(server.endpoint).port)) as (_, port),
    ):
        for gpus in (None, [0]):
            result = run(f"http://127.0.0.1:{port}/v1", tmp_path / "out", {"collectors": ["nvml"]}, device_ids=gpus)
            (trial,) = result.trials
            assert trial.measurement is not None
            assert [reading.counted for reading in trial.measurement.readings] == [False]
            assert "another machine" in trial.measurement.absent["gpu"]
            assert result.summary.components == ()
            assert result.verdict.level == "FAIL"
