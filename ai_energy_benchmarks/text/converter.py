"""The strict converter: plain values to the types that attrs classes declare, and nothing silently.

A bare cattrs converter turns "3" and 2.7 into integers and null into the text "None", so every type has a hook of
ours. Hooks raise ``InvalidError`` with all problems below them.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from cattrs import Converter

from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.text.encodable import require_encodable
from ai_energy_benchmarks.text.problems import InvalidError, Problem, guess, misspelt, nearest, shown, wrong
from ai_energy_benchmarks.text.ranges import AtLeast, AtMost, Matching, MoreThan

Hook = Callable[[object, Any], Any]

_MOST_UNKNOWN = 50
_WORDS: dict[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    type(None): "null",
}


def plain_converter() -> Converter:
    """A converter with strict hooks for scalars, literals, unions, ranges, lists, mappings and attrs classes."""
    converter = Converter()
    for kind, hook in ((int, _int), (float, _float), (str, _str), (bool, _bool), (Path, _path), (type(None), _null)):
        converter.register_structure_hook(kind, hook)
    factories: tuple[tuple[Callable[[Any], bool], Callable[[Converter, Any], Hook]], ...] = (
        (attrs.has, lambda conv, cls: lambda value, _: structure_fields(conv, cls, value)),
        (_has_origin(Literal), lambda conv, kind: _literal),
        (_has_origin(Union, types.UnionType), lambda conv, kind: _union(conv)),
        (_has_origin(tuple), lambda conv, kind: _tuple(conv)),
        (_has_origin(Mapping, dict), lambda conv, kind: _mapping(conv)),
        (_has_origin(Annotated), lambda conv, kind: _annotated(conv)),
    )
    for applies, factory in factories:
        converter.register_structure_hook_factory(applies, partial(factory, converter))
    return converter


def structure_fields(
    converter: Converter, cls: type, value: object, hooks: Mapping[str, Callable[[object], object]] | None = None
) -> Any:
    """An attrs instance from a mapping; unknown and missing keys are problems.

    Args:
        hooks: field → how its value is structured, where its declared type does not say.

    Raises:
        InvalidError: with every problem of every field.
    """
    if not isinstance(value, Mapping):
        raise wrong(f"must be a mapping with keys, got {shown(value)}")
    hints = _type_hints(cls)
    fields = {field.name: field for field in attrs.fields(cls) if field.init}
    problems = _unknown_keys(value, fields)
    missing = [name for name, field in fields.items() if name not in value and field.default is attrs.NOTHING]
    problems, missing = misspelt(problems, missing)
    values = {}
    for name in fields:
        if name in value:
            hook = (hooks or {}).get(name)
            try:
                values[name] = hook(value[name]) if hook else converter.structure(value[name], hints[name])
            except InvalidError as error:
                problems += [problem.below(name) for problem in error.problems]
        elif name in missing:
            problems.append(Problem((name,), "is required and missing"))
    required = {name for name, field in fields.items() if field.default is attrs.NOTHING}
    if required <= values.keys():
        try:
            instance = cls(**values)  # with defaults for what is wrong, so that validators have their say too
        except (ValueError, TypeError) as error:
            problems.append(Problem((), str(error.args[0])))
    if problems:
        raise InvalidError(*problems)
    return instance


@cache
def _type_hints(cls: type) -> Mapping[str, type]:
    """Field → its type; resolving the annotations' text takes most of the time of loading."""
    return get_type_hints(cls, include_extras=True)


def _unknown_keys(value: Mapping[object, object], known: Mapping[str, object]) -> list[Problem]:
    """One problem for each, and one for all beyond the first fifty."""
    unknown = [key for key in value if key not in known]
    problems = [_unknown(key, value[key], known) for key in unknown[:_MOST_UNKNOWN]]
    if len(unknown) > _MOST_UNKNOWN:
        problems.append(Problem((), f"has {len(unknown) - _MOST_UNKNOWN:,} further keys that are not known"))
    return problems


def _unknown(key: object, value: object, known: Mapping[str, object]) -> Problem:
    text, near = f"is not a key of this block (value: {shown(value)})", guess(key, known)
    hint = f"; did you mean {near!r}?" if near else f"; known here: {', '.join(known) or 'none'}"
    return Problem((str(key),), f"{text}{hint}", unknown=text, near=near)


def _has_origin(*origins: object) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) in origins


