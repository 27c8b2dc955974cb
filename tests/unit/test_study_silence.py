"""Whether a cell is silent is told from its files, which come and go while one looks."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ai_energy_benchmarks.study.commands import Detached
from ai_energy_benchmarks.study.executors.base import CellRun
from ai_energy_benchmarks.study.executors.silence import Silence, _traces


def test_folders_that_go_while_one_looks_are_no_error(tmp_path: Path) -> None:
    """A run removes its journal at its end; the study that watches it goes on."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            (tmp_path / "runs" / "id").mkdir(parents=True, exist_ok=True)
            shutil.rmtree(tmp_path / "runs")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(2_000):
            _traces(tmp_path / "cell.log", tmp_path)
    finally:
        over.set()
        thread.join()


def test_what_is_written_is_seen(tmp_path: Path) -> None:
    """Every file below counts, at any depth, and the log next to them."""
    before = _traces(tmp_path / "cell.log", tmp_path)
    (tmp_path / "runs" / "id").mkdir(parents=True)
    (tmp_path / "runs" / "id" / "journal.jsonl").write_text("a line")
    after = _traces(tmp_path / "cell.log", tmp_path)
    assert after[1] >= before[1] + len("a line")


@pytest.mark.parametrize("works", [True, False])
def test_a_container_that_computes_is_not_silent(tmp_path: Path, works: bool) -> None:
    """Its command does nothing, and what a daemon runs for it counts."""
    code = "while True: pass" if works else "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code]) as inner, subprocess.Popen(["sleep", "60"]) as command:
        outside = Detached(end=("true",), first_process=("echo", str(inner.pid)))
        cell = CellRun("a", 1, ("x",), tmp_path, tmp_path / "cell.log", detached=outside)
        silence = Silence(cell, command.pid)
        silence.lasts(0.5)
        until_s = time.monotonic() + 3
        while not (silent := silence.lasts(0.5)) and time.monotonic() < until_s:
            time.sleep(0.05)
        inner.kill()
        command.kill()
    assert silent is not works
