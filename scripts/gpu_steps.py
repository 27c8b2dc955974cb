"""Records what the driver of the first visible GPU reports of its energy and power while work begins and ends.

    python scripts/gpu_steps.py [--quick] [--output gpu_steps.parquet]

A process of its own multiplies matrices on the GPU by a schedule: bursts at full power, work with short pauses, work
that alternates every 50 ms. Meanwhile this process reads, about every 6 ms on an H200, the energy counter, the driver's
instantaneous and its average power, and the samples of power that the driver keeps by itself. The Parquet file has the
columns quantity, before_s, after_s and value; of a run of equal values the first and the last reading are kept, and the
times and the counter begin near 0. The JSON file of the same name says which GPU that is, and when each stretch of
work began and ended. ``scripts/perf/recorded_driver.py`` makes tables of both.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from attrs import define, field

from ai_energy_benchmarks.machine.nvml import Handle, Nvml, open_nvml, shut_down
from ai_energy_benchmarks.metrics.nvml.library import AVERAGE_POWER_FIELD, INSTANT_POWER_FIELD

Row = tuple[str, float, float, float]
"""Quantity, before and after the call in seconds, value."""
# What the work process does: (name, seconds of work, of these how long it works and pauses in turn, rest afterwards).
FULL = (*(("full", 2.5, None, 3.0),) * 4, ("half", 3.0, (0.004, 0.004), 2.0), ("50 ms", 4.0, (0.05, 0.05), 2.0),
        ("long", 10.0, None, 12.0))  # fmt: skip
QUICK = (("full", 0.5, None, 0.5), ("50 ms", 0.5, (0.05, 0.05), 0.5))
LEAD_S, SAMPLES_EVERY_S = 4.0, 0.5
# nvmlSamplingType_t: NVML_TOTAL_POWER_SAMPLES
_POWER_SAMPLES = 0


@define
class Changes:
    """The first and the last reading of each value."""

    quantity: str
    rows: list[Row] = field(factory=list)
    _run: int = 0

    def add(self, before_s: float, after_s: float, value: float) -> None:
        """Store a reading; the one before it goes if it lay within a run of equal ones."""
        self._run = self._run + 1 if self.rows and self.rows[-1][3] == value else 1
        if self._run > 2:
            self.rows.pop()
        self.rows.append((self.quantity, before_s, after_s, value))


def work(schedule: tuple[tuple[str, float, tuple[float, float] | None, float], ...]) -> None:
    """Multiply matrices by the schedule, and say on standard output when each stretch began and ended."""
    import torch

    cuda = torch.cuda.is_available()
    size, dtype = (8192, torch.bfloat16) if cuda else (256, torch.float32)
    left, right = (torch.randn(size, size, dtype=dtype, device="cuda" if cuda else "cpu") for _ in range(2))
    wait: Callable[[], object] = torch.cuda.synchronize if cuda else lambda: None

    def run(seconds: float) -> None:
        end_s = time.perf_counter() + seconds
        while time.perf_counter() < end_s:
            torch.mm(left, right)
            wait()

    resident_s = time.perf_counter()
    torch.mm(left, right)
    wait()
    print(json.dumps({"name": "context", "start_s": resident_s, "stop_s": time.perf_counter()}), flush=True)
    time.sleep(LEAD_S)
    for name, seconds, turns, rest_s in schedule:
        start_s = time.perf_counter()
        if turns is None:
            run(seconds)
        while turns is not None and time.perf_counter() < start_s + seconds:
            run(turns[0])
            time.sleep(turns[1])
        print(json.dumps({"name": name, "start_s": start_s, "stop_s": time.perf_counter()}), flush=True)
        time.sleep(rest_s)


def readers(nvml: Nvml, handle: Handle) -> dict[str, Callable[[], float]]:
    """What can be read of this GPU."""

    def power(number: int) -> Callable[[], float]:
        def read() -> float:
            (found,) = nvml.nvmlDeviceGetFieldValues(handle, [number])
            if found.nvmlReturn:
                raise nvml.NVMLError(found.nvmlReturn)
            return float(found.value.uiVal) / 1000

        return read

    calls: dict[str, Callable[[], float]] = {
        "energy_j": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,
        "power_instant_w": power(INSTANT_POWER_FIELD),
        "power_average_w": power(AVERAGE_POWER_FIELD),
    }
    return {name: call for name, call in calls.items() if _answers(nvml, call)}


def _answers(nvml: Nvml, call: Callable[[], float]) -> bool:
    try:
        call()
    except nvml.NVMLError:
        return False
    return True


def samples(nvml: Nvml, handle: Handle, since_us: int) -> Iterator[tuple[int, float]]:
    """Power that the driver has kept by itself since then: microseconds since the epoch, watts."""
    try:
        _, found = nvml.nvmlDeviceGetSamples(handle, _POWER_SAMPLES, since_us)
    except nvml.NVMLError:
        return
    yield from ((each.timeStamp, each.sampleValue.uiVal / 1000) for each in found)


def record(nvml: Nvml, handle: Handle, worker: subprocess.Popen[str]) -> list[Row]:
    """Read until the worker has ended, and a lead longer."""
    calls = readers(nvml, handle)
    kept = {name: Changes(name) for name in calls}
    kept_samples: list[tuple[int, float]] = []
    clock_s, epoch_s = time.perf_counter(), time.time()
    since_us = int(epoch_s * 1e6)
    next_s, end_s = 0.0, None
    while end_s is None or time.perf_counter() < end_s:
        for name, call in calls.items():
            before_s = time.perf_counter()
            value = call()
            kept[name].add(before_s, time.perf_counter(), value)
        if time.perf_counter() > next_s:
            kept_samples += samples(nvml, handle, kept_samples[-1][0] if kept_samples else since_us)
            next_s = time.perf_counter() + SAMPLES_EVERY_S
            if end_s is None and worker.poll() is not None:
                end_s = time.perf_counter() + LEAD_S
        time.sleep(0.0005)
    sampled = [(clock_s + stamp_us / 1e6 - epoch_s, watts) for stamp_us, watts in sorted(kept_samples)]
    rows = [row for changes in kept.values() for row in changes.rows]
    return [*rows, *(("power_sampled_w", at_s, at_s, watts) for at_s, watts in sampled)]


def main() -> int:
    """Parse the arguments, record, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two bursts, to try the script")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path("gpu_steps.parquet"))
    arguments = parser.parse_args()
    if arguments.work:
        work(QUICK if arguments.quick else FULL)
        return 0

    import polars

    nvml = open_nvml()
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    facts = {
        "date_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "gpu": nvml.nvmlDeviceGetName(handle),
        "driver": nvml.nvmlSystemGetDriverVersion(),
        "limit_w": nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
    }
    command = [sys.executable, __file__, "--work", *(["--quick"] if arguments.quick else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        rows = record(nvml, handle, worker)
        assert worker.stdout is not None
        marks = [json.loads(line) for line in worker.stdout]
    shut_down(nvml)
    zero_s = math.floor(min(before_s for _, before_s, _, _ in rows))
    zero_j = min((value for name, *_, value in rows if name == "energy_j"), default=0.0)
    facts["marks"] = [
        {"name": each["name"], "start_s": each["start_s"] - zero_s, "stop_s": each["stop_s"] - zero_s} for each in marks
    ]
    relative = [
        (name, round(before_s - zero_s, 5), round(after_s - zero_s, 5), value - zero_j * (name == "energy_j"))
        for name, before_s, after_s, value in rows
    ]
    columns = ["quantity", "before_s", "after_s", "value"]
    polars.DataFrame(relative, schema=columns, orient="row").write_parquet(arguments.output)
    arguments.output.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"{facts['gpu']}, driver {facts['driver']}: {len(rows)} readings; written: {arguments.output}")
    return 0 if worker.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
