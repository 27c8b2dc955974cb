"""Files of families: YAML through the same strict converter as a config, every mistake with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import attrs
from attrs import field, frozen
from cattrs import Converter

from ai_energy_benchmarks.domain.prompts import TemplateValue
from ai_energy_benchmarks.formatters.family import Place, State
from ai_energy_benchmarks.text import yaml_text
from ai_energy_benchmarks.text.converter import plain_converter
from ai_energy_benchmarks.text.problems import InvalidError, Problem, refusal
from ai_energy_benchmarks.text.problems import Place as TextPlace

Kind = Literal["harmony", "chat_template", "parameter", "system_prompt", "prefix"]
TYPES: tuple[Kind, ...] = get_args(Kind)
_TEXT_TYPES = ("system_prompt", "prefix")
_REMEDY = "correct these keys; docs/reasoning.md describes every one"


@frozen
class FamilyKeys:
    """What a file may give of a family or of one model; ``Family`` says what each key means."""

    type: Kind | None = None
    default: State | None = None
    on: str | Mapping[str, TemplateValue] | None = None
    off: str | Mapping[str, TemplateValue] | None = None
    place: Place = "system"
    params: Mapping[str, tuple[TemplateValue, ...]] = field(factory=dict)
    thinks_when_off: bool = False
    thinking: tuple[str, str] | None = None
    source: str = ""
    note: str = ""


@frozen
class FamilyBlock(FamilyKeys):
    """One family of a file.

    Attributes:
        patterns: regular expressions for the whole last part of a model's name.
        models: exact names → what these have otherwise.
    """

    patterns: tuple[str, ...] | None = None
    models: Mapping[str, FamilyKeys] = field(factory=dict)


@frozen
class FamilyFile:
    """A file of families, by their names."""

    families: Mapping[str, FamilyBlock]


@frozen
class Entry:
    """A family as a file has it: only the keys that were given, so that it can be laid over another.

    Attributes:
        keys: the arguments of ``Family`` that the file gives.
        patterns: for the last part of a model's name; None if the file gives none.
        models: exact names → the arguments that this model has otherwise.
    """

    name: str
    keys: Mapping[str, object]
    patterns: tuple[str, ...] | None
    models: Mapping[str, Mapping[str, object]]


@cache
def _converter() -> Converter:
    return plain_converter()


def read_families(file: Path) -> tuple[Entry, ...]:
    """The families of a file, in its order.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; each problem with its line.
    """
    document = yaml_text.read(file)
    problems = list(document.problems)
    entries: tuple[Entry, ...] = ()
    try:
        content: FamilyFile = _converter().structure(document.value, FamilyFile)
        entries = tuple(_entries(content, document, file))
        problems += _meaning_problems(content, entries)
    except InvalidError as error:
        problems += error.problems
    if problems:
        raise refusal(str(file), problems, lambda path: TextPlace(document.line(path) or 1), remedy=_REMEDY)
    return entries


def _entries(content: FamilyFile, document: yaml_text.Document, file: Path) -> Iterator[Entry]:
    written = _mapping(_mapping(document.value)["families"])
    for name, block in content.families.items():
        given = _mapping(written[name])
        where = f"{file}:{document.line(('families', name))}"
        models = _mapping(given.get("models", {}))
        overrides = {model: _given(block.models[model], _mapping(keys)) for model, keys in models.items()}
        yield Entry(name, {**_given(block, given), "name": name, "where": where}, block.patterns, overrides)


def _mapping(value: object) -> Mapping[str, object]:
    """A mapping of the file, its keys as text; the converter has checked that it is one."""
    return {str(key): part for key, part in value.items()} if isinstance(value, Mapping) else {}


def _given(keys: FamilyKeys, written: Mapping[str, object]) -> dict[str, object]:
    """Of the keys those that the file has."""
    return {name.name: getattr(keys, name.name) for name in attrs.fields(FamilyKeys) if name.name in written}


def _meaning_problems(content: FamilyFile, entries: tuple[Entry, ...]) -> Iterator[Problem]:
    """What types alone do not show: patterns that are none, and switches in the wrong form."""
    for entry in entries:
        path = ("families", entry.name)
        for position, pattern in enumerate(entry.patterns or ()):
            try:
                re.compile(pattern)
            except re.error as error:
                yield Problem((*path, "patterns", position), f"{pattern!r} is not a regular expression: {error}")
        yield from (problem.below(*path) for problem in form_problems(entry.keys))
        for model, overrides in entry.models.items():
            for problem in form_problems({**entry.keys, **overrides}):
                if not form_problems(entry.keys):
                    yield problem.below(*path, "models", model)


def form_problems(keys: Mapping[str, object]) -> tuple[Problem, ...]:
    """What a switch sends in another form than its type needs; a file may leave the type to the built-in family."""
    kind = keys.get("type")
    form = "text" if kind in _TEXT_TYPES else "a mapping of names to values"
    sent = {state: keys.get(state) for state in ("on", "off")}
    return tuple(
        Problem((state,), f"must be {form} for the type {kind}, got {value!r}")
        for state, value in sent.items()
        if kind is not None and value is not None and isinstance(value, str) is not (kind in _TEXT_TYPES)
    )
