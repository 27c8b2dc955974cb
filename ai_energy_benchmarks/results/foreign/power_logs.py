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
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from ai_energy_benchmarks.domain.power import Device, Series
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.foreign.numbers import number
from ai_energy_benchmarks.text.moments import unix_seconds

# Names of columns as the tools write them, in lower case and without their unit in brackets.
_TIMES = ("timestamp", "time", "time_s", "unix_s")
_POWERS = (
    *("power.draw", "power.draw.average", "power.draw.instant", "power_w", "power"),
    *("socket_power", "current_socket_power", "average_socket_power"),
    *("average graphics package power", "current socket graphics package power"),
)
_GPUS = ("uuid", "gpu_uuid", "index", "gpu", "device", "pci.bus_id", "name")
_DMON_HEADER = re.compile(r"#\s*Entity\b")
_DMON_ROW = re.compile(r"^(?P<before>.*?)\b(?P<gpu>GPU(?:-I)? \d+)\s+(?P<values>.*)$")
METER = "log"
_LONGEST_LINE = 100_000


def read_power_log(path: Path) -> tuple[Series, ...]:
    """One series of power for each GPU, its times in Unix seconds.

    Raises:
        ConfigError: the file is not a power log, names no time, power or GPU, or has a line that cannot be read.
    """
    found: dict[str, tuple[array[float], array[float]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            is_dmon = any(map(_DMON_HEADER.search, _lines(path, file)))
            file.seek(0)
            for gpu, time_s, power_w in (_dmon if is_dmon else _table)(path, _lines(path, file)):
                times, powers = found.setdefault(gpu, (array("d"), array("d")))
                times.append(time_s)
                powers.append(power_w)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {error}", remedy="give the log as the tool wrote it") from error
    if not found:
        raise ConfigError(f"{path} holds no reading of power", remedy="log timestamp, index and power.draw")
    return tuple(_series(path, gpu, *columns) for gpu, columns in found.items())


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines one by one: a log of a day has some 100 MB."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ConfigError(
                f"{path} has a line of more than {_LONGEST_LINE:,} characters",
                remedy="give the log as the tool wrote it",
            )
        yield line


def _series(path: Path, gpu: str, times: array[float], powers: array[float]) -> Series:
    if any(later <= earlier for earlier, later in pairwise(times)):
        repeated = "names two readings of one moment" if len(set(times)) < len(times) else "is not in order of time"
        raise ConfigError(
            f"{path}: the log of {gpu or 'the GPU'} {repeated}",
            remedy="log the GPU of each line (index or uuid), and one tool at a time",
        )
    device = Device("gpu", gpu or "GPU", gpu or "GPU")
    return Series(device, "power_w", METER, times, times, powers)


def _table(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, float, float]]:
    rows = csv.reader(lines, skipinitialspace=True)
    heads = [re.sub(r"\s*[\[(].*[\])]$", "", head).strip().lower() for head in next(rows, [])]
    time, power = (_column(path, heads, names, what) for names, what in ((_TIMES, "time"), (_POWERS, "power")))
    gpu = next((heads.index(name) for name in _GPUS if name in heads), None)
    for place, row in enumerate(rows, start=2):
        if not row or len(row) < len(heads) or row[time].strip().lower() == heads[time]:
            continue  # a line that was cut, or the heads again
        value = _watts(row[power])
        if value is None:
            raise ConfigError(
                f"{path}, line {place}: {row[power]!r} is not a power", remedy="log a GPU that reports its power"
            )
        yield row[gpu].strip() if gpu is not None else "", _moment(path, place, row[time].strip()), value


def _column(path: Path, heads: Sequence[str], names: Sequence[str], what: str) -> int:
    found = next((heads.index(name) for name in names if name in heads), None)
    if found is None:
        raise ConfigError(
            f"{path}: no column of {what} among {', '.join(heads) or 'no heads'}",
            remedy="log with heads, such as nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -lms 100",
        )
    return found


def _dmon(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, float, float]]:
    heads: list[str] = []
    for place, line in enumerate(lines, start=1):
        if header := _DMON_HEADER.search(line):
            heads = line[header.end() :].split()
        elif row := _DMON_ROW.match(line):
            values: Mapping[str, str] = dict(zip(heads, row["values"].split(), strict=False))
            power = _watts(values.get("POWER", "")) if "POWER" in heads else None
            if power is None:
                raise ConfigError(f"{path}, line {place}: no POWER", remedy="log field 155: dcgmi dmon -e 155")
            before = row["before"].strip()
            if not before:
                raise ConfigError(
                    f"{path}, line {place}: dcgmi dmon prints no time",
                    remedy="put one before each line: dcgmi dmon -e 155 -d 100 | ts '%.s'",
                )
            yield row["gpu"], _moment(path, place, before), power


def _watts(text: str) -> float | None:
    """A number with or without its unit; None for [N/A], [Not Supported] and what is no number."""
    match = re.fullmatch(r"\s*(-?[\d.]+(?:[eE][-+]?\d+)?)\s*W?\s*", text)
    return number(match[1]) if match else None


def _moment(path: Path, place: int, text: str) -> float:
    moment_s = unix_seconds(text)
    if moment_s is None:
        raise ConfigError(
            f"{path}, line {place}: {text!r} is not a time", remedy="log Unix seconds, or a date and time"
        )
    return moment_s
