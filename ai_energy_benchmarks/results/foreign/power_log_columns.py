"""The heads of a power log: which column is what, in which unit, and how its cells are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.foreign.numbers import number

# Names of columns as the tools write them, in lower case and without their unit in brackets; the better ones first.
_TIMES = ("timestamp", "time", "time_s", "unix_s")
_POWERS = (
    *("power.draw.instant", "power.draw", "power.draw.average", "power_w", "power"),
    *("socket_power", "current_socket_power", "average_socket_power"),
    *("average graphics package power", "current socket graphics package power"),
)
# nvidia-smi's manual says of power.draw that it is the mean of the last second on Ampere and newer, without GA100.
# Not every log names its GPU, so the bounds of an older one are wider than they need be.
_AVERAGED = frozenset(("power.draw", "power.draw.average", "average_socket_power", "average graphics package power"))
_GPUS = ("uuid", "gpu_uuid", "index", "gpu", "device", "pci.bus_id")
# An index is one of its machine.
_HOSTS = ("hostname", "host", "node", "node_name")
# Of a model: GPUs of one model share it.
MODEL = "name"
# Columns that some fill with the model; then their cells look like none of these.
_MAY_BE_A_MODEL = frozenset(("gpu", "device"))
_OF_ONE_GPU = re.compile(r"(GPU|MIG)-\S+|[a-z]*[ :_-]?\d+|[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.IGNORECASE)
# Some write the unit at the end of a name: power_mw.
_UNIT_OF_NAME: Mapping[str, str] = {
    "w": "W",
    "watts": "W",
    "mw": "mW",
    "kw": "kW",
    "s": "s",
    "ms": "ms",
    "us": "us",
    "ns": "ns",
}
_UNIT = re.compile(r"\s*[\[(]\s*(?P<unit>[^\[\]()]*?)\s*[\])]$")
# A capital M is a million: nothing that this package measures draws megawatts.
_W_PER: Mapping[str, float] = {"": 1.0, "W": 1.0, "w": 1.0, "Watt": 1.0, "watt": 1.0, "Watts": 1.0, "watts": 1.0}
_W_PER = {**_W_PER, "mW": 1e-3, "kW": 1e3, "KW": 1e3}
_S_PER: Mapping[str, float] = {"": 1.0, "s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_S_PER = {**_S_PER, "ns": 1e-9}
_VALUE = re.compile(r"\s*(?P<value>-?[\d.,]+(?:[eE][-+]?\d+)?)\s*(?P<unit>[a-zA-Z]*)\s*")
_NUMBER_WITH_COMMA = re.compile(r"\s*-?\d+,\d+\s*")


@frozen
class Columns:
    """Where the parts of a reading are in a row.

    Attributes:
        gpus: of the GPU's names, the one that its series gets first.
        is_certain: whether the first of them is of one GPU only, as far as the head says.
        may_be_model: whether some tools write the model into it.
        host, model: of the machine's and of the model's name; None if the log has none.
        s_per_unit, w_per_unit: of times that are numbers, and of powers that have no unit of their own.
        averaged: whether the power is the mean of the last second.
        decimal_comma: whether a comma may part whole and fraction.
    """

    time: int
    power: int
    gpus: tuple[int, ...]
    is_certain: bool
    may_be_model: bool
    host: int | None
    model: int | None
    s_per_unit: float
    w_per_unit: float
    averaged: bool
    decimal_comma: bool

    def names(self, row: Sequence[str]) -> tuple[tuple[str, ...], bool]:
        """The GPU's names in a row, and whether the first is of one GPU only."""
        names = tuple(row[gpu].strip() for gpu in self.gpus)
        certain = self.is_certain and not (self.may_be_model and not _OF_ONE_GPU.fullmatch(names[0]))
        if self.host is None:
            return names, certain
        host = row[self.host].strip()
        return (*(f"{host}/{name}" for name in names), *names) if names else (host,), certain

    def power_w(self, text: str) -> float | None:
        """A power with or without its unit; None for [N/A], [Not Supported] and what is no number."""
        return watts(text, self.w_per_unit, decimal_comma=self.decimal_comma)

    def moment(self, text: str) -> str:
        """A time as Unix seconds, or a date and time as it is."""
        if self.decimal_comma and _NUMBER_WITH_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        if self.s_per_unit == 1.0:
            return text
        try:
            return repr(float(text) * self.s_per_unit)
        except ValueError:
            return text


def columns_of(path: Path, row: Sequence[str], *, decimal_comma: bool) -> Columns:
    """The columns by their heads.

    Raises:
        ConfigError: there is none of a time or of a power, or one is in a unit that is not known.
    """
    named = [_name_and_unit(head) for head in row]
    heads, units = [name for name, _ in named], [unit for _, unit in named]
    time, power = (_column(path, heads, names, what) for names, what in ((_TIMES, "time"), (_POWERS, "power")))
    certain = tuple(heads.index(name) for name in _GPUS if name in heads)
    model = heads.index(MODEL) if MODEL in heads else None
    host = next((heads.index(name) for name in _HOSTS if name in heads), None)
    return Columns(
        time,
        power,
        certain or (() if model is None else (model,)),
        bool(certain),
        bool(certain) and heads[certain[0]] in _MAY_BE_A_MODEL,
        host,
        model,
        _factor(path, row[time], units[time], _S_PER, "seconds"),
        _factor(path, row[power], units[power], _W_PER, "watts"),
        heads[power] in _AVERAGED,
        decimal_comma,
    )


def _name_and_unit(head: str) -> tuple[str, str]:
    """``power [mW]`` and ``power_mw`` as ``power`` and ``mW``; no unit where the head has none."""
    name = _UNIT.sub("", head).strip().lower()
    if match := _UNIT.search(head):
        return name, match["unit"]
    stem, _, last = name.rpartition("_")
    known = next((each for each in (stem, stem.replace("_", ".")) if each in (*_TIMES, *_POWERS)), None)
    return (name, "") if known is None or last not in _UNIT_OF_NAME else (known, _UNIT_OF_NAME[last])


def watts(text: str, w_per_unit: float = 1.0, *, decimal_comma: bool = False) -> float | None:
    """A power in watts; its own unit counts before that of its column. None for what is no number."""
    match = _VALUE.fullmatch(text)
    if match is None or match["unit"] not in _W_PER:
        return None
    value = match["value"].replace(",", ".") if decimal_comma else match["value"]
    found = number(value)
    return None if found is None else found * (_W_PER[match["unit"]] if match["unit"] else w_per_unit)


def _factor(path: Path, head: str, unit: str, known: Mapping[str, float], what: str) -> float:
    if unit not in known:
        raise ConfigError(
            f"{path}: the unit of the column {head.strip()!r} is not known",
            remedy=f"give it in {what}; known are {', '.join(name for name in known if name)}",
        )
    return known[unit]


def _column(path: Path, heads: Sequence[str], names: Sequence[str], what: str) -> int:
    found = next((heads.index(name) for name in names if name in heads), None)
    if found is None:
        raise ConfigError(
            f"{path}: no column of {what} among {', '.join(heads) or 'no heads'}",
            remedy=(
                "log with heads, such as nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -lms 100; "
                "in a log of your own: timestamp,index,power [W]"
            ),
        )
    return found
