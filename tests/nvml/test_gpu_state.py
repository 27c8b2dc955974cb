"""Power limits and clocks set for a benchmark, through the real binding: read back, refused in words, put back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest
from attrs import evolve

from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.errors import BenchmarkError, ConfigError
from ai_energy_benchmarks.machine.gpu_notes import notes_directory
from ai_energy_benchmarks.machine.gpu_settings import GpuSettings, GpuTarget, restore_left
from ai_energy_benchmarks.machine.nvml import open_nvml, shut_down
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.runner.gpu_state import gpu_targets
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, Journal
from tests.nvml.conftest import Simulate
from tests.nvml.simulated import Board, Machine

A, B = "GPU-aaaa1111-0000-0000-0000-000000000000", "GPU-bbbb2222-0000-0000-0000-000000000000"


class Engine(FakeBackend):
    """A fake engine on the first GPU that takes real time."""

    def __init__(self, on_entering: Callable[[], object] = int, request_s: float = 0.02) -> None:
        journal = Journal()
        super().__init__(journal, FakeClock(journal), seconds_per_token=0.0)
        self.on_entering, self.request_s = on_entering, request_s

    def __enter__(self) -> FakeBackend:
        self.on_entering()
        return super().__enter__()

    def facts(self) -> EngineFacts:
        return EngineFacts("fake", "fake engine", "fake-model", device="cuda:0", board_ids=(A,))

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        self.clock.time_s = time.perf_counter()
        await asyncio.sleep(self.request_s)
        return await super().generate(batch)


def board(uuid: str = A, **changes: object) -> Board:
    """400 W now and by default, 200 to 500 W allowed."""
    limits = {"limit_w": 400.0, "default_limit_w": 400.0, "min_limit_w": 200.0, "max_limit_w": 500.0}
    return Board(uuid, name=f"Simulated {uuid[4:8]}", **{**limits, **changes})  # type: ignore[arg-type] # any field


def config(tmp_path: Path, device_ids: list[int] | None = None, **gpu: object) -> BenchmarkConfig:
    """A quick benchmark of a fake engine with the state of the GPU that is asked for."""
    return config_from_mapping(
        {
            "backend": {"type": "pytorch", "model": "test-model", **({"device_ids": device_ids} if device_ids else {})},
            "gpu": gpu,
            "scenario": {"num_samples": 2, "generate_kwargs": {"max_new_tokens": 4}},
            "protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "trials": 2, "thermal_gate": False,
                         "warmup": {"requests": 1}},
            "metrics": {"collectors": ["nvml"]},
            "reporters": ["json"],
            "output_dir": str(tmp_path / "result"),
        }
    )  # fmt: skip


def test_a_run_has_its_limit_and_clock_and_leaves_none(simulate: Simulate, tmp_path: Path) -> None:
    """The snapshot, the readings and the verdict show what was set; afterwards the GPU is as it was."""
    machine = simulate(board(), board(B))
    runner = BenchmarkRunner(config(tmp_path, power_limit_w=250, sm_clock_mhz=1200), backend=Engine())
    document = runner.run()
    assert [of["power_limit_w"] for of in document["environment"]["boards"]] == [250.0, 400.0]
    (gpu,) = document["gpu_conditions"]
    assert gpu["id"] == A
    assert (gpu["power_limit_w"], gpu["sm_clock_mhz"]) == pytest.approx((250.0, 1200.0))  # means over time
    said = {finding["message"]: finding["level"] for finding in document["verdict"]["findings"]
            if finding["check"] == "GPU state"}  # fmt: skip
    assert said == {
        f"{A} was set to a power limit of 250 W and an SM clock of 1200 MHz for this run": "INFO",
        "Simulated aaaa: a mean power limit of 250 W in the trials, set to 250 W": "PASS",
        "Simulated aaaa: a mean SM clock of 1200 MHz in the trials, set to 1200 MHz": "PASS",
    }
    assert document["config"]["settings"]["gpu"]["power_limit_w"] == 250.0
    assert (machine.limit_now_w(), machine.locked_mhz()) == (400.0, (0, 0))
    assert list(notes_directory().iterdir()) == []


def test_percentages_are_of_the_default_limit_and_the_highest_clock(simulate: Simulate, tmp_path: Path) -> None:
    """60 % of 400 W; 50 % of 1980 MHz lies on a clock of the GPU, 33 % between two."""
    simulate(board(limit_w=450.0))
    assert gpu_targets(config(tmp_path, power_limit_percent=60, sm_clock_percent=50)) == (GpuTarget(A, 240.0, 990),)
    assert gpu_targets(config(tmp_path, sm_clock_percent=33)) == (GpuTarget(A, None, 660),)
    assert gpu_targets(config(tmp_path)) == ()


def test_the_gpus_of_the_workload_are_set(simulate: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of backend.device_ids as this process sees them; one that is not there is refused."""
    simulate(board(), board(B))
    assert [target.uuid for target in gpu_targets(config(tmp_path, [1, 0], power_limit_w=250))] == [B, A]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", B)
    assert [target.uuid for target in gpu_targets(config(tmp_path, power_limit_w=250))] == [B]
    with pytest.raises(ConfigError, match=r"there is no GPU 1 to set: this process sees 1"):
        gpu_targets(config(tmp_path, [1], power_limit_w=250))


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        ({"power_limit_w": 150}, "gpu.power_limit_w: 150 is 150 W, but Simulated aaaa takes 200 to 500 W"),
        ({"power_limit_percent": 150}, "gpu.power_limit_percent: 150 is 600 W"),
        ({"sm_clock_mhz": 1201}, "take 1200 or 1215; its clocks go from 210 to 1980 MHz"),
    ],
)
def test_what_the_gpu_does_not_have_is_refused_before_anything(
    simulate: Simulate, tmp_path: Path, gpu: dict[str, object], said: str
) -> None:
    """With the range that the driver states, and exit code 2."""
    simulate(board())
    with pytest.raises(ConfigError) as refused:
        BenchmarkRunner(config(tmp_path, **gpu), backend=Engine()).check()
    assert said in str(refused.value)


