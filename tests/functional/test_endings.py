"""Whatever ends a run from outside: at most the trial under way is lost, and the files come before the streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serving_parts
import serving_runs

from tests.functional.commands import PROGRAM, command
from tests.unit.test_contract_batch import HEADER

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the loopback server's selectors take sockets only")


@pytest.fixture(scope="module")
def server() -> Iterator[serving_parts.Bench]:
    with serving_parts.bench() as bench:
        yield bench


def config(server: serving_parts.Bench, directory: Path, trials: int) -> Path:
    return serving_runs.write_config(
        server.endpoint("flood"), directory, requests=4, tokens=4, concurrency=1, trials=trials,
        more="metrics: {enabled: false}",
    )  # fmt: skip


def complete_trials(directory: Path) -> int:
    """How many trials are on the disk."""
    return sum(
        text.count('{"trial"') for text in (each.read_text() for each in directory.glob("runs/*/journal/*.jsonl"))
    )


def started(file: Path, *options: str, trials: int = 3, **streams: int) -> subprocess.Popen[bytes]:
    """A run of which so many trials are on the disk."""
    process = subprocess.Popen([*PROGRAM, "run", str(file), *options], **{"stdout": subprocess.DEVNULL, **streams})  # type: ignore[call-overload] # streams by name
    for _ in range(6000):
        if complete_trials(file.parent / "result") >= trials or process.poll() is not None:
            break
        time.sleep(0.01)
    return process  # type: ignore[no-any-return] # of bytes, since nothing else was asked


@pytest.mark.parametrize(
    ("signals", "code"),
    [([signal.SIGTERM], 143), ([signal.SIGHUP], 129), ([signal.SIGINT], 130), ([signal.SIGINT] * 3, 130)],
)
def test_a_signal_leaves_a_report(
    server: serving_parts.Bench, tmp_path: Path, signals: list[signal.Signals], code: int
) -> None:
    """In the run's own directory, with every complete trial and all files, however often it is sent."""
    with started(config(server, tmp_path, 100_000), stderr=subprocess.PIPE) as process:
        for number in signals:
            process.send_signal(number)
            time.sleep(0.1)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in err) == (code, False), err.decode()
    assert err.count(b"stopping now: the trials that are complete are kept\n") == 1
    [directory] = (tmp_path / "result" / "runs").iterdir()
    assert {each.name for each in directory.iterdir()} >= {"result.json", "requests.parquet", "timeline.parquet"}
    assert json.loads((directory / "result.json").read_text())["summary"]["successful_prompts"] == 4
    assert not (directory / "journal").exists()


def test_a_quiet_run_stops_without_a_line_about_it(server: serving_parts.Bench, tmp_path: Path) -> None:
    """Ctrl-C under ``--quiet`` leaves the report and one line, that of every interrupted command."""
    with started(config(server, tmp_path, 100_000), "--quiet", stderr=subprocess.PIPE) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.split()) == (130, [b"interrupted"])
    assert len(list(tmp_path.glob("result/runs/*/result.json"))) == 1


def test_a_kill_costs_one_trial_and_the_report_is_made_afterwards(server: serving_parts.Bench, tmp_path: Path) -> None:
    """``recover`` makes it, and it can be analysed again."""
    out = tmp_path / "result"
    with started(config(server, tmp_path, 100_000)) as process:
        process.kill()
    before = complete_trials(out)
    assert before >= 3
    done = command("recover", out, cwd=tmp_path)
    assert (done.code, f"interrupted, {before} complete trials" in done.out) == (0, True), done
    [directory] = (out / "runs").iterdir()
    again = command("reanalyze", directory, cwd=tmp_path)
    assert "bit for bit" in again.out, again


@pytest.mark.parametrize("end", ["| true", "> /dev/full", ">&- 2>&-", "2>&-"])
def test_a_stream_that_is_gone_costs_no_file(server: serving_parts.Bench, tmp_path: Path, end: str) -> None:
    """The report on the terminal is one error at most."""
    program = " ".join(PROGRAM)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{program} run {config(server, tmp_path, 1)} {end}"],
        timeout=120,
        capture_output=True,
        check=False,
    )
    names = {each.name for each in (tmp_path / "result").iterdir()}
    assert names == {"result.json", "config.yaml", "benchmark_results.csv", "requests.parquet", "timeline.parquet"}
    assert b"Traceback" not in done.stderr
    assert done.returncode == (1 if "full" in end else 0), done.stderr
    if "full" in end:
        assert b"error: the console reporter failed: OSError: [Errno 28]" in done.stderr


