"""Power logs of nvidia-smi, amd-smi, rocm-smi and DCGM as series of readings.

- ``nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv`` (docs.nvidia.com/deploy/nvidia-smi)
- ``amd-smi metric --power --csv --watch 1`` (rocm.docs.amd.com/projects/amdsmi)
- ``dcgmi dmon -e 155`` (docs.nvidia.com/datacenter/dcgm): it prints no time, so each line needs one before it
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import TextIO

from attrs import frozen

from ai_energy_benchmarks.domain.power import Device, Series
from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.results.foreign.clocks import Clock, set_back_at
from ai_energy_benchmarks.results.foreign.power_log_columns import columns_of, watts
from ai_energy_benchmarks.results.foreign.power_log_groups import rows_together

_DMON_HEADER = re.compile(r"#\s*Entity\b")
_DMON_ROW = re.compile(r"^(?P<before>.*?)\b(?P<gpu>GPU(?:-I)? \d+)\s+(?P<values>.*)$")
METER = "log"
_LONGEST_LINE = 100_000
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
# The GPUs with this chip report instantaneous power there too (nvidia-smi's manual, power.draw).
_GA100 = re.compile(r"\b(A100|A30|A800)\b")


@frozen
class _Row:
    """One reading.

    Attributes:
        names: of its GPU, the one that its series gets first; empty if the log has none.
        is_certain: whether the first name is of one GPU only.
        averaged: whether the power is the mean of the last second.
    """

    names: tuple[str, ...]
    is_certain: bool
    time_s: float
    power_w: float
    averaged: bool = False


@frozen
class PowerLog:
    """A power log.

    Attributes:
        series: one for each GPU.
        names: every name of each GPU (uuid, index and others) by the id of its series.
        averaged: ids of the series whose power is, or may be, the mean of the last second.
    """

    series: tuple[Series, ...]
    names: Mapping[str, tuple[str, ...]]
    averaged: frozenset[str] = frozenset()

    def gpus_named(self, names: Sequence[str]) -> tuple[str, ...]:
        """The ids of the series that have these names; a name that no GPU has stays as it is.

        Raises:
            ConfigError: several GPUs have the name.
        """
        return tuple(map(self._gpu_named, names))

    def _gpu_named(self, name: str) -> str:
        gpus = [gpu for gpu, known in self.names.items() if name in known]
        if len(gpus) > 1 and name not in gpus:
            raise ConfigError(f"--gpu {name} is the name of {', '.join(gpus)}", remedy="give one of these")
        return gpus[0] if len(gpus) == 1 else name


def read_power_log(path: Path, clock: Clock) -> PowerLog:
    """One series of power for each GPU, its times in seconds of the clock.

    Raises:
        ConfigError: the file is not a power log, names no time, power or GPU, or has a line that cannot be read.
    """
    found: dict[str, tuple[_Row, array[float], array[float]]] = {}
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            is_dmon = any(map(_DMON_HEADER.search, _lines(path, file)))
            file.seek(0)
            for row in (_dmon if is_dmon else _table)(path, _lines(path, file), clock):
                gpu = row.names[0] if row.names else ""
                _, times, powers = found.setdefault(gpu, (row, array("d"), array("d")))
                times.append(row.time_s)
                powers.append(row.power_w)
    except (OSError, UnicodeError, csv.Error) as error:
        text = f"cannot read {path}: {reason_of(error)}"
        raise ConfigError(text, remedy="save it as UTF-8, as the tool wrote it") from error
    if not found:
        raise ConfigError(f"{path} holds no reading of power", remedy="log timestamp, index and power.draw")
    series = {gpu: _series(path, gpu, clock, columns) for gpu, columns in found.items()}
    averaged = frozenset(series[gpu].device.id for gpu, (first, _, _) in found.items() if first.averaged)
    return PowerLog(tuple(series.values()), {gpu: first.names for gpu, (first, _, _) in found.items()}, averaged)


def _encoding(path: Path) -> str:
    """PowerShell writes what a program prints in UTF-16."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in _BYTE_ORDER_MARKS else "utf-8-sig"


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines one by one: a log of a day has some 100 MB."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ConfigError(
                f"{path} has a line of more than {_LONGEST_LINE:,} characters",
                remedy="give the log as the tool wrote it",
            )
        yield line


