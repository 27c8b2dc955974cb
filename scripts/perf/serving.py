"""Our client of servers: how fast it reads, how well it tells times, what it costs.

    python scripts/perf/serving.py [--pairs 10] [--passes 3] [--peer-python PYTHON] [--million]
                                   [--json FILE] [--docs FILE]

A server on loopback in a process of its own floods or keeps an exact pace; server and client each have a core, where
the system allows it, and go before other programs there. The client is the backend of OpenAI-compatible servers
driven by the closed loop, as in every run. Where speeds are compared, a bare aiohttp loop reads the same stream in
turn with it. The error of a latency is what the client measured less what the server did. Exit status 1 if a limit is
missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

from attrs import frozen
from docs_table import machine, write_section
from ratios import Row, median_row, ratio_row, report
from serving_parts import Bench, Load, bench, busy_cores, peer_python
from serving_runs import fixed_overhead_s, million_rows, ten_thousand_rows

from ai_energy_benchmarks.domain.statistics import percentile

TOKENS = 100  # of a paced stream: about a second


@frozen
class Flood:
    """One load of the flooding server with its limits."""

    name: str
    load: Load
    counted: str
    least: float | None
    least_ratio: float


FLOODS = (
    Flood("flood, 32 streams", Load("flood", 32, 128, 2000), "tokens", 100_000, 0.7),
    Flood("one-token requests, 32 at once", Load("flood", 32, 4000, 1), "requests", None, 0.5),
)


@frozen
class Pace:
    """One load of the paced server with its limits."""

    name: str
    concurrency: int
    rounds: int
    stagger: bool
    ttft_limit_ms: float


PACES = (
    Pace("1 stream", 1, 4, False, 3.0),
    Pace("32 staggered", 32, 4, True, 8.0),
    Pace("256 staggered", 256, 4, True, 10.0),
    Pace("256 in lock-step", 256, 3, False, 40.0),
)


def flood_rows(server: Bench, flood: Flood, peer: Path | str, pairs: int) -> list[Row]:
    """Speed of our client and of a bare aiohttp loop, in turn; the first pair warms up."""
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    sides = [("serving_client.py", Path(sys.executable), ours)]
    if isinstance(peer, Path):
        sides.append(("serving_peer.py", peer, theirs))
    for pair in range(-1, pairs):
        for script, python, seen in sides if pair % 2 else reversed(sides):
            done = server.client(script, flood.load, python)
            if pair >= 0:
                seen.append(done)
    name, what = flood.name, flood.counted
    speed, per_cpu = ([each[what] / each[time] for each in ours] for time in ("duration_s", "cpu_time_s"))
    rows = [median_row(f"{name}: {what}/s", speed, unit="/s", limit=flood.least, at_least=True)]
    if theirs:
        speeds, per_cpus = ([each[what] / each[time] for each in theirs] for time in ("duration_s", "cpu_time_s"))
        rows.append(ratio_row(f"{name}: over bare aiohttp", speed, speeds, limit=flood.least_ratio, at_least=True))
        rows.append(ratio_row(f"{name}: the same per CPU second", per_cpu, per_cpus))
    return rows


def paced_rows(server: Bench, pace: Pace, passes: int) -> list[Row]:
    """Errors of latencies, streams at once and CPU time under one load; passes are pooled."""
    ttft_ms: list[float] = []
    gap_ms: list[float] = []
    late_ms: list[float] = []
    lag_ms, cpu_per_token, cpu_share, peaks = [], [], [], []
    for _ in range(passes):
        server.log()
        requests = pace.rounds * pace.concurrency
        seen = server.client("serving_client.py", Load("paced", pace.concurrency, requests, TOKENS, pace.stagger))
        log = server.log()
        sent = {number: rest for number, *rest in log["streams"]}
        for number, sent_s, first_s, last_s in seen["streams"]:
            came_s, first_left_s, last_left_s, late_s = sent[number]
            ttft_ms.append(1e3 * abs((first_s - sent_s) - (first_left_s - came_s)))
            gap_ms.append(1e3 * ((last_s - first_s) - (last_left_s - first_left_s)) / (TOKENS - 1))
            late_ms.append(1e3 * late_s)
        lag_ms.append(1e3 * seen["loop_lag_s"])
        cpu_per_token.append(1e6 * seen["cpu_time_s"] / seen["tokens"])
        cpu_share.append(seen["cpu_time_s"] / seen["duration_s"])
        peaks.append(log["peak"])
    name = f"paced, {pace.name}"
    rows = [
        Row(f"{name}: TTFT error, 99th percentile", percentile(sorted(ttft_ms), 0.99), "ms", limit=pace.ttft_limit_ms),
        Row(f"{name}: TTFT error, median", percentile(sorted(ttft_ms), 0.5), "ms"),
        Row(f"{name}: ITL error, mean", abs(sum(gap_ms) / len(gap_ms)), "ms", limit=0.1),
        Row(f"{name}: most streams at once", min(peaks), "", limit=pace.concurrency, at_least=True),
        median_row(f"{name}: event loop late, 99th percentile", lag_ms, unit="ms"),
        Row(f"{name}: the server's own lateness, 99th percentile", percentile(sorted(late_ms), 0.99), "ms"),
    ]
    if pace.concurrency == 1:
        rows.append(median_row(f"{name}: CPU", cpu_share, unit="core", limit=0.03))
    else:
        limit = 25 if pace.concurrency == 256 else None
        rows.append(median_row(f"{name}: CPU per 1,000 tokens", cpu_per_token, unit="ms", limit=limit))
    return rows


def main() -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10, help="interleaved pairs of ours and aiohttp's (at least 5)")
    parser.add_argument("--passes", type=int, default=3, help="passes of each paced load")
    parser.add_argument("--peer-python", type=Path, help="an interpreter that has aiohttp; else an environment is made")
    parser.add_argument("--million", action="store_true", help="also a run of 1,000,000 requests (minutes)")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--docs", type=Path, help="replace the section 'serving' of this Markdown file")
    arguments = parser.parse_args()
    if arguments.pairs < 5:
        parser.error("--pairs must be at least 5")

    peer = peer_python(arguments.peer_python)
    if not isinstance(peer, Path):
        print(f"no comparison with aiohttp: {peer}", file=sys.stderr)
    with busy_cores() as others, bench() as server:
        rows = [row for flood in FLOODS for row in flood_rows(server, flood, peer, arguments.pairs)]
        for pace in PACES:
            rows += paced_rows(server, pace, arguments.passes)
        fixed_s = fixed_overhead_s(server, 5)
        rows.append(median_row("a run beyond load and protocol", fixed_s, limit=1.5))
        rows += ten_thousand_rows(server, median(fixed_s))
        if arguments.million:
            rows += million_rows(server)
    if others.cores is not None:
        rows.append(Row("cores busy on average, all programs of this machine", others.cores, ""))
    status = report(rows, arguments.json)
    if arguments.docs:
        write_section(arguments.docs, "serving", rows, machine())
    return status


if __name__ == "__main__":
    sys.exit(main())
