"""Which options a config may hold next to the name of a member, as conditions of JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.members import member_class
from ai_energy_benchmarks.config.model import NoOptions, ScenarioConfig
from ai_energy_benchmarks.text.problems import InvalidError

Schema = dict[str, object]
# "$" would let a line break follow where patterns are Python's; this ends the text in every dialect.
END = r"(?![\s\S])"


def member_options(kind: registry.Kind) -> Mapping[str, type]:
    """Name → options class of every member whose module can be imported, as the loader demands."""
    return dict(_members(kind))


def _members(kind: registry.Kind) -> Iterator[tuple[str, type]]:
    for name in registry.names(kind):
        try:
            yield name, getattr(member_class(kind, name), "Options", NoOptions)
        except InvalidError:
            continue


def requires(options: type) -> bool:
    """Whether a member of these options cannot be named alone."""
    return any(each.default is attrs.NOTHING for each in attrs.fields(options) if each.init)


def by_type(members: Mapping[str, type], reference: Callable[[type], Schema]) -> list[Schema]:
    """``type`` decides what ``options`` are."""
    return [
        _choice({"properties": {"type": {"const": name}}, "required": ["type"]}, "options", options, reference)
        for name, options in members.items()
    ]


def by_dataset(reference: Callable[[type], Schema]) -> list[Schema]:
    """``dataset_name`` decides what ``dataset_options`` are, as ``registry.dataset_for`` reads names.

    That a name without the ending of a data file is a path that exists, no schema can know: it is taken for a hub name.
    """
    members = member_options("datasets")
    named = [name for name in members if name not in registry.BY_SHAPE]
    endings: tuple[str, ...] = getattr(member_class("datasets", "local"), "SUFFIXES", ())
    ending: Schema = {"pattern": f"(?:{'|'.join(map(_any_case, endings))}){END}"}
    hub: Schema = {"pattern": f"^(?:{registry.HUB_ID.pattern}){END}", "not": {"anyOf": [{"enum": named}, ending]}}
    tests: list[tuple[str, Schema]] = [(name, {"const": name}) for name in named]
    tests += [("local", {**ending, "not": {"enum": named}}), ("huggingface", hub)]
    default = ScenarioConfig().dataset_name
    return [
        _choice(
            {"properties": {"dataset_name": test}, **({} if name == default else {"required": ["dataset_name"]})},
            "dataset_options",
            members[name],
            reference,
        )
        for name, test in tests
    ]


def _choice(condition: Schema, key: str, options: type, reference: Callable[[type], Schema]) -> Schema:
    then: Schema = {"properties": {key: reference(options)}}
    if requires(options):
        then["required"] = [key]
    return {"if": condition, "then": then}


def _any_case(text: str) -> str:
    return "".join(f"[{each.lower()}{each.upper()}]" if each.isalpha() else f"\\{each}" for each in text)
