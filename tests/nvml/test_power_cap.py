"""A study of power limits on a simulated GPU whose server is as fast as the limit allows: killed, resumed, answered."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, Machine, constant
from tests.servers import Answer, Exchange, delta, running, usage

UUID = "GPU-aaaa1111-0000-0000-0000-000000000000"
IDLE_W, TOKENS = 50.0, 40
# Limit → output tokens/s. J per token is the limit over the speed: 2.5, 1.6 and 2.5 J, so 240 W is the best.
SPEEDS = {160.0: 64.0, 240.0: 150.0, 400.0: 160.0}
BEST_W = 240.0
LIMITS: Mapping[str, Any] = {"limit_w": 400.0, "min_limit_w": 100.0, "max_limit_w": 400.0}
PROGRAM = [sys.executable, "-m", "ai_energy_benchmarks"]


def capped(machine: Machine) -> Answer:
    """Draws what the limit allows while it answers, and is as fast as that makes it."""

    async def answer(exchange: Exchange) -> None:
        limit_w = machine.limit_now_w()
        await exchange.begin_stream()
        machine.draw(limit_w - IDLE_W)
        begin_s = time.perf_counter()
        for token in range(TOKENS):
            due_s = begin_s + (token + 1) / SPEEDS[limit_w]
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            await exchange.event(delta(content="t"))
        machine.draw(0.0)
        await exchange.event(delta(finish_reason="length"))
        await exchange.event(usage(7, TOKENS))
        await exchange.end_stream()

    return answer


def study(directory: Path, endpoint: str, cycles: int) -> Path:
    """The study file, as the recipe makes it, but short."""
    file = directory / "study.yaml"
    file.write_text(f"""
name: power-cap
base:
  backend: {{type: openai, model: scripted, endpoint: "{endpoint}", device_ids: [0]}}
  scenario: {{num_samples: 3, repeat: true, generate_kwargs: {{max_new_tokens: {TOKENS}}}}}
  metrics: {{collectors: [nvml]}}
  protocol: {{bare_idle_s: 0, resident_idle_s: 1, settle_cap_s: 0, thermal_gate: false, warmup: {{requests: 1}}}}
  reporters: [json]
sweep:
  gpu.power_limit_w: {list(SPEEDS)}
design: {{cycles: {cycles}, order: interleave}}
output_dir: {directory / "study"}
""")
    return file


def ended(directory: Path) -> int:
    """How many cells the manifest says have ended."""
    manifest = directory / "study" / "manifest.jsonl"
    return manifest.read_text().count('"ended"') if manifest.exists() else 0


def kill_in_a_cell(machine: Machine, directory: Path, process: subprocess.Popen[bytes], cells: int) -> None:
    """Wait until so many cells have ended and the next one has set its limit, then kill the study and that cell."""
    until_s = time.monotonic() + 120
    while ended(directory) < cells or machine.limit_now_w() == 400.0:
        assert time.monotonic() < until_s, "no cell has set a limit"
        assert process.poll() is None
        time.sleep(0.02)
    (note,) = (directory / "state" / "gpu").glob("*.json")
    for pid in (process.pid, json.loads(note.read_text())["pid"]):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def test_sigterm_puts_the_limit_back(simulate: Simulate, tmp_path: Path) -> None:
    """A run that is ended writes its report, and the GPU is as it was when the process has gone."""
    machine = simulate(Board(UUID, constant(IDLE_W), tick_s=0.02, delay_s=0.01, **LIMITS))
    with running(capped(machine)) as server:
        file = tmp_path / "run.yaml"
        file.write_text(f"""
backend: {{type: openai, model: scripted, endpoint: "{server.endpoint}", device_ids: [0]}}
gpu: {{power_limit_w: {BEST_W}}}
scenario: {{num_samples: 100, repeat: true, generate_kwargs: {{max_new_tokens: {TOKENS}}}}}
metrics: {{collectors: [nvml]}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, thermal_gate: false, warmup: {{requests: 1}}}}
reporters: [json]
output_dir: {tmp_path / "result"}
""")
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen([*PROGRAM, "run", file], cwd=tmp_path, stdout=log, stderr=log)
        until_s = time.monotonic() + 120
        while machine.limit_now_w() != BEST_W:
            assert time.monotonic() < until_s, (tmp_path / "log").read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143, (tmp_path / "log").read_text()
    assert machine.limit_now_w() == 400.0
    assert not list((tmp_path / "state" / "gpu").glob("*"))


@pytest.mark.heavy
def test_the_best_power_limit_is_found_and_put_back_after_a_kill(simulate: Simulate, tmp_path: Path) -> None:
    """Two cycles of three limits, killed with -9 in the second cell; the limit is put back, and the answer is right."""
    board = Board(
        UUID, constant(IDLE_W), tick_s=0.02, delay_s=0.01, limit_w=400.0, min_limit_w=100.0, max_limit_w=400.0
    )
    machine = simulate(board)
    with running(capped(machine)) as server:
        file = study(tmp_path, server.endpoint, cycles=2)
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen([*PROGRAM, "run", file], cwd=tmp_path, stdout=log, stderr=log)
        kill_in_a_cell(machine, tmp_path, process, cells=1)
        assert machine.limit_now_w() == BEST_W  # as the killed cell left it
        command = [*PROGRAM, "study", "resume", str(tmp_path / "study")]
        resumed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "was put back: a run that was killed had set it to 240 W (before: 400 W)" in resumed.stderr
    assert machine.limit_now_w() == 400.0
    command = [*PROGRAM, "study", "report", str(tmp_path / "study"), "--format", "json"]
    report = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert report["sentences"][0].startswith(f"power_limit_w={BEST_W:g}"), report["sentences"]
    means = {cell["settings"]["gpu.power_limit_w"]: cell["estimate"]["mean"] for cell in report["cells"]}
    for limit_w, speed in SPEEDS.items():
        assert means[limit_w] == pytest.approx(limit_w / speed, rel=0.15)  # the machine that tests may be busy
