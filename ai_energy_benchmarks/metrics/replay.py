"""A meter that plays a recorded trace as if it happened now."""

from __future__ import annotations

import csv
import math
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from attrs import evolve, frozen

from ai_energy_benchmarks.domain import integral
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.power import (
    Device,
    Mark,
    Measurement,
    Provenance,
    Quantity,
    Reading,
    Recipe,
    Samples,
    Series,
    Workload,
)
from ai_energy_benchmarks.domain.recipes import follow
from ai_energy_benchmarks.errors import CollectorError, reason_of
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.gpu_choice import Counted, Gpu, chosen_gpus, counted
from ai_energy_benchmarks.metrics.options import chosen
from ai_energy_benchmarks.safety.files import refuse_special

METER = "replay"
_COMPONENTS: Mapping[str, Component] = {name: name for name in COMPONENTS}
_NEEDED = ("time_s", "device", "component")
_COLUMNS = "time_s, device, component and energy_j or power_w"


@frozen
class ReplayOptions:
    """What is played.

    Attributes:
        path: a CSV or Parquet file with the columns ``time_s``, ``device``, ``component`` (gpu, cpu or dram) and one
            of ``energy_j`` (a counter that never falls) and ``power_w``; each device's rows in order of time.
        provenance: the method of its figures; None takes ``measured`` for energy and ``integrated`` for power.
    """

    path: Path | None = None
    provenance: Provenance | None = None


