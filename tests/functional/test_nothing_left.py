"""However a run ends, nothing of a server that it started is left: no worker, and no secret in its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ai_energy_benchmarks.machine.control_group import make_group, remove_group
from tests.functional.commands import PROGRAM
from tests.functional.test_endings import complete_trials
from tests.integration.test_launched_server import DOUBLE, gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

KEY = "k3y-0f-the-server"
# A plain worker; one in a session of its own that ignores every request to end; one whose parent has ended.
WORKERS = """\
import os, signal, subprocess, sys
sleep = [sys.executable, "-c", "import signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\ntime.sleep(300)"]
started = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
orphan = "import subprocess, sys; null = subprocess.DEVNULL\\n"
orphan += "print(subprocess.Popen(sys.argv[1:], stdout=null, start_new_session=True).pid)"
orphans = [int(subprocess.check_output([sys.executable, "-c", orphan, *sleep]))]
if {bare}:
    orphans.append(int(subprocess.check_output([sys.executable, "-c", orphan, *sleep], env={{}})))
print("key", os.environ["SERVER_API_KEY"], flush=True)
with open({pids!r}, "w") as file:
    file.write(" ".join(map(str, [os.getpid(), *(each.pid for each in started), *orphans])))
"""
CONFIG = """
backend:
  type: vllm
  model: {model}
  device: cpu
  launch: true
  options: {{python: {program}, environment: {{SERVER_API_KEY: {key}}}}}
scenario: {{dataset_name: builtin, num_samples: 2, generate_kwargs: {{max_new_tokens: 1}}}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, thermal_gate: false, warmup: {{requests: 1}}, trials: {trials}}}
metrics: {{enabled: false}}
output_dir: {out}
"""


def can_make_group() -> bool:
    group = make_group(f"test-{os.getpid()}")
    remove_group(group)
    return group is not None


def launched(directory: Path, trials: int) -> tuple[Path, Path]:
    """A config whose server has workers of every kind, and the file that names them all."""
    model, program, pids = directory / "model", directory / "python", directory / "pids"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"\0" * 64)
    # A worker without our variable whose parent has ended is only found in a control group.
    workers = WORKERS.format(bare=can_make_group(), pids=str(pids))
    program.write_text(f"#!{sys.executable}\n{workers}{DOUBLE}")
    program.chmod(0o755)
    file = directory / "b.yaml"
    out = directory / "result"
    file.write_text(CONFIG.format(model=model, program=program, key=KEY, trials=trials, out=out))
    return file, pids


def assert_nothing_left(directory: Path, pids: Path) -> None:
    members = [int(word) for word in pids.read_text().split()]
    assert len(members) >= 4
    assert [pid for pid in members if not gone(pid)] == []
    log = directory / "result" / "server.log"
    for _ in range(200):  # the watcher blanks it last
        if KEY not in log.read_text():
            break
        time.sleep(0.05)
    assert "key ***" in log.read_text()
    holding = [each for each in directory.rglob("*") if each.is_file() and KEY.encode() in each.read_bytes()]
    assert holding == [directory / "b.yaml"]


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.heavy), signal.SIGKILL])
def test_a_signal_ends_the_server_and_all_its_workers(tmp_path: Path, number: signal.Signals) -> None:
    """Also SIGKILL, and workers in a session of their own that ignore requests to end."""
    file, pids = launched(tmp_path, 100_000)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen([*PROGRAM, "run", str(file)], env=environment, stdout=subprocess.DEVNULL) as process:
        for _ in range(6000):
            if complete_trials(tmp_path / "result") or process.poll() is not None:
                break
            time.sleep(0.01)
        assert process.poll() is None
        process.send_signal(number)
        process.wait(timeout=60)
    assert_nothing_left(tmp_path, pids)


def test_a_normal_end_leaves_nothing(tmp_path: Path) -> None:
    """Though the workers ignore requests to end."""
    file, pids = launched(tmp_path, 1)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*PROGRAM, "run", str(file)], env=environment, capture_output=True, check=False, timeout=120)
    assert (tmp_path / "result" / "result.json").exists(), done
    assert_nothing_left(tmp_path, pids)


@pytest.mark.heavy
def test_a_kill_while_the_server_is_being_started_leaves_nothing(tmp_path: Path) -> None:
    """The watcher was there first."""
    file, pids = launched(tmp_path, 1)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen([*PROGRAM, "run", str(file)], env=environment, stdout=subprocess.DEVNULL) as process:
        while not pids.exists() and process.poll() is None:
            time.sleep(0.002)
        process.kill()
    time.sleep(0.2)  # until it is written
    assert_nothing_left(tmp_path, pids)
