"""Whole runs of the command line against the loopback server: what one costs beside its load, and a very long one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from attrs import frozen
from ratios import Row
from serving_parts import Bench

_CONFIG = """
name: serving_perf
backend: {{type: openai, model: loopback/model-of-no-size, endpoint: "{endpoint}"}}
scenario:
  num_samples: {requests}
  repeat: true
  generate_kwargs: {{max_new_tokens: {tokens}}}
load: {{concurrency: {concurrency}}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, warmup: {{requests: 1}}, trials: {trials}}}
output_dir: {directory}
{more}
"""


@frozen
class Run:
    """A finished run.

    Attributes:
        wall_s: from the start of the process to its end.
        within_s: of that, loading, warm-up and trials.
        stopping_s: of the rest, waiting until the server ran nothing, which is part of the protocol.
        cpu_s: processor time of the process, without that of the client within the trials.
        most_memory_bytes: the process's largest resident size.
    """

    wall_s: float
    within_s: float
    stopping_s: float
    cpu_s: float
    most_memory_bytes: int
    document: dict[str, Any]
    requests_in_file: int


def write_config(
    endpoint: str, directory: Path, *, requests: int, tokens: int, concurrency: int, trials: int = 1, more: str = ""
) -> Path:
    """A config of that load, with ``more`` lines; its result goes to the directory ``result``."""
    config = directory / "config.yaml"
    config.write_text(
        _CONFIG.format(
            endpoint=endpoint,
            directory=directory / "result",
            requests=requests,
            tokens=tokens,
            concurrency=concurrency,
            trials=trials,
            more=more,
        )
    )
    return config


def run(config: Path) -> Run:
    """Run the command line in a process of its own, which may keep compiled modules as those of users do.

    Raises:
        SystemExit: it failed; with the end of what it printed.
    """
    directory = config.parent
    output = directory / "output.txt"
    start_s = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "ai_energy_benchmarks", "run", str(config)],
            stdout=file,
            stderr=file,
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - start_s
    if process.returncode:
        raise SystemExit(f"the run failed:\n{output.read_text()[-2000:]}")
    document = json.loads((directory / "result" / "result.json").read_text())
    within_s = sum(each["duration_s"] for each in (*document["steps"], *document["trials"]))
    # Linux counts in KiB, macOS in bytes (getrusage(2)).
    memory_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    client_s = sum(each["client"]["cpu_time_s"] for each in document["trials"])
    cpu_s = used.ru_utime + used.ru_stime - client_s
    rows = _rows(directory / "result" / "requests.parquet")
    return Run(wall_s, within_s, _stopping_s(document), cpu_s, memory_bytes, document, rows)


def _stopping_s(document: dict[str, Any]) -> float:
    """As its verdict states it, for a run of one trial."""
    stated = [each["message"] for each in document["verdict"]["findings"] if each["check"] == "server stopped"]
    found = [match for message in stated if (match := re.search(r"ran nothing ([\d.]+) s after", message))]
    return float(found[0][1]) if found else 0.0


def _rows(path: Path) -> int:
    import polars

    count: int = polars.scan_parquet(path).select(polars.len()).collect().item()
    return count


def fixed_overhead_s(server: Bench, times: int) -> list[float]:
    """Seconds of small runs that are neither load nor protocol: start, checks, summary, reports.

    One run more goes before them, in which Python may compile modules.
    """
    found = []
    for _ in range(times + 1):
        with tempfile.TemporaryDirectory() as directory:
            config = write_config(server.endpoint("paced"), Path(directory), requests=8, tokens=4, concurrency=4)
            done = run(config)
        found.append(done.wall_s - done.within_s - done.stopping_s)
    return found[1:]


def million_rows(server: Bench, requests: int = 1_000_000, tokens: int = 4) -> list[Row]:
    """A run of very many requests: its memory, its rows and its time."""
    with tempfile.TemporaryDirectory() as directory:
        config = write_config(
            server.endpoint("flood"), Path(directory), requests=requests, tokens=tokens, concurrency=32
        )
        done = run(config)
    name = f"{requests:,} requests of {tokens} tokens"
    spilled = [each["message"] for each in done.document["verdict"]["findings"] if each["check"] == "rows"]
    print("; ".join(spilled) or "no row was spilled", file=sys.stderr)
    [trial] = done.document["trials"]
    return [
        Row(f"{name}: most memory", done.most_memory_bytes / 1e6, "MB", limit=400),
        Row(f"{name}: rows in requests.parquet", done.requests_in_file, "", limit=requests, at_least=True),
        Row(f"{name}: failed", trial["failed"], "", limit=0),
        Row(f"{name}: the window", trial["duration_s"], "s"),
        Row(f"{name}: outside load and window", done.wall_s - done.within_s, "s", limit=15),
        Row(f"{name}: of that, until the server had stopped", done.stopping_s, "s"),
        Row(f"{name}: processor time outside the window", done.cpu_s, "s"),
    ]


def ten_thousand_rows(server: Bench, fixed_s: float) -> list[Row]:
    """What a run of 10,000 requests takes outside load and window, beyond what every run does."""
    with tempfile.TemporaryDirectory() as directory:
        config = write_config(server.endpoint("flood"), Path(directory), requests=10_000, tokens=4, concurrency=32)
        done = run(config)
    seconds = done.wall_s - done.within_s - done.stopping_s - fixed_s
    return [Row("10,000 requests of 4 tokens: their part of a run", seconds, "s", limit=0.5)]