class ReplayCollector:
    """A recorded trace, played back in place of a meter."""

    Options: ClassVar[type] = ReplayOptions

    def __init__(self, options: ReplayOptions | None = None) -> None:
        self._options = options or ReplayOptions()
        self._series: tuple[Series, ...] = ()
        self._holds_s: dict[str, float] = {}  # how long the sensor that was recorded shows one value
        self._read_until_s = -math.inf
        self._counted = Counted()

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> ReplayCollector:
        return cls(chosen(settings, ReplayOptions))

    def setting_needed(self) -> CollectorError | None:
        if self._options.path is not None:
            return None
        return CollectorError("replay has no trace to play", remedy="set options.path of the collector `replay`")

    def __enter__(self) -> ReplayCollector:
        if (error := self.setting_needed()) is not None:
            raise error
        path = Path(str(self._options.path))
        self._series = _parse(path, _rows(path), time.perf_counter())
        self._holds_s = {
            series.device.id: integral.hold_s(series) or 0.0 for series in self._series if series.quantity == "power_w"
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def components(self) -> tuple[Component, ...]:
        return tuple(dict.fromkeys(series.device.component for series in self._series))

    def attach(self, workload: Workload) -> None:
        """Choose the GPUs that count, by the rule of all meters; a GPU's name in the trace may be its UUID."""
        names = [series.device.id for series in self._series if series.device.component == "gpu"]
        used = {*(workload.board_ids or ())}.intersection(names)
        self._counted = counted(workload, [Gpu(name, uuid=name if used else None) for name in names])

    def counted_devices(self) -> frozenset[str] | None:
        return self._counted.known

    def guard_s(self) -> float:
        return 0.0

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return 0.0

    def mark(self) -> Mark:
        return Mark(time.perf_counter())

    def read(self, start: Mark, stop: Mark) -> Measurement:
        for series in self._series:
            if series.after_s[-1] < stop.time_s:
                over_s = stop.time_s - series.after_s[-1]
                raise CollectorError(
                    f"the trace of {series.device.id} ended {over_s:.3g} s before the window",
                    remedy="replay a longer trace, or measure a shorter run",
                )
        self._read_until_s = max(self._read_until_s, stop.time_s)
        readings = tuple(self._reading(series, start.time_s, stop.time_s) for series in self._series)
        measurement = Measurement(start.time_s, stop.time_s, readings)
        return chosen_gpus(measurement, self._counted) if "gpu" in self.components() else measurement

    def _reading(self, series: Series, start_s: float, stop_s: float) -> Reading:
        of_power = series.quantity == "power_w"
        recipe = Recipe(
            rule="integral" if of_power else "fresh",
            quantity=series.quantity,
            series_id=series.device.id,
            start_s=start_s,
            stop_s=stop_s,
            hold_s=self._holds_s.get(series.device.id, 0.0),
        )
        outcome = follow(recipe, series)
        return Reading(
            device=series.device,
            bounds_j=outcome.bounds_j,
            provenance=self._options.provenance or ("integrated" if of_power else "measured"),
            meter=METER,
            estimator=outcome.estimator,
            counted=series.device.component != "gpu" or self._counted.has(series.device.id),
            peak_power_w=integral.peak(series, start_s, stop_s) if of_power else None,
            recipe=recipe,
        )

    def samples(self) -> Samples:
        now_s = time.perf_counter()
        return Samples(tuple(_until(series, now_s, self._read_until_s) for series in self._series))

    def notes(self) -> tuple[str, ...]:
        return (f"the energy is that of the trace {self._options.path}, played back",)


def _rows(path: Path) -> list[dict[str, object]]:
    """The rows of the file, whatever its format."""
    try:
        refuse_special(path)
        if path.suffix.lower() == ".parquet":
            import polars

            try:
                return polars.read_parquet(path).to_dicts()
            except polars.exceptions.PolarsError as error:
                raise CollectorError(
                    f"{path} cannot be read as Parquet: {error}", remedy="give a Parquet or CSV file in options.path"
                ) from error
        with open(path, newline="", encoding="utf-8") as file:
            return [dict(row) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CollectorError(
            f"the trace {path} cannot be read: {reason_of(error)}", remedy="check options.path"
        ) from error


def _parse(path: Path, rows: Iterable[Mapping[str, object]], zero_s: float) -> tuple[Series, ...]:
    """One series per device, its times shifted so that the earliest row lies at ``zero_s``."""
    rows = list(rows)
    columns = set(rows[0]) if rows else set()
    quantity: Quantity = "energy_j" if "energy_j" in columns else "power_w"
    if not columns.issuperset((*_NEEDED, quantity)):
        raise CollectorError(f"{path} has the columns {sorted(columns)}", remedy=f"a trace needs {_COLUMNS}")
    found: dict[Device, tuple[array[float], array[float]]] = {}
    for number, row in enumerate(rows, start=1):
        device, time_s, value = _row(path, number, row, quantity)
        times_s, values = found.setdefault(device, (array("d"), array("d")))
        if times_s and (time_s <= times_s[-1] or (quantity == "energy_j" and value < values[-1])):
            raise CollectorError(
                f"{path}, row {number}: time or energy of {device.id} does not grow",
                remedy="sort the rows of each device by time; an energy counter may not be set back in between",
            )
        times_s.append(time_s)
        values.append(value)
    shift_s = zero_s - min(times_s[0] for times_s, _ in found.values())
    series = []
    for device, (times_s, values) in found.items():
        shifted_s = array("d", (time_s + shift_s for time_s in times_s))
        series.append(Series(device, quantity, METER, shifted_s, shifted_s, values))
    return tuple(series)


def _row(path: Path, number: int, row: Mapping[str, object], quantity: Quantity) -> tuple[Device, float, float]:
    component = _COMPONENTS.get(str(row["component"]))
    try:
        time_s, value = float(str(row["time_s"])), float(str(row[quantity]))
    except ValueError as error:
        raise CollectorError(f"{path}, row {number}: {error}", remedy=f"a trace needs {_COLUMNS}") from error
    if component is None or not math.isfinite(time_s) or not math.isfinite(value) or value < 0:
        raise CollectorError(f"{path}, row {number}: {dict(row)!r}", remedy=f"a trace needs {_COLUMNS}")
    return Device(component, str(row["device"])), time_s, value


def _until(series: Series, now_s: float, read_until_s: float) -> Series:
    """What a live meter would have read by now, and by the end of the last window with the row that ends it."""
    count = max(bisect_right(series.after_s, now_s), min(len(series.after_s), _rows_of(series, read_until_s)))
    return evolve(
        series, before_s=series.before_s[:count], after_s=series.after_s[:count], values=series.values[:count]
    )


def _rows_of(series: Series, stop_s: float) -> int:
    return bisect_left(series.before_s, stop_s) + 1 if math.isfinite(stop_s) else 0
