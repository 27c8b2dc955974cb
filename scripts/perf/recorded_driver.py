"""How the energy counter of a real GPU agrees with the other reports of its driver, and which bounds hold.

    python scripts/perf/recorded_driver.py tests/nvml/recordings/h200.parquet [--docs docs/validation.md]

The recording is one of scripts/gpu_steps.py. Each stretch of work is a window between two rests, read as the NVML meter
reads it. Exit status 1 if the counter of a window differs by more than 2 % from the driver's own average power.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import metering_parts  # noqa: F401 - makes the tests' modules importable
from attrs import frozen
from docs_table import replace_section

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.statistics import percentile
from tests.nvml.driver_recording import REST_S, DriverRecording, load

# The driver's average reaches 1 s back, so that a stretch of work is in its values until so long after it.
BEFORE_S, AFTER_S = 0.5, 1.4
AGREES_WITHIN = 0.02
COMMAND = "python scripts/perf/recorded_driver.py tests/nvml/recordings/{name}.parquet --docs docs/validation.md"


@frozen
class WorkRow:
    """One stretch of work.

    Attributes:
        counter_j: the guarded figure with its bounds.
        state: of the rests next to it.
        rise_s, fall_s: how late the counter seems at the begin and at the end.
        average, samples, instant: the driver's average power (with its tails), the samples that it keeps (None if it
            keeps none) and its instantaneous power, integrated, over the counter, less 1.
        instant_low, instant_high: the bounds of the last, over the counter, less 1.
    """

    name: str
    duration_s: float
    counter_j: Bounds
    state: str
    rise_s: float | None
    fall_s: float | None
    average: float
    samples: float | None
    instant: float
    instant_low: float
    instant_high: float


def rows(recording: DriverRecording) -> Iterator[WorkRow]:
    """A row for each stretch."""
    sampled = "power_sampled_w" in recording.quantities
    for work in recording.work:
        start_s, stop_s = work.start_s, work.stop_s
        counted = recording.counted(start_s, stop_s, REST_S)
        best_j = counted.bounds_j.best
        around = (start_s - BEFORE_S, stop_s + AFTER_S)
        instant = recording.integrated(start_s, stop_s).bounds_j
        beside = counted.edges
        yield WorkRow(
            name=work.name,
            duration_s=stop_s - start_s,
            counter_j=counted.bounds_j,
            state="none" if beside is None else beside.state,
            rise_s=None if beside is None else beside.rise_s,
            fall_s=None if beside is None else beside.fall_s,
            average=recording.held_j("power_average_w", *around) / recording.counted(*around).bounds_j.best - 1,
            samples=recording.held_j("power_sampled_w", start_s, stop_s) / best_j - 1 if sampled else None,
            instant=instant.best / best_j - 1,
            instant_low=instant.low / best_j - 1,
            instant_high=instant.high / best_j - 1,
        )


def work_table(found: list[WorkRow]) -> str:
    """One line for each stretch."""
    lines = [
        "| work | length | energy counter | rests | seems late by, begin / end | driver's average over the counter | "
        "its 20 ms samples | its instantaneous power | bounds of that |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        late = " / ".join("–" if each is None else f"{1e3 * each:.0f} ms" for each in (row.rise_s, row.fall_s))
        counter = f"{row.counter_j.best:,.0f} J ± {row.counter_j.relative_half_width:.2%}"
        bounds = f"{row.instant_low:+.1%} to {row.instant_high:+.1%}"
        bounds = bounds if row.instant_low <= 0 <= row.instant_high else f"**{bounds}**"
        cells = (row.name, f"{row.duration_s:.1f} s", counter, row.state, late, f"{row.average:+.2%}")
        samples = "–" if row.samples is None else f"{row.samples:+.2%}"
        lines.append(f"| {' | '.join((*cells, samples, f'{row.instant:+.2%}', bounds))} |")
    return "\n".join(lines)


def facts_table(recording: DriverRecording) -> str:
    """What holds for the GPU as a whole."""
    last, first = recording.work[-1], recording.work[0]
    cells = {
        "power without a CUDA context": f"{recording.mean_w(0.5, 3.5):.0f} W",
        "at rest with one": f"{recording.mean_w(recording.resident_s + 1, first.start_s - 0.2):.0f} W",
        "2 to 10 s after the longest work": f"{recording.mean_w(last.stop_s + 2, last.stop_s + 10):.0f} W",
        "in its steady part": f"{recording.mean_w(last.start_s + 3, last.stop_s - 0.5):.0f} W, "
        f"of a limit of {recording.limit_w:.0f} W",
    }
    names = {
        "energy_j": "energy counter",
        "power_instant_w": "instantaneous power (186)",
        "power_average_w": "average power (185)",
        "power_sampled_w": "samples that the driver keeps",
    }
    cells |= {
        f"{names[name]}: renewed every": f"{1e3 * recording.tick_s(name):.0f} ms"
        for name in names
        if name in recording.quantities
    }
    for name in ("energy_j", "power_instant_w", "power_average_w"):
        calls_s = recording.call_s(name)
        median_ms, late_ms = (1e3 * percentile(calls_s, share) for share in (0.5, 0.99))
        cells[f"{names[name]}: a call takes"] = f"{median_ms:.3f} ms, 99th percentile {late_ms:.3f} ms"
    return "\n".join(["| what | value |", "|---|---|", *(f"| {what} | {value} |" for what, value in cells.items())])


def main() -> int:
    """Parse the arguments, compute, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, help="the Parquet file, next to its JSON file")
    parser.add_argument("--docs", type=Path, help="replace the section of the recording in this Markdown file")
    arguments = parser.parse_args()
    recording = load(arguments.recording)
    found = list(rows(recording))
    command = COMMAND.format(name=arguments.recording.stem)
    head = f"{recording.gpu}, driver {recording.driver}, {recording.date_utc[:10]}; computed by `{command}`."
    text = f"{head}\n\n{facts_table(recording)}\n\n{work_table(found)}"
    print(text)
    if arguments.docs:
        replace_section(arguments.docs, f"driver-{arguments.recording.stem}", text)
    return 0 if all(abs(row.average) <= AGREES_WITHIN for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
