"""From a study to its cells: declared, checked, merged where two would measure the same."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path as File

from attrs import define, field, frozen

from ai_energy_benchmarks.config.known_blocks import KnownBlocks
from ai_energy_benchmarks.config.loading import checked_mapping
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.study.cells import Cell, cell_id, config_hash
from ai_energy_benchmarks.study.plan.axes import Axis, flat_settings
from ai_energy_benchmarks.study.plan.effects import without_effect
from ai_energy_benchmarks.study.plan.labels import labels
from ai_energy_benchmarks.study.plan.selection import Selection, lookup_in, read_selection
from ai_energy_benchmarks.study.plan.study import Study
from ai_energy_benchmarks.text.problems import InvalidError, Path, Problem, dotted, shown

# More is a mistake in a range: at a minute each, this many cells take ten weeks.
MOST_DECLARED = 100_000
_NO_EFFECT = "has no effect"


@frozen
class Declared:
    """One combination as the file declares it.

    Attributes:
        settings: dotted key → value, laid over ``base``.
        places: dotted key → where the file has it.
        engine: ``backend.type``; empty where nothing sets it.
    """

    settings: Mapping[str, object]
    places: Mapping[str, Path]
    engine: str

    def written(self, path: Path) -> Path:
        """Where the file has what stands at ``path`` of the config."""
        for key, place in self.places.items():
            parts = tuple(key.split("."))
            if path[: len(parts)] == parts:
                return (*place, *path[len(parts) :])
            if parts[: len(path)] == path:
                return place
        return ("base", *path)


@frozen
class Expansion:
    """What became of the combinations that a file declares.

    Attributes:
        declared: how many there are.
        left_out: ``exclude`` or ``constraints`` → how many each leaves out.
        invalid: reason → how many combinations are invalid for it; one may have several.
        invalid_cells: how many are invalid.
        merged: reason → how many combinations measure the same as another one.
        cells: what is left, in the order of the file.
    """

    declared: int
    left_out: Mapping[str, int]
    invalid: Mapping[str, int]
    invalid_cells: int
    merged: Mapping[str, int]
    cells: tuple[Cell, ...]


def expand(study: Study) -> Expansion:
    """The cells of a study.

    Raises:
        ConfigError: with all problems that are the file's own: those of every cell that has the value in question,
            of rules that leave out nothing, and whatever leaves no cell at all.
    """
    try:
        return expanded(study)
    except InvalidError as error:
        raise study.refuse([*error.problems]) from error


def expanded(study: Study) -> Expansion:
    """As ``expand``.

    Raises:
        InvalidError: with the problems of the file, at their paths in it.
    """
    selection, problems = read_selection(study.config)
    size = declared_size(study)
    if size > MOST_DECLARED:
        text = f"declares {size} combinations, of which a study has at most {MOST_DECLARED}; shorten an axis"
        raise InvalidError(*problems, Problem(("sweep",), text))
    work = _Expanding(study, Selection((), ()) if problems else selection)
    for declared in declare(study):
        work.add(declared)
    try:
        expansion = work.result()
    except InvalidError as error:
        problems += error.problems
    if problems:
        raise InvalidError(*problems)
    return expansion


def declared_size(study: Study) -> int:
    """At most how many combinations a file declares."""
    common = math.prod(len(axis.entries) for axis in study.axes if axis.engine is None)
    scoped = Counter[str]()
    for axis in study.axes:
        if axis.engine is not None:
            scoped[axis.engine] = (scoped[axis.engine] or 1) * len(axis.entries)
    return common * max([1, *scoped.values()]) + len(study.config.experiments)


def declare(study: Study) -> Iterator[Declared]:
    """Every combination of the axes, then the experiments; a study with neither is its base."""
    if study.axes or not study.config.experiments:
        common = [axis for axis in study.axes if axis.engine is None]
        for chosen in _products(common):
            engine = _combined(study, chosen).engine
            scoped = [axis for axis in study.axes if axis.engine == engine and engine]
            for further in _products(scoped):
                yield _combined(study, (*chosen, *further))
    for number, entry in enumerate(study.config.experiments):
        settings = flat_settings(entry)
        engine = str(settings.get("backend.type", _base_engine(study)))
        yield Declared(settings, {key: ("experiments", number, key) for key in settings}, engine)


_Choice = tuple[Axis, int]


def _products(axes: list[Axis]) -> Iterator[tuple[_Choice, ...]]:
    return itertools.product(*([(axis, number) for number in range(len(axis.entries))] for axis in axes))


def _combined(study: Study, chosen: tuple[_Choice, ...]) -> Declared:
    settings: dict[str, object] = {}
    places: dict[str, Path] = {}
    for axis, number in chosen:
        for key, value in axis.entries[number].items():
            settings[key], places[key] = value, axis.place(number, key)
    return Declared(settings, places, str(settings.get("backend.type", _base_engine(study))))


def _base_engine(study: Study) -> str:
    backend = study.config.base.get("backend")
    return str(backend.get("type", "")) if isinstance(backend, Mapping) else ""


def cell_mapping(study: Study, cell: Cell, directory: File, name: str) -> dict[str, object]:
    """The config of one cell, as a file holds it."""
    mapping = with_overrides(study.config.base, cell.settings)
    return {"name": name, **mapping, "output_dir": str(directory)}


@define
class _Expanding:
    """Takes the combinations one after the other and keeps of each only what is needed later."""

    study: Study
    selection: Selection
    declared: int = 0
    left_out: Counter[str] = field(factory=Counter)
    merged: Counter[str] = field(factory=Counter)
    invalid_cells: int = 0
    engines: frozenset[str] = frozenset()
    _blocks: KnownBlocks = field(factory=KnownBlocks)
    _cells: dict[tuple[int, ...], tuple[Declared, str]] = field(factory=dict)
    _problems: dict[tuple[Path, str], _Trouble] = field(factory=dict)
    _carriers: Counter[tuple[Path, str]] = field(factory=Counter)
    _scopes: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.engines = frozenset(declared_engines(self.study))

    def add(self, declared: Declared) -> None:
        self.declared += 1
        self._scopes.add(declared.engine)
        idle = without_effect(declared.settings, declared.engine, self.engines)
        mapping, config, problems = self._checked(declared.settings, idle)
        swept: dict[Path, str] = {tuple(key.split(".")): key for key in declared.settings}
        while problems and all(each.text.startswith(_NO_EFFECT) and each.path in swept for each in problems):
            idle |= {swept[each.path]: each.text for each in problems}
            mapping, config, problems = self._checked(declared.settings, idle)
        reason = self.selection.leaves_out(lookup_in(None if problems else config, mapping))
        if reason is not None:
            self.left_out[reason] += 1
            return
        self._carry(declared)
        if problems or config is None:
            self._blame(declared, problems)
            return
        settings = {key: value for key, value in declared.settings.items() if key not in idle}
        key = self._blocks.identity(config)
        if key in self._cells:
            reasons = [f"{name} {why}" for name, why in idle.items()] or ["equal to another cell"]
            self.merged[_short(reasons[0])] += 1
        else:
            self._cells[key] = Declared(settings, {}, declared.engine), config_hash(mapping)

    def _checked(
        self, settings: Mapping[str, object], idle: Mapping[str, str]
    ) -> tuple[Mapping[str, object], BenchmarkConfig | None, tuple[Problem, ...]]:
        mapping = with_overrides(
            self.study.config.base, {key: value for key, value in settings.items() if key not in idle}
        )
        config, problems = checked_mapping(mapping, blocks=self._blocks)
        return mapping, config, problems

    def _carry(self, declared: Declared) -> None:
        """Count how many cells have each value, to know whether all of them are wrong."""
        self._carriers[("base",), ""] += 1
        for key, place in declared.places.items():
            self._carriers[place, repr(declared.settings[key])] += 1

    def _blame(self, declared: Declared, problems: tuple[Problem, ...]) -> None:
        self.invalid_cells += 1
        for problem in problems:
            written = declared.written(problem.path)
            carrier: tuple[Path, str] = (("base",), "")
            for key, place in declared.places.items():
                if written[: len(place)] == place:
                    carrier = place, repr(declared.settings[key])
            trouble = self._problems.setdefault((written, problem.text), _Trouble(carrier, problem.unknown))
            trouble.cells += 1

    def result(self) -> Expansion:
        """The cells that are left.

        Raises:
            InvalidError: the file's own problems.
        """
        own = [
            Problem(path, text, trouble.unknown)
            for (path, text), trouble in self._problems.items()
            if trouble.cells == self._carriers[trouble.carrier] or not self._cells
        ]
        own += self.selection.problems([key for each, _ in self._cells.values() for key in each.settings])
        for axis in self.study.axes:
            if axis.engine is not None and axis.engine not in self._scopes:
                own.append(Problem(axis.path[:2], f"is of {axis.engine}, which no cell runs on; remove it"))
        if not own and not self._cells:
            own.append(Problem((), "leaves no cell: exclude and constraints remove them all"))
        if own:
            # An unknown key is one problem, whatever values the cells have for it.
            once = {(each.path, "" if each.unknown else each.text): each for each in reversed(own)}
            raise InvalidError(*once.values())
        return Expansion(
            declared=self.declared,
            left_out=dict(self.left_out),
            invalid={f"{dotted(path)}: {text}": each.cells for (path, text), each in self._problems.items()},
            invalid_cells=self.invalid_cells,
            merged=dict(self.merged),
            cells=self._named(),
        )

    def _named(self) -> tuple[Cell, ...]:
        kept = list(self._cells.values())
        names = labels([each.settings for each, _ in kept])
        cells = []
        taken = Counter[str]()
        for (each, sha256), label in zip(kept, names, strict=True):
            name = cell_id(label, sha256)
            taken[name] += 1
            unique = name if taken[name] == 1 else f"{name}-{taken[name]}"  # they differ in secrets alone
            cells.append(Cell(unique, label, each.settings, each.engine, sha256))
        return tuple(cells)


@define
class _Trouble:
    """A problem, how many cells have it, the value that it is blamed on, and whether it is an unknown key."""

    carrier: tuple[Path, str]
    unknown: str | None = None
    cells: int = 0


def declared_engines(study: Study) -> set[str]:
    """Every ``backend.type`` that a study names."""
    engines = {_base_engine(study)}
    entries = [entry for axis in study.axes for entry in axis.entries]
    entries += [flat_settings(each) for each in study.config.experiments]
    engines |= {str(entry["backend.type"]) for entry in entries if "backend.type" in entry}
    return engines - {""}


def _short(reason: str) -> str:
    return reason if len(reason) <= 120 else shown(reason)
