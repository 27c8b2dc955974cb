"""Runs with more rows than memory for them: they go to disk as the run goes on, and outlive it however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars
import pytest
import serving_parts
import serving_runs

from tests.functional.commands import PROGRAM

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the loopback server's selectors take sockets only")

NO_MEMORY = "rows_memory_bytes: 0\nmetrics: {enabled: false}\n"


@pytest.fixture(scope="module")
def server() -> Iterator[serving_parts.Bench]:
    with serving_parts.bench() as bench:
        yield bench


def _config(server: serving_parts.Bench, directory: Path, requests: int) -> Path:
    return serving_runs.write_config(
        server.endpoint("flood"), directory, requests=requests, tokens=4, concurrency=16, more=NO_MEMORY
    )


def _spilled(directory: Path) -> list[Path]:
    return sorted((directory / "result").glob("requests.spill.*/*.parquet"))


def test_a_run_that_spills_has_every_row_and_says_so(server: serving_parts.Bench, tmp_path: Path) -> None:
    """The figures are those of all rows, and what was on disk in the meantime is gone."""
    done = serving_runs.run(_config(server, tmp_path, 9000))
    assert done.document["summary"]["successful_prompts"] == 9000
    assert done.document["summary"]["total_completion_tokens"] == 4 * 9000
    rows = polars.read_parquet(tmp_path / "result" / "requests.parquet")
    assert rows["number"].to_list() == list(range(9000))
    assert (rows["e2e_s"] > 0).all()
    assert _spilled(tmp_path) == []
    [said] = [each for each in done.document["verdict"]["findings"] if each["check"] == "rows"]
    assert (said["level"], "8,192 of 9,000 rows" in said["message"]) == ("INFO", True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_keeps_what_was_spilled(
    server: serving_parts.Bench, tmp_path: Path, number: signal.Signals
) -> None:
    """After Ctrl-C it is all in the report; after a kill the files are there for anyone to read."""
    config = _config(server, tmp_path, 300_000)
    with subprocess.Popen([*PROGRAM, "run", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        try:
            for _ in range(10_000):
                if len(_spilled(tmp_path)) >= 2:
                    break
                time.sleep(0.02)
            run.send_signal(number)
            out, _ = run.communicate(timeout=300)
        finally:
            run.kill()
    if number == signal.SIGKILL:
        rows = polars.read_parquet(_spilled(tmp_path))
    else:
        assert run.returncode == 130, out.decode()
        [directory] = (tmp_path / "result" / "runs").iterdir()
        report = json.loads((directory / "result.json").read_text())
        assert report["ending"] == "interrupted"
        assert report["summary"]["successful_prompts"] >= 8192
        rows = polars.read_parquet(directory / "requests.parquet").filter("ok")
        assert _spilled(tmp_path) == []
    assert len(rows) >= 8192
    assert rows["output_tokens"].unique().to_list() == [4]
    assert rows["token_times_s"].list.len().unique().to_list() == [4]


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_a_million_requests_stay_under_500_mb(server: serving_parts.Bench) -> None:
    """Memory, rows and failures of ``scripts/perf/serving.py --million``."""
    rows = serving_runs.million_rows(server)
    assert [f"{each.what}: {each.value:g} {each.unit}" for each in rows if not each.ok] == []
