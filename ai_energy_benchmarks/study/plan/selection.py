"""``exclude`` and ``constraints``: which of the declared cells a study leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import define, field, frozen

from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.study.plan.axes import flat_settings
from ai_energy_benchmarks.study.plan.constraints import AbsentError, Constraint, Lookup, parse_constraint
from ai_energy_benchmarks.study.plan.study import StudyConfig
from ai_energy_benchmarks.text.problems import InvalidError, Problem, nearest


@frozen
class Exclusion:
    """One entry of ``exclude``: dotted key → the values of which a cell must have one."""

    wanted: Mapping[str, tuple[object, ...]]

    def matches(self, lookup: Lookup) -> bool:
        """Whether all keys of the cell have one of these values."""
        try:
            return all(any(_same(lookup(key), value) for value in values) for key, values in self.wanted.items())
        except AbsentError:
            return False


@define
class Selection:
    """All that leaves cells out, and which of it ever did."""

    exclusions: tuple[Exclusion, ...]
    constraints: tuple[Constraint, ...]
    _matched: set[int] = field(factory=set)
    _applied: set[int] = field(factory=set)
    _known: set[str] = field(factory=set)

    def leaves_out(self, lookup: Lookup) -> str | None:
        """Why a cell is left out; None if it is not."""
        for key in self._keys() - self._known:
            if _has(lookup, key):
                self._known.add(key)
        reason = None
        for number, exclusion in enumerate(self.exclusions):
            if exclusion.matches(lookup):
                self._matched.add(number)
                reason = reason or f"exclude[{number}]"
        for number, constraint in enumerate(self.constraints):
            holds = constraint.holds(lookup)
            if holds is not None:
                self._applied.add(number)
            if holds is False:
                reason = reason or f"constraints: {constraint.text}"
        return reason

    def problems(self, known: Sequence[str]) -> Iterator[Problem]:
        """What never had an effect, once all cells were looked at; ``known`` are names that may have been meant."""
        for number, exclusion in enumerate(self.exclusions):
            if unknown := [key for key in exclusion.wanted if key not in self._known]:
                for key in unknown:
                    text = f"is not a key of any cell{nearest(key, known)}"
                    yield Problem(("exclude", number, key), text)
            elif number not in self._matched:
                yield Problem(("exclude", number), "matches no cell; remove it")
        for number, constraint in enumerate(self.constraints):
            if number in self._applied:
                continue
            unknown = [key for key in constraint.keys if key not in self._known]
            hints = [f"{key} is not a key of any cell{nearest(key, known)}" for key in unknown]
            yield Problem(("constraints", number), "; ".join(hints) or "applies to no cell; remove it")

    def _keys(self) -> set[str]:
        named = [exclusion.wanted for exclusion in self.exclusions]
        return {key for keys in (*named, *(each.keys for each in self.constraints)) for key in keys}


def read_selection(config: StudyConfig) -> tuple[Selection, tuple[Problem, ...]]:
    """What a study leaves out, and what is wrong with how it says so."""
    exclusions, constraints, problems = [], [], []
    for number, entry in enumerate(config.exclude):
        wanted = {key: _listed(value) for key, value in flat_settings(entry).items()}
        if not wanted or not all(wanted.values()):
            problems.append(Problem(("exclude", number), "must name keys with a value, or with a list of values"))
        exclusions.append(Exclusion(wanted))
    for number, text in enumerate(config.constraints):
        try:
            constraints.append(parse_constraint(text))
        except InvalidError as error:
            problems += [problem.below("constraints", number) for problem in error.problems]
    return Selection(tuple(exclusions), tuple(constraints)), tuple(problems)


def lookup_in(config: BenchmarkConfig | None, mapping: Mapping[str, object]) -> Lookup:
    """The value of a dotted key: of the config with its defaults, or as written where there is no valid config."""

    def look(key: str) -> object:
        value: object = mapping if config is None else config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
            if value is None:
                raise AbsentError(key)
        return value

    return look


def _has(lookup: Lookup, key: str) -> bool:
    try:
        lookup(key)
    except AbsentError:
        return False
    return True


def _listed(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _same(one: object, other: object) -> bool:
    """1 == True in Python, but not in a config."""
    if isinstance(one, tuple) and isinstance(other, list):
        return list(one) == other
    return one == other and isinstance(one, bool) == isinstance(other, bool)
