"""Where a key belongs that was written in another block."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import attrs

from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.text.problems import Problem, dotted

_NEAR = 0.75


def with_its_place(problem: Problem) -> Problem:
    """A problem of an unknown key with the key that was probably meant, wherever in a config that is."""
    if problem.unknown is None:
        return problem
    key = str(problem.path[-1])
    meant = _paths().get(key)
    if meant is None and problem.near and _alike(key, problem.near) >= _NEAR:
        return problem  # a name of its own block wins over a nearer one elsewhere
    if meant is None:
        found = difflib.get_close_matches(key, _paths(), n=1, cutoff=max(_NEAR, _alike(key, problem.near)))
        meant = _paths()[found[0]] if found and found[0] != problem.near else None
    if meant is None or meant == dotted(problem.path):
        return problem
    return attrs.evolve(problem, text=f"{problem.unknown}; did you mean {meant!r}?")


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


@cache
def _paths() -> Mapping[str, str]:
    """Key → its dotted path, the shortest where several blocks have it."""
    found: dict[str, str] = {}
    for path in sorted(_below(BenchmarkConfig, ()), key=lambda path: (len(path), path)):
        found.setdefault(path[-1], dotted(path))
    return found


def _below(cls: type, parent: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    hints = get_type_hints(cls)
    for field in attrs.fields(cls):
        path = (*parent, field.name)
        yield path
        for kind in _classes(hints[field.name]):
            yield from _below(kind, path)


def _classes(hint: Any) -> Iterator[type]:
    """The blocks that a key may hold: itself, or with null."""
    if isinstance(hint, type) and attrs.has(hint):
        yield hint
    elif get_origin(hint) in (types.UnionType, None) or get_origin(hint) is not tuple:
        for part in get_args(hint):
            yield from _classes(part)