def test_the_second_run_into_a_directory_is_refused(server: serving_parts.Bench, tmp_path: Path) -> None:
    """By the id and the process of the first, which goes on."""
    with started(config(server, tmp_path, 100_000)) as process:
        done = command("run", config(server, tmp_path, 1), cwd=tmp_path)
        assert process.poll() is None
        process.terminate()
    assert done.code == 1
    assert "is in use by run " in done.err
    assert f"(process {process.pid} on " in done.err


def test_sigterm_of_a_batch_reaches_its_run(server: serving_parts.Bench, tmp_path: Path) -> None:
    """The run writes what it has, and the batch ends with 143 once it has ended."""
    (tmp_path / "models.csv").write_text(f"{HEADER},loopback/model-of-no-size,1,A,text_gen,,\n")
    changes = {
        "backend.endpoint": server.endpoint("flood"), "metrics.enabled": "false", "protocol.trials": "100000",
        "scenario.dataset_name": "builtin", "scenario.repeat": "true", "protocol.bare_idle_s": "0",
        "protocol.resident_idle_s": "0", "protocol.warmup.requests": "1",
        "scenario.generate_kwargs.max_new_tokens": "4",
    }  # fmt: skip
    options = [word for name, value in changes.items() for word in ("-o", f"{name}={value}")]
    arguments = ["batch", "models.csv", "--output-dir", "out", "--backend", "openai", "-n", "4", *options]
    with subprocess.Popen([*PROGRAM, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        for _ in range(6000):
            if any(map(complete_trials, (tmp_path / "out").glob("individual_runs/*"))) or process.poll() is not None:
                break
            time.sleep(0.01)
        process.terminate()
        assert process.wait(timeout=60) == 143
    [report] = tmp_path.glob("out/individual_runs/*/runs/*/result.json")
    assert json.loads(report.read_text())["ending"] == "interrupted"


_STUCK = """
import time
from attrs import evolve
from ai_energy_benchmarks.cli import leaving
from ai_energy_benchmarks.cli.leaving import Endings, leave
from ai_energy_benchmarks.config.model import ReporterConfig
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
import asyncio
from ai_energy_benchmarks.runner import measuring
from ai_energy_benchmarks.runner.interrupts import Interrupts
from tests.unit.test_runner_order import Bench, config

measuring._CLEAN_UP_CAP_S = leaving._LAST_WAIT_S = 0.5  # the same waits, shorter
bench = Bench(evolve(config(), output_dir=Path("out"), reporters=(ReporterConfig("json"),)))
bench.runner._reporters = None
bench.runner._interrupts = Interrupts()
executor = ThreadPoolExecutor(1)
batches = 0
generate = bench.backend.generate

async def stuck(batch):
    global batches
    batches += 1
    if batches < 4:
        return await generate(batch)
    work = asyncio.get_running_loop().run_in_executor(executor, time.sleep, 1000)
    print("stuck", flush=True)
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            print("cancelled", flush=True)

type(bench.backend).generate = lambda self, batch: stuck(batch)
with Endings() as endings:
    try:
        bench.runner.run()
    except KeyboardInterrupt:
        pass
leave(endings.code)
"""


def test_an_engine_that_does_not_come_back_does_not_keep_the_process(tmp_path: Path, root: Path) -> None:
    """The second Ctrl-C writes the files, and then the process ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STUCK], cwd=tmp_path, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        for said in (b"stuck\n", b"cancelled\n"):  # one signal after the other, since two at once would be one
            assert process.stdout.readline() == said
            process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=60) == 130
        finally:
            process.kill()
    [file] = tmp_path.glob("out/runs/*/result.json")
    assert [each["complete"] for each in json.loads(file.read_text())["trials"]] == [True]
