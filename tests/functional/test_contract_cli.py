"""The commands for AI Energy Score, as its container and its operators start them."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.functional.commands import PROGRAM, command, command_here
from tests.servers import Exchange, delta, running, usage
from tests.tiny_model import save_tiny_model

QUICK = ("protocol.bare_idle_s=0", "protocol.resident_idle_s=0", "protocol.trials=1", "protocol.warmup.requests=1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of random weights."""
    pytest.importorskip("transformers")
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1])


def test_a_container_without_a_gpu_fails_and_says_why(model: Path, tmp_path: Path) -> None:
    """The run is done and its files are there, but there is no score, and the exit code says so."""
    done = command_here(
        "aienergyscore", "--config-name", "text_generation", "-n", "2", f"backend.model={model}", "backend.device=cpu",
        "scenario.dataset_name=builtin", "metrics.collectors=[modelled]", *QUICK,
        cwd=tmp_path, RESULTS_DIR=str(tmp_path / "out"), BENCHMARK_BACKEND="pytorch", HF_TOKEN="hf_secret",
    )  # fmt: skip
    assert done.code == 1, done.err
    assert "no GPU energy, so no score" in done.err
    summary = json.loads((tmp_path / "out" / "GPU_ENERGY_SUMMARY.json").read_text())
    assert summary["total"] is None
    report = json.loads((tmp_path / "out" / "benchmark_report.json").read_text())["report"]
    assert report["summary"]["total_completion_tokens"] == 2 * 10
    assert not any("hf_secret" in file.read_text(errors="replace") for file in (tmp_path / "out").iterdir())


def test_optimum_is_refused_by_name(tmp_path: Path) -> None:
    """Exit code 2, before anything is loaded."""
    done = command("aienergyscore", "backend.model=x", cwd=tmp_path, BENCHMARK_BACKEND="optimum")
    assert done.code == 2
    assert "not part of this package" in done.err


def models_csv(tmp_path: Path, *models: Path | str) -> Path:
    file = tmp_path / "models.csv"
    rows = "".join(f",{model},1,A,text_gen,Off (N/A),N/A (default)\n" for model in models)
    file.write_text(f",Models to Add,Priority (1=hi),Class,Task,Reasoning State,Chat Template\n{rows}")
    return file


def processes() -> str:
    """The command lines of all processes."""
    return subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout


def wait_until_gone(argument: Path, patience_s: float) -> None:
    """Wait for the end of every process that has this path on its command line."""
    until_s = time.monotonic() + patience_s
    while time.monotonic() < until_s:
        if str(argument) not in processes():
            return
        time.sleep(0.05)
    raise AssertionError(f"still there after {patience_s} s: {argument}")


@pytest.mark.skipif(shutil.which("ps") is None, reason="lists processes with ps")
@pytest.mark.parametrize("signalled", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_the_process_of_a_model_ends_with_its_batch(model: Path, tmp_path: Path, signalled: signal.Signals) -> None:
    """However the batch ends, the model that it measures does not go on."""
    arguments = ["batch", str(models_csv(tmp_path, model)), "-n", "2", "--output-dir", str(tmp_path / "out"),
                 "-o", "scenario.dataset_name=builtin", "-o", "metrics.collectors=[modelled]",
                 "-o", "backend.device=cpu", "-o", "protocol.bare_idle_s=600"]  # fmt: skip
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Where the tests themselves run in the background, Ctrl-C would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 # this test has no threads
    )
    while process.poll() is None and str(tmp_path / "out" / "individual_runs") not in processes():
        time.sleep(0.05)
    assert process.poll() is None
    process.send_signal(signalled)
    process.wait(60)
    wait_until_gone(tmp_path / "out" / "individual_runs", 60)


async def ten_tokens(exchange: Exchange) -> None:
    """What a server streams."""
    await exchange.begin_stream()
    for _ in range(10):
        await exchange.event(delta(content="a"))
    await exchange.event(delta(finish_reason="length"))
    await exchange.event(usage(7, 10))
    await exchange.end_stream()


def killed_in_its_second_model(tmp_path: Path, models: list[str], *changes: str) -> None:
    """Kill a batch of three outright, and run the same command again: it keeps the first and measures the others."""
    arguments = ["batch", str(models_csv(tmp_path, *models)), "-n", "2", "--output-dir", str(tmp_path / "out"),
                 "-o", "scenario.dataset_name=builtin", "-o", "metrics.collectors=[modelled]",
                 *(part for change in (*QUICK, *changes) for part in ("-o", change))]  # fmt: skip
    logs = tmp_path / "out" / "logs"
    process = subprocess.Popen([*PROGRAM, *arguments], cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(logs.glob("*.log"))) < 2:
        time.sleep(0.02)
    process.kill()
    process.wait()
    wait_until_gone(tmp_path / "out" / "individual_runs", 60)
    assert not any((tmp_path / "out" / "individual_runs").glob("*third*"))

    done = command(*arguments, cwd=tmp_path, timeout_s=250)
    assert done.code == 0, done.out + done.err
    firsts = [line.split()[0] for line in done.out.splitlines()]
    assert [word for word in firsts if word in ("kept", "done", "failed")] == ["kept", "done", "done"]
    with (tmp_path / "out" / "master_results.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["model_name"] for row in rows] == models
    assert {row["total_completion_tokens"] for row in rows} == {"20"}
    assert {row["gpu_energy_wh"] for row in rows} == {""}


@pytest.mark.skipif(shutil.which("ps") is None, reason="lists processes with ps")
def test_a_batch_killed_in_its_second_model_ends_complete(tmp_path: Path) -> None:
    """Three models of a server, each in a process of its own."""
    models = ["scripted/first", "scripted/second", "scripted/third"]
    with running(ten_tokens, models[0]) as server:
        server.further_models = tuple(models[1:])
        killed_in_its_second_model(
            tmp_path, models, "backend.type=openai", f"backend.endpoint={server.endpoint}",
            "scenario.generate_kwargs.max_new_tokens=10",
        )  # fmt: skip


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("ps") is None, reason="lists processes with ps")
def test_a_batch_killed_in_its_second_real_model_ends_complete(model: Path, tmp_path: Path) -> None:
    """Three real models: five processes that load PyTorch."""
    models = [str(shutil.copytree(model, tmp_path / name)) for name in ("first", "second", "third")]
    killed_in_its_second_model(tmp_path, models, "backend.device=cpu")
