"""Real GPUs, recorded with an external power meter next to the driver's readings: one folder of them.

A recording NAME is ``NAME.external.parquet`` (time_s, power_w: what the card drew), ``NAME.driver.parquet`` (time_s and
one or more columns of power) and an entry of ``marks.json``: the seconds at which work began, ended, began … on the
same clock.
"""

from __future__ import annotations

import json
import math
import os
from array import array
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path

import polars
from attrs import frozen

from ai_energy_benchmarks.domain.power import Device, Series
from tests.nvml.simulated import Trace

EXTERNAL, DRIVER, MARKS = ".external.parquet", ".driver.parquet", "marks.json"
# What the package reads first where the driver has it; the others in the order in which they are preferred.
DRIVER_COLUMNS = ("power_instant_w", "power_w", "power_average_w")
VARIABLE = "AEB_SHARED_DATA"
ROOT = Path(__file__).parents[2]


class RecordingError(ValueError):
    """A folder of recordings that cannot be used; the message names the file and the column."""


@frozen
class Power:
    """A power over time.

    Attributes:
        times_s: in order, at least two.
        powers_w: one each.
    """

    times_s: tuple[float, ...]
    powers_w: tuple[float, ...]

    def energy_j(self, start_s: float, stop_s: float) -> float:
        """Integral by the trapezoidal rule; both times within the recording."""
        begin, end = bisect_left(self.times_s, start_s), bisect_left(self.times_s, stop_s)
        points = [(start_s, self.at_w(start_s)), *zip(self.times_s[begin:end], self.powers_w[begin:end], strict=True)]
        points.append((stop_s, self.at_w(stop_s)))
        return sum((b_s - a_s) * (a_w + b_w) / 2 for (a_s, a_w), (b_s, b_w) in pairwise(points))

    def at_w(self, time_s: float) -> float:
        """Power at a moment, between its neighbours."""
        row = min(max(1, bisect_left(self.times_s, time_s)), len(self.times_s) - 1)
        (a_s, a_w), (b_s, b_w) = ((self.times_s[i], self.powers_w[i]) for i in (row - 1, row))
        return a_w + (b_w - a_w) * min(1.0, max(0.0, (time_s - a_s) / (b_s - a_s)))

    def steps(self, start_s: float, stop_s: float, step_s: float = 0.001) -> Trace:
        """Means over short steps, so that all energy is kept: what the simulated GPU plays."""
        count = math.ceil((stop_s - start_s) / step_s)
        edges_s = [*(start_s + number * step_s for number in range(count)), stop_s]
        return tuple((b_s - a_s, self.energy_j(a_s, b_s) / (b_s - a_s)) for a_s, b_s in pairwise(edges_s) if b_s > a_s)

    def series(self, device: Device) -> Series:
        """As a meter's readings, each of which took no time."""
        times_s = array("d", self.times_s)
        return Series(device, "power_w", "recorded", times_s, times_s, array("d", self.powers_w))


@frozen
class Recording:
    """One GPU at work.

    Attributes:
        external: what it drew.
        driver: column → what the driver showed.
        work_s: begin and end of each stretch of work.
        until_s: where the last rest ends.
    """

    name: str
    external: Power
    driver: dict[str, Power]
    work_s: tuple[tuple[float, float], ...]
    until_s: float

    @property
    def best_column(self) -> str:
        """The column that the package would read."""
        return next((each for each in DRIVER_COLUMNS if each in self.driver), next(iter(self.driver)))

    @property
    def begin_s(self) -> float:
        """Where both recordings have begun."""
        return max(self.external.times_s[0], *(each.times_s[0] for each in self.driver.values()))


def shared_folder() -> Path | None:
    """The recordings that are shared between projects; None where there are none."""
    folder = Path(os.environ.get(VARIABLE, ROOT.parent / "shared" / "data")) / "hardware"
    return folder if (folder / MARKS).is_file() else None


