"""``sweep`` of a study: axes, groups of settings that change together, and axes of one engine alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import attrs
from attrs import frozen

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.config.overrides import override_paths
from ai_energy_benchmarks.text.converter import plain_converter
from ai_energy_benchmarks.text.problems import InvalidError, Path, Problem, dotted, nearest, shown
from ai_energy_benchmarks.text.ranges import AtLeast

Settings = Mapping[str, object]
Number = int | float
_RANGES = "{min, max, num}, {log: {min, max, num}}, {pow2: {min, max}}"
_RANGE_KEYS = ("min", "max", "num", "log", "pow2")
# Of the study itself; a cell has its own.
_SET_BY_THE_STUDY = ("name", "output_dir")


@frozen
class Axis:
    """Alternatives, of which every cell has one.

    Attributes:
        path: where the file has it.
        entries: the settings of each alternative, dotted key → value.
        engine: the only ``backend.type`` whose cells have this axis; None for all.
        group: whether each entry stands in the file as a mapping of its own.
    """

    path: Path
    entries: tuple[Settings, ...]
    engine: str | None = None
    group: bool = False

    @property
    def keys(self) -> frozenset[str]:
        """All keys that it sets."""
        return frozenset(key for entry in self.entries for key in entry)

    def place(self, entry: int, key: str) -> Path:
        """Where the file has the value of one setting."""
        return (*self.path, entry, key) if self.group else self.path


@frozen
class Span:
    """``{min: 100, max: 300, num: 5}``: equal steps, both limits included."""

    min: Number
    max: Number
    num: Annotated[int, AtLeast(2)]

    def values(self) -> tuple[Number, ...]:
        """The values; whole numbers where both limits are written as such.

        Raises:
            InvalidError: the steps are not whole although the limits are.
        """
        _check_rising(self.min, self.max)
        step = (self.max - self.min) / (self.num - 1)
        if isinstance(self.min, int) and isinstance(self.max, int):
            whole, rest = divmod(self.max - self.min, self.num - 1)
            if rest:
                text = f"gives steps of {step:g} between whole numbers; write {self.min}.0 if fractions are meant"
                raise InvalidError(Problem((), text))
            return tuple(self.min + whole * number for number in range(self.num))
        return (*(self.min + step * number for number in range(self.num - 1)), float(self.max))


@frozen
class LogSpan:
    """``{log: {min: 1, max: 1000, num: 4}}``: equal ratios, both limits included."""

    log: Span

    def values(self) -> tuple[Number, ...]:
        """The values; rounded to whole numbers where both limits are written as such.

        Raises:
            InvalidError: a limit is not positive, or two values would be rounded to the same one.
        """
        low, high, num = self.log.min, self.log.max, self.log.num
        _check_rising(low, high)
        if low <= 0:
            raise InvalidError(Problem(("log", "min"), f"must be more than 0, got {shown(low)}"))
        inner = [low * (high / low) ** (number / (num - 1)) for number in range(1, num - 1)]
        if not (isinstance(low, int) and isinstance(high, int)):
            return (float(low), *inner, float(high))
        whole = (low, *map(round, inner), high)
        if len(set(whole)) < num:
            text = f"has only {len(set(whole))} different whole numbers between {low} and {high}, got {num}"
            raise InvalidError(Problem(("log", "num"), text))
        return whole


@frozen
class Limits:
    """From and to, both included where they are met."""

    min: Annotated[int, AtLeast(1)]
    max: Annotated[int, AtLeast(1)]


@frozen
class PowersOfTwo:
    """``{pow2: {min: 1, max: 64}}``: the powers of two in these limits."""

    pow2: Limits

    def values(self) -> tuple[Number, ...]:
        """The powers.

        Raises:
            InvalidError: there is none.
        """
        powers = range((self.pow2.min - 1).bit_length(), self.pow2.max.bit_length())
        if not powers:
            text = f"has no power of two between {self.pow2.min} and {self.pow2.max}"
            raise InvalidError(Problem(("pow2",), text))
        return tuple(2**power for power in powers)


def read_axes(sweep: Mapping[str, object]) -> tuple[tuple[Axis, ...], tuple[Problem, ...]]:
    """The axes of a sweep, and what is wrong with it, with paths from the top of the study."""
    axes: list[Axis] = []
    problems: list[Problem] = []
    for axis in _axes(sweep, ("sweep",), None):
        if isinstance(axis, Axis):
            axes.append(axis)
        else:
            problems.append(axis)
    problems.extend(_overlaps(axes))
    return tuple(axes), tuple(problems)


def _axes(sweep: Mapping[str, object], parent: Path, engine: str | None) -> Iterator[Axis | Problem]:
    for name, value in sweep.items():
        path = (*parent, name)
        try:
            if engine is None and isinstance(value, Mapping) and name in registry.names("backends"):
                yield from _axes(value, path, name)
            elif isinstance(value, list) and _is_group(name, value):
                yield Axis(path, _group([each for each in value if isinstance(each, Mapping)]), engine, group=True)
            else:
                _check_key(name)
                yield Axis(path, tuple({name: each} for each in _values(value)), engine)
        except InvalidError as error:
            yield from (problem.below(*path) for problem in error.problems)


def _is_group(name: str, value: list[object]) -> bool:
    """A name without a dot that is no key of a config, over alternatives that are mappings."""
    return "." not in name and name not in _top_keys() and all(isinstance(each, Mapping) for each in value)


def _group(entries: Sequence[Mapping[str, object]]) -> tuple[Settings, ...]:
    if not entries:
        raise InvalidError(Problem((), "must have at least one alternative, got []"))
    flat = tuple(flat_settings(entry) for entry in entries)
    problems = [
        Problem((number, key), f"{key} belongs to the study, which gives every cell its own")
        for number, entry in enumerate(flat)
        for key in entry
        if key in _SET_BY_THE_STUDY
    ]
    if problems:
        raise InvalidError(*problems)
    return flat


def flat_settings(entry: Mapping[str, object]) -> dict[str, object]:
    """Nested mappings or dotted keys to dotted keys."""
    return {dotted(path): value for path, value in override_paths(entry)}


def _check_key(name: str) -> None:
    top = name.split(".", 1)[0]
    if name in _SET_BY_THE_STUDY:
        raise InvalidError(Problem((), "belongs to the study, which gives every cell its own"))
    if top not in _top_keys():
        known = (*_top_keys(), *registry.names("backends"))
        text = (
            f"is neither a key of a config, an engine, nor a list of mappings that change together{nearest(top, known)}"
        )
        raise InvalidError(Problem((), text))


def _values(value: object) -> Sequence[object]:
    if isinstance(value, list):
        if not value:
            raise InvalidError(Problem((), "must have at least one value, got []"))
        return value
    if not isinstance(value, Mapping):
        text = f"must be a list or a range, got {shown(value)}; a value that all cells share belongs to base"
        raise InvalidError(Problem((), text))
    kind = LogSpan if "log" in value else PowersOfTwo if "pow2" in value else Span
    if kind is Span and not value.keys() & {"min", "max", "num"}:
        key = next(iter(value), "")
        text = f"is not a range, got {shown(value)}; known here: {_RANGES}{nearest(key, _RANGE_KEYS)}"
        raise InvalidError(Problem((), text))
    span = plain_converter().structure(value, kind)
    assert isinstance(span, Span | LogSpan | PowersOfTwo)  # as structured
    return span.values()


def _check_rising(low: Number, high: Number) -> None:
    if not low < high or not math.isfinite(high - low):
        raise InvalidError(Problem((), f"must rise from min to max, got {shown(low)} and {shown(high)}"))


def _overlaps(axes: Sequence[Axis]) -> Iterator[Problem]:
    """Two axes of one cell that set the same key, or a block and a key in it."""
    for number, axis in enumerate(axes):
        for earlier in axes[:number]:
            if axis.engine is not None and earlier.engine is not None and axis.engine != earlier.engine:
                continue
            for key in sorted(axis.keys):
                if any(_meet(key, other) for other in earlier.keys):
                    yield Problem(axis.path, f"sets {key}, which {dotted(earlier.path)} sets too; keep one")
                    break


def _meet(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _top_keys() -> tuple[str, ...]:
    return tuple(each.name for each in attrs.fields(BenchmarkConfig))
