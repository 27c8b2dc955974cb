"""What the driver of a real GPU reported while matrices were multiplied, as scripts/gpu_steps.py records it.

There is no external meter next to it, so the driver's own reports are compared with one another: the energy counter,
instantaneous power (field 186), power averaged over 1 s (field 185), and the samples of power that the driver keeps by
itself about every 20 ms (nvmlDeviceGetSamples).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import polars
from attrs import frozen

from ai_energy_benchmarks.domain import integral
from ai_energy_benchmarks.domain.power import Device, Quantity, Recipe, Series
from ai_energy_benchmarks.domain.recipes import Followed, follow
from ai_energy_benchmarks.metrics.nvml.collector import NvmlOptions

FOLDER = Path(__file__).parent / "recordings"
H200, H100 = FOLDER / "h200.parquet", FOLDER / "h100.parquet"
REST_S = 0.68  # 55 ms of delay and six ticks of 100 ms, as the meter rests


@frozen
class Work:
    """A stretch of work between two rests, on the clock of the readings."""

    name: str
    start_s: float
    stop_s: float


@frozen
class DriverRecording:
    """One recording.

    Attributes:
        quantities: name → its readings; of a run of equal ones the first and the last.
    """

    gpu: str
    driver: str
    date_utc: str
    limit_w: float
    work: tuple[Work, ...]
    resident_s: float
    quantities: dict[str, Series]

    def counted(self, start_s: float, stop_s: float, rest_s: float = 0.0) -> Followed:
        """The counter's energy of a window, as the meter reads it.

        Args:
            rest_s: how long the workload rested on both sides.
        """
        return self._follow("energy_j", start_s, stop_s, rest_s)

    def integrated(self, start_s: float, stop_s: float) -> Followed:
        """What the meter would make of instantaneous power if there were no counter."""
        return self._follow("power_w", start_s, stop_s, 0.0)

    def held_j(self, name: str, start_s: float, stop_s: float) -> float:
        """A power over time, each value until the next."""
        series = self.quantities[name]
        rows = list(zip(series.before_s, series.values, strict=True))
        ends_s = [time_s for time_s, _ in rows[1:]] + [stop_s]
        return sum(
            watts * max(0.0, min(end_s, stop_s) - max(time_s, start_s))
            for (time_s, watts), end_s in zip(rows, ends_s, strict=True)
        )

    def changes(self, name: str) -> Iterator[tuple[float, float]]:
        """Each change of a value: the middle of the two readings around it, and the value."""
        series = self.quantities[name]
        rows = zip(series.before_s, series.after_s, series.values, strict=True)
        for (before_s, _, old), (_, after_s, new) in pairwise(rows):
            if old != new:
                yield (before_s + after_s) / 2, new

    def tick_s(self, name: str) -> float:
        """The median time between two changes."""
        return median(later - earlier for (earlier, _), (later, _) in pairwise(self.changes(name)))

    def call_s(self, name: str) -> list[float]:
        """How long its calls took, of the readings that were kept; in order of length."""
        series = self.quantities[name]
        return sorted(after_s - before_s for before_s, after_s in zip(series.before_s, series.after_s, strict=True))

    def mean_w(self, start_s: float, stop_s: float) -> float:
        """Mean power by the counter."""
        return self.counted(start_s, stop_s).bounds_j.best / (stop_s - start_s)

    def _follow(self, quantity: Quantity, start_s: float, stop_s: float, rest_s: float) -> Followed:
        options = NvmlOptions()
        series = self.quantities["energy_j" if quantity == "energy_j" else "power_instant_w"]
        recipe = Recipe(
            rule="latched" if quantity == "energy_j" else "integral",
            quantity=quantity,
            series_id=series.device.id,
            start_s=start_s,
            stop_s=stop_s,
            rest_before_s=rest_s,
            rest_after_s=rest_s,
            delay_high_s=options.delay_high_s,
            ceiling_per_s=2 * self.limit_w,
            hold_s=0.0 if quantity == "energy_j" else (integral.hold_s(series) or integral.LONGEST_HOLD_S),
            look_back_s=4.0,
            flat_within=options.flat_within,
            widest_delay_s=options.max_delay_s,
        )
        return follow(recipe, series)


def load(parquet: Path) -> DriverRecording:
    """A recording and the JSON file of the same name."""
    facts = json.loads(parquet.with_suffix(".json").read_text(encoding="utf-8"))
    frame = polars.read_parquet(parquet).with_columns(polars.col("quantity").cast(polars.String))
    device = Device("gpu", "GPU-recorded", facts["gpu"])
    quantities = {}
    for (name,), rows in frame.group_by("quantity", maintain_order=True):
        columns = (array("d", rows[column].to_list()) for column in ("before_s", "after_s", "value"))
        quantities[str(name)] = Series(device, "energy_j" if name == "energy_j" else "power_w", "recorded", *columns)
    context, *marks = facts["marks"]
    work = tuple(Work(each["name"], each["start_s"], each["stop_s"]) for each in marks)
    resident_s = context["stop_s"]
    return DriverRecording(
        facts["gpu"], facts["driver"], facts["date_utc"], facts["limit_w"], work, resident_s, quantities
    )
