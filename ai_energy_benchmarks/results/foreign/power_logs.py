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

from attrs import frozen

from ai_energy_benchmarks.domain.power import Device, Series
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.foreign.clocks import Clock
from ai_energy_benchmarks.results.foreign.numbers import number
from ai_energy_benchmarks.results.foreign.power_log_groups import rows_together

# Names of columns as the tools write them, in lower case and without their unit in brackets.
_TIMES = ("timestamp", "time", "time_s", "unix_s")
_POWERS = (
    *("power.draw", "power.draw.average", "power.draw.instant", "power_w", "power"),
    *("socket_power", "current_socket_power", "average_socket_power"),
    *("average graphics package power", "current socket graphics package power"),
)
_GPUS = ("uuid", "gpu_uuid", "index", "gpu", "device", "pci.bus_id")
# Of a model: GPUs of one model share it.
_MODEL = "name"
_DMON_HEADER = re.compile(r"#\s*Entity\b")
_DMON_ROW = re.compile(r"^(?P<before>.*?)\b(?P<gpu>GPU(?:-I)? \d+)\s+(?P<values>.*)$")
METER = "log"
_LONGEST_LINE = 100_000


@frozen
class _Row:
    """One reading.

    Attributes:
        names: of its GPU, the one that its series gets first; empty if the log has none.
        is_certain: whether the first name is of one GPU only.
    """

    names: tuple[str, ...]
    is_certain: bool
    time_s: float
    power_w: float


@frozen
class PowerLog:
    """A power log.

    Attributes:
        series: one for each GPU.
        names: every name of each GPU (uuid, index and others) by the id of its series.
    """

    series: tuple[Series, ...]
    names: Mapping[str, tuple[str, ...]]

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
        with path.open(encoding="utf-8-sig", newline="") as file:
            is_dmon = any(map(_DMON_HEADER.search, _lines(path, file)))
            file.seek(0)
            for row in (_dmon if is_dmon else _table)(path, _lines(path, file), clock):
                gpu = row.names[0] if row.names else ""
                _, times, powers = found.setdefault(gpu, (row, array("d"), array("d")))
                times.append(row.time_s)
                powers.append(row.power_w)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {error}", remedy="give the log as the tool wrote it") from error
    if not found:
        raise ConfigError(f"{path} holds no reading of power", remedy="log timestamp, index and power.draw")
    series = tuple(_series(path, gpu, *columns) for gpu, columns in found.items())
    return PowerLog(series, {gpu: first.names for gpu, (first, _, _) in found.items()})


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines one by one: a log of a day has some 100 MB."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ConfigError(
                f"{path} has a line of more than {_LONGEST_LINE:,} characters",
                remedy="give the log as the tool wrote it",
            )
        yield line


def _series(path: Path, gpu: str, first: _Row, times: array[float], powers: array[float]) -> Series:
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
    device = Device("gpu", gpu or "GPU", gpu or "GPU")
    return Series(device, "power_w", METER, times, times, powers)


def _table(path: Path, lines: Iterable[str], clock: Clock) -> Iterator[_Row]:
    rows = csv.reader(lines, skipinitialspace=True)
    heads = [re.sub(r"\s*[\[(].*[\])]$", "", head).strip().lower() for head in next(rows, [])]
    time, power = (_column(path, heads, names, what) for names, what in ((_TIMES, "time"), (_POWERS, "power")))
    certain = [heads.index(name) for name in _GPUS if name in heads]
    gpus = certain or [place for place, head in enumerate(heads) if head == _MODEL]
    for place, row in enumerate(rows, start=2):
        if not row or len(row) < len(heads) or row[time].strip().lower() == heads[time]:
            continue  # a line that was cut, or the heads again
        value = _watts(row[power])
        if value is None:
            raise ConfigError(
                f"{path}, line {place}: {row[power]!r} is not a power", remedy="log a GPU that reports its power"
            )
        names = tuple(row[gpu].strip() for gpu in gpus)
        yield _Row(names, bool(certain), _moment(path, place, row[time].strip(), clock), value)


def _column(path: Path, heads: Sequence[str], names: Sequence[str], what: str) -> int:
    found = next((heads.index(name) for name in names if name in heads), None)
    if found is None:
        raise ConfigError(
            f"{path}: no column of {what} among {', '.join(heads) or 'no heads'}",
            remedy="log with heads, such as nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -lms 100",
        )
    return found


def _dmon(path: Path, lines: Iterable[str], clock: Clock) -> Iterator[_Row]:
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
            names = (row["gpu"], row["gpu"].removeprefix("GPU "))
            yield _Row(names, True, _moment(path, place, before, clock), power)


def _watts(text: str) -> float | None:
    """A number with or without its unit; None for [N/A], [Not Supported] and what is no number."""
    match = re.fullmatch(r"\s*(-?[\d.]+(?:[eE][-+]?\d+)?)\s*W?\s*", text)
    return number(match[1]) if match else None


def _moment(path: Path, place: int, text: str, clock: Clock) -> float:
    moment_s = clock.seconds(text)
    if moment_s is None:
        raise ConfigError(
            f"{path}, line {place}: {text!r} is not a time", remedy="log Unix seconds, or a date and time"
        )
    return moment_s