def _int(value: object, _: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _not_a(int, value)
    if value.bit_length() > 63:
        raise wrong(f"must be a whole number of at most 63 bits, got {shown(value)}")
    return value


def _float(value: object, _: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _not_a(float, value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise wrong(f"must be a finite number, got {shown(value)}")
    return number


def _str(value: object, _: object) -> str:
    if not isinstance(value, str):
        hint = "; put it in quotes" if isinstance(value, (int, float)) else ""
        raise wrong(f"must be text, got {shown(value)}{hint}")
    require_encodable(value)
    return value


def _bool(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _not_a(bool, value)
    return value


def _path(value: object, _: object) -> Path:
    if not isinstance(value, (str, Path)):
        raise _not_a(Path, value)
    if not str(value).strip() or "\0" in str(value):
        raise wrong(f"must be a path that is not empty, got {shown(value)}")
    require_encodable(str(value))
    return Path(value)


def _null(value: object, _: object) -> None:
    if value is not None:
        raise _not_a(type(None), value)


def _literal(value: object, kind: Any) -> object:
    allowed = get_args(kind)
    # 1 == True in Python, so the type counts too.
    if any(type(value) is type(literal) and value == literal for literal in allowed):
        return value
    hint = (
        nearest(value, [literal for literal in allowed if isinstance(literal, str)]) if isinstance(value, str) else ""
    )
    words = ", ".join(map(shown, allowed))
    raise wrong(f"must be {'one of ' if len(allowed) > 1 else ''}{words}, got {shown(value)}{hint}")


def _union(converter: Converter) -> Hook:
    def structure(value: object, kind: Any) -> object:
        members = [arg for arg in get_args(kind) if arg is not type(None)]
        if value is None and len(members) < len(get_args(kind)):
            return None
        failures = []
        for member in sorted(members, key=lambda member: member is float):  # last, as it would take integers too
            try:
                return converter.structure(value, member)
            except InvalidError as error:
                failures.append(error)
        deepest = max(failures, key=lambda error: max(len(problem.path) for problem in error.problems))
        if len(members) == 1 or any(problem.path for problem in deepest.problems):
            raise deepest
        raise wrong(f"must be {' or '.join(map(_word, members))}, got {shown(value)}")

    return structure


def _tuple(converter: Converter) -> Hook:
    def structure(value: object, kind: Any) -> tuple[object, ...]:
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            raise wrong(f"must be a list, got {shown(value)}")
        parts = get_args(kind)
        if parts[-1] is Ellipsis:
            parts = (parts[0],) * len(value)
        if len(parts) != len(value):
            raise wrong(f"must be a list of {len(parts)}, got {shown(value)}")
        pairs = zip(value, parts, strict=True)
        return tuple(_gathered(converter, dict(enumerate(pairs))).values())

    return structure


def _mapping(converter: Converter) -> Hook:
    def structure(value: object, kind: Any) -> dict[object, object]:
        if not isinstance(value, Mapping):
            raise wrong(f"must be a mapping with keys, got {shown(value)}")
        part = get_args(kind)[1]
        # People write GPU numbers as keys without quotes.
        named = {str(key): (below, part) for key, below in value.items()}
        if len(named) < len(value):
            raise wrong(f"has a key both as text and as a number: {shown(value)}")
        return _gathered(converter, named)

    return structure


def _gathered(converter: Converter, parts: Mapping[Any, tuple[object, Any]]) -> dict[Any, object]:
    found, problems = {}, []
    for key, (value, kind) in parts.items():
        try:
            found[key] = converter.structure(value, kind)
        except InvalidError as error:
            problems += [problem.below(key) for problem in error.problems]
    if problems:
        raise InvalidError(*problems)
    return found


def _annotated(converter: Converter) -> Hook:
    def structure(value: object, kind: Any) -> object:
        if kind == JsonValue:
            return _json(value)
        base, *limits = get_args(kind)
        structured = converter.structure(value, base)
        for limit in limits:
            _check(structured, limit, shown(value))
        return structured

    return structure


def _json(value: object) -> object:
    """Plain values as they are, with every problem in lists and mappings; keys become text, as JSON has no others."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        return _int(value, int) if isinstance(value, int) else _float(value, float)
    if isinstance(value, Mapping):
        parts: dict[Any, object] = {str(key): below for key, below in value.items()}
        if len(parts) < len(value):
            raise wrong(f"has a key both as text and as a number: {shown(value)}")
    elif isinstance(value, (list, tuple)):
        parts = dict(enumerate(value))
    else:
        raise wrong(f"must be text, a number, true or false, null, a list or a mapping, got {shown(value)}")
    found, problems = {}, []
    for key, below in parts.items():
        try:
            found[key] = _json(below)
        except InvalidError as error:
            problems += [problem.below(key) for problem in error.problems]
    if problems:
        raise InvalidError(*problems)
    return found if isinstance(value, Mapping) else list(found.values())


def _check(value: Any, limit: object, got: str) -> None:
    match limit:
        case AtLeast(least) if value < least:
            raise wrong(f"must be at least {least:g}, got {got}")
        case AtMost(most) if value > most:
            raise wrong(f"must be at most {most:g}, got {got}")
        case MoreThan(bound) if value <= bound:
            raise wrong(f"must be more than {bound:g}, got {got}")
        case Matching(pattern, words) if not re.fullmatch(pattern, value):
            raise wrong(f"must be {words}, got {got}")


def _word(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _word(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return ", ".join(map(shown, get_args(kind)))
    return _WORDS.get(kind) or {tuple: "a list"}.get(get_origin(kind), "a mapping")


def _not_a(kind: object, value: object) -> InvalidError:
    return wrong(f"must be {_WORDS[kind]}, got {shown(value)}")