def _series(path: Path, gpu: str, clock: Clock, columns: tuple[_Row, array[float], array[float]]) -> Series:
    first, times, powers = columns
    if (last := set_back_at(times, clock)) is not None:
        raise ConfigError(
            f"{path}: the clock was set back after {last}, as at the end of summer time",
            remedy="cut the log there and import one part, with --timezone as it was then (such as +02:00 before and "
            "+01:00 after); a log in UTC or Unix seconds has no such hour",
        )
    if any(later <= earlier for earlier, later in pairwise(times)):
        repeated = "names two readings of one moment" if len(set(times)) < len(times) else "is not in order of time"
        raise ConfigError(
            f"{path}: the log of {gpu or 'the GPU'} {repeated}",
            remedy="log the GPU of each line (index or uuid), and one tool at a time",
        )
    if not first.is_certain and (together := rows_together(times)):
        raise ConfigError(
            f"{path}: rows come in groups of {together} as from several GPUs, and no column says which",
            remedy="log it again with --query-gpu=timestamp,index,power.draw",
        )
    device = Device("gpu", gpu or "GPU", f"GPU {gpu}" if gpu.isdecimal() else gpu or "GPU")
    return Series(device, "power_w", METER, times, times, powers)


def _with_closed_quotes(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """The lines; no tool writes a cell over several, and after a lone quote the rest of the log would be one cell."""
    for place, line in enumerate(lines, start=1):
        if line.count('"') % 2:
            raise ConfigError(
                f"{path}, line {place} has a quote that is not closed", remedy="give the log as the tool wrote it"
            )
        yield line


def _table(path: Path, lines: Iterable[str], clock: Clock) -> Iterator[_Row]:
    lines = _with_closed_quotes(path, lines)
    first = next(lines, "")
    separator = _separator(first)
    rows = csv.reader(chain([first], lines), delimiter=separator, skipinitialspace=True)
    heads = next(rows, [])
    columns = columns_of(path, heads, decimal_comma=separator != ",")
    for place, row in enumerate(rows, start=2):
        if not row or len(row) < len(heads) or row[columns.time].strip() == heads[columns.time].strip():
            continue  # a line that was cut, or the heads again
        if any(cell.strip() for cell in row[len(heads) :]):
            raise ConfigError(
                f"{path}, line {place} has {len(row)} cells under {len(heads)} heads, as with a decimal comma",
                remedy="write decimals with a point, or separate the columns by semicolons",
            )
        value = columns.power_w(row[columns.power])
        if value is None:
            raise ConfigError(
                f"{path}, line {place}: {row[columns.power]!r} is not a power",
                remedy="log a GPU that reports its power, in W, mW or kW",
            )
        names, is_certain = columns.names(row)
        averaged = columns.averaged and not (columns.model is not None and _GA100.search(row[columns.model]))
        time_s = _moment(path, place, columns.moment(row[columns.time].strip()), clock)
        yield _Row(names, is_certain, time_s, value, averaged)


def _separator(heads: str) -> str:
    """What parts the cells, by the heads: a comma, or what is written where decimals have one."""
    return next((mark for mark in (",", ";", "\t") if mark in heads), ",")


def _dmon(path: Path, lines: Iterable[str], clock: Clock) -> Iterator[_Row]:
    heads: list[str] = []
    for place, line in enumerate(lines, start=1):
        if header := _DMON_HEADER.search(line):
            heads = line[header.end() :].split()
        elif row := _DMON_ROW.match(line):
            values: Mapping[str, str] = dict(zip(heads, row["values"].split(), strict=False))
            power = watts(values.get("POWER", "")) if "POWER" in heads else None
            if power is None:
                raise ConfigError(f"{path}, line {place}: no POWER", remedy="log field 155: dcgmi dmon -e 155")
            before = row["before"].strip()
            if not before:
                raise ConfigError(
                    f"{path}, line {place}: dcgmi dmon prints no time",
                    remedy="put one before each line: dcgmi dmon -e 155 -d 100 | ts '%.s'",
                )
            names = (row["gpu"], row["gpu"].removeprefix("GPU "))
            yield _Row(names, True, _moment(path, place, before, clock), power)


def _moment(path: Path, place: int, text: str, clock: Clock) -> float:
    moment_s = clock.seconds(text)
    if moment_s is None:
        raise ConfigError(
            f"{path}, line {place}: {text!r} is not a time",
            remedy="log Unix seconds, or a date and time; milliseconds under a head such as 'time (ms)'",
        )
    return moment_s