def test_a_missing_permission_is_refused_with_the_fix(simulate: Simulate, tmp_path: Path) -> None:
    """Found by the check, without having changed anything."""
    machine = simulate(board(), permitted=False)
    with pytest.raises(BenchmarkError) as refused:
        BenchmarkRunner(config(tmp_path, power_limit_w=250), backend=Engine()).check()
    assert "Insufficient Permissions" in str(refused.value)
    assert f"fix: run as root (in a container also with --cap-add SYS_ADMIN), or let an administrator set it with " \
        f"nvidia-smi -i {A}" in str(refused.value)  # fmt: skip
    assert machine.limit_now_w() == 400.0


def test_a_gpu_without_such_settings_is_refused(simulate: Simulate, tmp_path: Path) -> None:
    """The key is the fix."""
    simulate(board(settable=False))
    with pytest.raises(ConfigError, match=r"has no power limit that can be set: Not Supported\n  fix: remove the key"):
        BenchmarkRunner(config(tmp_path, power_limit_w=250), backend=Engine()).check()


def test_contradictions_are_found_in_the_config(tmp_path: Path) -> None:
    """Two ways to say one thing, and a state of the GPU for the CPU."""
    with pytest.raises(ConfigError, match="contradicts power_limit_w"):
        config(tmp_path, power_limit_w=250, power_limit_percent=50)
    with pytest.raises(ConfigError, match="contradicts sm_clock_mhz"):
        config(tmp_path, sm_clock_mhz=1200, sm_clock_percent=50)
    with pytest.raises(ConfigError, match=r"has no effect on backend\.device: cpu"):
        config_from_mapping({"backend": {"type": "pytorch", "model": "m", "device": "cpu"}, "gpu": {"sm_clock_mhz": 1}})


def test_a_server_elsewhere_has_no_gpu_to_set() -> None:
    """The driver of this machine says nothing to another one's GPUs."""
    backend = {"type": "openai", "model": "m", "endpoint": "http://far.example:8000/v1"}
    config = {"backend": backend, "metrics": {"enabled": False}, "gpu": {"power_limit_w": 250}}
    with pytest.raises(ConfigError, match="the server is on another one"):
        config_from_mapping(config)


def test_without_persistence_the_limit_holds_while_it_is_held(simulate: Simulate) -> None:
    """The driver forgets settings when its last user leaves; the one who set them stays."""
    machine = simulate(board(persistence=False))
    with GpuSettings([GpuTarget(A, 250.0)]):
        assert limit_w() == 250.0
    assert (limit_w(), machine.limit_now_w()) == (400.0, 400.0)


def limit_w() -> float:
    """The limit as another user of the driver sees it."""
    nvml = open_nvml()
    try:
        return float(nvml.nvmlDeviceGetPowerManagementLimit(nvml.nvmlDeviceGetHandleByUUID(A)) / 1000)
    finally:
        shut_down(nvml)


def test_what_is_set_in_part_is_put_back(simulate: Simulate) -> None:
    """The second GPU refuses; the first is as it was, and no note is left."""
    machine = simulate(board(), board(B, settable=False))
    with pytest.raises(ConfigError), GpuSettings([GpuTarget(A, 250.0), GpuTarget(B, 250.0)]):
        pass
    assert machine.limit_now_w() == 400.0
    assert not list(notes_directory().iterdir())