def load(folder: Path) -> tuple[Recording, ...]:
    """All recordings of a folder, by name.

    Raises:
        RecordingError: a file, column or mark is missing or cannot be used.
    """
    marks = _marks(folder)
    names = sorted(each.name.removesuffix(EXTERNAL) for each in folder.glob(f"*{EXTERNAL}"))
    orphans = {each.name.removesuffix(DRIVER) for each in folder.glob(f"*{DRIVER}")} - set(names)
    if not names or orphans:
        missing = f"{min(orphans)}{EXTERNAL}" if orphans else f"any file *{EXTERNAL}"
        raise RecordingError(f"{folder} lacks {missing}")
    return tuple(_recording(folder, name, marks) for name in names)


def _recording(folder: Path, name: str, marks: dict[str, list[float]]) -> Recording:
    if name not in marks:
        raise RecordingError(f"{folder / MARKS} has no entry {name!r}, of which there is {name}{EXTERNAL}")
    times_s = marks[name]
    if len(times_s) < 2 or any(later <= earlier for earlier, later in pairwise(times_s)):
        raise RecordingError(f"{folder / MARKS}: {name!r} needs two or more growing times in seconds")
    external = _powers(folder / f"{name}{EXTERNAL}")
    if "power_w" not in external:
        raise RecordingError(f"{folder / name}{EXTERNAL} has no column 'power_w'")
    truth, driver = external["power_w"], _powers(folder / f"{name}{DRIVER}")
    work_s = tuple(zip(times_s[::2], times_s[1::2], strict=False))
    until_s = min(truth.times_s[-1], *(each.times_s[-1] for each in driver.values()))
    found = Recording(name, truth, driver, work_s, until_s)
    if not found.begin_s < work_s[0][0] < work_s[-1][1] < until_s:
        raise RecordingError(
            f"{folder / MARKS}: the work of {name!r} from {work_s[0][0]:g} to {work_s[-1][1]:g} s does not lie within "
            f"the times of its files, {found.begin_s:.4g} to {until_s:.4g} s"
        )
    return found


def _marks(folder: Path) -> dict[str, list[float]]:
    file = folder / MARKS
    try:
        marks = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): [float(each) for each in times_s] for name, times_s in marks.items()}
    except OSError as error:
        raise RecordingError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise RecordingError(f"{file} is no object of names with lists of seconds: {error}") from error


def _powers(file: Path) -> dict[str, Power]:
    """Each column of power against the column of times."""
    try:
        frame = polars.read_parquet(file)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise RecordingError(f"{file} cannot be read as Parquet: {error}") from error
    columns = [name for name in frame.columns if name.startswith("power") and name.endswith("_w")]
    if "time_s" not in frame.columns or not columns:
        wanted = "'time_s'" if "time_s" not in frame.columns else "of power, such as 'power_w'"
        raise RecordingError(f"{file} has no column {wanted}; it has {', '.join(frame.columns) or 'none'}")
    for name in ("time_s", *columns):
        if not frame[name].dtype.is_numeric() and frame[name].null_count() < len(frame):
            raise RecordingError(f"{file}, column {name!r} holds {frame[name].dtype}, not numbers")
    found = {name: power for name in columns if (power := _power(file, frame, name)) is not None}
    if not found:
        raise RecordingError(f"{file} has fewer than two values in {', '.join(map(repr, columns))}")
    return found


def _power(file: Path, frame: polars.DataFrame, column: str) -> Power | None:
    """One column; None if it has no two values, as where a driver does not know a field."""
    rows = frame.select("time_s", column).drop_nulls().cast(polars.Float64).sort("time_s", maintain_order=True)
    rows = rows.unique("time_s", keep="first", maintain_order=True)
    times_s, powers_w = tuple(rows["time_s"].to_list()), tuple(rows[column].to_list())
    wrong = next((row for row in zip(times_s, powers_w, strict=True) if not all(map(math.isfinite, row))), None)
    if wrong is not None:
        raise RecordingError(f"{file}, column {column!r}: {wrong[1]} W at {wrong[0]} s is no finite number")
    return Power(times_s, powers_w) if len(times_s) > 1 else None