def test_what_someone_else_has_set_since_stays(simulate: Simulate) -> None:
    """Only what this run set is undone."""
    machine = simulate(board())
    with GpuSettings([GpuTarget(A, 250.0)]):
        nvml = open_nvml()
        nvml.nvmlDeviceSetPowerManagementLimit(nvml.nvmlDeviceGetHandleByUUID(A), 300_000)
        shut_down(nvml)
    assert machine.limit_now_w() == 300.0


HOLD = """
import sys, time
from ai_energy_benchmarks.machine.gpu_settings import GpuSettings, GpuTarget
with GpuSettings([GpuTarget(sys.argv[1], 250.0, 1200)]):
    print("set", flush=True)
    time.sleep(60)
"""


def killed(machine: Machine) -> None:
    """A process that has set a limit and a clock, ended by SIGKILL."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, A], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "set\n"
    assert (machine.limit_now_w(), machine.locked_mhz()) == (250.0, (1200, 1200))
    with pytest.raises(BenchmarkError, match="another benchmark of this user"), GpuSettings([GpuTarget(A, 300.0)]):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_the_next_command_undoes_what_a_killed_run_set(simulate: Simulate, tmp_path: Path) -> None:
    """Any command of the command line: it finds the note, puts the GPU back and says so."""
    machine = simulate(board())
    killed(machine)
    assert machine.limit_now_w() == 250.0
    command = [sys.executable, "-m", "ai_energy_benchmarks", "list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"GPU {A} was put back: a run that was killed had set it to 250 W (before: 400 W) to 1200 MHz" in done.stderr
    assert (machine.limit_now_w(), machine.locked_mhz()) == (400.0, (0, 0))
    assert restore_left() == ()


def test_a_note_that_cannot_be_followed_stays(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the permission the GPU stays as it is, and so does the note; nothing is measured on it meanwhile."""
    machine = simulate(board())
    killed(machine)
    text = Path(os.environ["SIMULATED_NVML"]).read_text()
    Path(os.environ["SIMULATED_NVML"]).write_text(text.replace("permitted 1", "permitted 0"))
    (said,) = restore_left()
    assert said.startswith(f"GPU {A} is still set as a killed run left it to 250 W (before: 400 W) to 1200 MHz: ")
    with pytest.raises(BenchmarkError, match="could not be put back"), GpuSettings([GpuTarget(A, 300.0)]):
        pass
    Path(os.environ["SIMULATED_NVML"]).write_text(text)
    assert len(restore_left()) == 1
    assert machine.limit_now_w() == 400.0


def test_a_note_of_an_earlier_boot_is_dropped(simulate: Simulate) -> None:
    """Settings do not outlive the system, so there is nothing to undo."""
    machine = simulate(board())
    killed(machine)
    (note,) = notes_directory().iterdir()
    note.write_text(note.read_text().replace('"boot_id": "', '"boot_id": "other'))
    assert restore_left() == ()
    assert machine.limit_now_w() == 250.0
    assert not list(notes_directory().iterdir())


def test_a_clock_that_is_not_kept_is_a_warning(simulate: Simulate, tmp_path: Path) -> None:
    """The readings of the trials say what ran, whatever was set."""
    simulate(board())

    def let_go() -> None:
        pynvml.nvmlDeviceResetGpuLockedClocks(pynvml.nvmlDeviceGetHandleByUUID(A))

    asked = config(tmp_path, sm_clock_mhz=1200)
    chosen = evolve(asked, protocol=evolve(asked.protocol, trials=1))
    runner = BenchmarkRunner(chosen, backend=Engine(let_go, request_s=0.6))
    findings = [each for each in runner.measure().verdict.findings if each.check == "GPU state"]
    (said,) = [each for each in findings if "in the trials" in each.message]
    # Clocks are read twice a second, so that the first reading of a trial may be of before.
    assert (said.level, "set to 1200 MHz; fix: " in said.message) == ("WARN", True)


AGAIN_AND_AGAIN = """
import sys
from ai_energy_benchmarks.machine.gpu_settings import GpuSettings, GpuTarget
while True:
    with GpuSettings([GpuTarget(sys.argv[1], 250.0, 1200)]):
        print("set", flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.heavy)])
def test_a_kill_at_any_instant_is_undone(simulate: Simulate, kills: int) -> None:
    """Between the note and the setting, while it holds, and while it is put back: what was before is there again."""
    machine, dice = simulate(board()), random.Random(kills)
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", AGAIN_AND_AGAIN, A], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"set\n"
        time.sleep(dice.uniform(0, 0.02))
        process.kill()
        process.wait()
        process.stdout.close()
        restore_left()
        assert (machine.limit_now_w(), machine.locked_mhz()) == (400.0, (0, 0))
        assert not list(notes_directory().iterdir())
