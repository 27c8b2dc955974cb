"""The JSON Schema (draft 2020-12) of a config, from the same classes, ranges and registry as the loader.

It says what a value's type and range may be. Rules between keys (``config.checks``) are the loader's alone, and so is
one thing that JSON Schema cannot say: to the loader 1.0 is no whole number. References to environment variables are
replaced before either looks.
"""

from __future__ import annotations

import builtins
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import attrs
from attrs import define, field

from ai_energy_benchmarks.config.descriptions import attribute_descriptions, class_description
from ai_energy_benchmarks.config.member_schema import END, Schema, by_dataset, by_type, member_options, requires
from ai_energy_benchmarks.config.members import MEMBER_BLOCKS
from ai_energy_benchmarks.config.model import (
    RESULTS,
    BackendConfig,
    BenchmarkConfig,
    MetricsConfig,
    NoOptions,
    ReporterConfig,
    ScenarioConfig,
)
from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.text.ranges import AtLeast, AtMost, Matching, MoreThan

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MOST = 2**63 - 1  # as the loader's
_PLAIN: Mapping[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": -_MOST, "maximum": _MOST},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Path: {"type": "string", "pattern": rf"^(?:[^\0]*[^\0\s][^\0]*){END}"},
    type(None): {"type": "null"},
    JsonValue: {"type": ["string", "number", "boolean", "null", "array", "object"]},
}
_COMPARISONS = {">=": "minimum", ">": "exclusiveMinimum", "<=": "maximum", "<": "exclusiveMaximum"}

# Blocks with a key of 0.0.x that config.legacy still reads, and the key that replaces it; both is refused.
_OLDER: Mapping[type, tuple[str, str]] = {
    BenchmarkConfig: ("reporter", "reporters"),
    MetricsConfig: ("type", "collectors"),
}


def config_schema() -> Schema:
    """The schema of a whole config, with the options of every member that this installation has."""
    builder = _Builder()
    top = builder.block(BenchmarkConfig)
    return {"$schema": DRAFT, "title": "ai-energy-benchmark config", **top, "$defs": builder.definitions}


@define
class _Builder:
    """Collects one definition per class."""

    definitions: dict[str, Schema] = field(factory=dict)
    _names: dict[type, str] = field(factory=dict)

    def of(self, kind: Any) -> Schema:
        """The schema of a declared type."""
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        if attrs.has(kind):
            return self._reference(kind)
        parts = get_args(kind)
        match get_origin(kind):
            case typing.Annotated:
                schema = self.of(parts[0]) | _limits(parts[1:])
            case typing.Literal:
                schema = {"enum": list(parts)}
            case typing.Union | types.UnionType:
                schema = {"anyOf": [self.of(part) for part in parts]}
            case builtins.tuple:
                schema = self._list(parts)
            case _:
                schema = {"type": "object", "additionalProperties": self.of(parts[1])}
        return schema

    def _list(self, parts: tuple[Any, ...]) -> Schema:
        if parts[-1] is Ellipsis:
            return {"type": "array", "items": self.of(parts[0])}
        each = [self.of(part) for part in parts]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}

    def _reference(self, cls: type) -> Schema:
        if cls not in self._names:
            taken = cls.__name__ in self.definitions
            name = self._names[cls] = f"{cls.__module__}.{cls.__name__}" if taken else cls.__name__
            self.definitions[name] = {}  # holds the name while a class that contains itself is built
            self.definitions[name] = self._member(cls) if cls in MEMBER_BLOCKS else self.block(cls)
        return {"$ref": f"#/$defs/{self._names[cls]}"}

    def block(self, cls: type) -> Schema:
        """An attrs class as a mapping with these keys and no others."""
        hints, texts = get_type_hints(cls, include_extras=True), attribute_descriptions(cls)
        fields = [attribute for attribute in attrs.fields(cls) if attribute.init]
        properties = {
            attribute.name: self._property(attribute, hints[attribute.name], texts.get(attribute.name))
            for attribute in fields
        }
        required = [attribute.name for attribute in fields if attribute.default is attrs.NOTHING]
        return {
            "description": class_description(cls),
            "type": "object",
            "properties": properties | self._older(cls),
            **({"required": required} if required else {}),
            **({"not": {"required": list(_OLDER[cls])}} if cls in _OLDER else {}),
            **({"allOf": by_dataset(self._reference)} if cls is ScenarioConfig else {}),
            "additionalProperties": False,
        }

    def _property(self, declared: attrs.Attribute[Any], kind: Any, text: str | None) -> Schema:
        schema: Schema = {"type": "object"} if kind is object else self.of(kind)
        schema |= _validated(declared.validator)
        if text:
            schema["description"] = text
        default = _default(declared)
        return schema if default is _NONE else {**schema, "default": default}

    def _member(self, cls: type) -> Schema:
        """A block whose ``type`` decides what its ``options`` are; all but backends may be a bare name."""
        members, block = member_options(MEMBER_BLOCKS[cls]), self.block(cls)
        properties = block["properties"]
        assert isinstance(properties, dict)  # as block() makes it
        properties["type"] = {"enum": list(members), "description": f"name of one of the {MEMBER_BLOCKS[cls]}"}
        if "options" not in properties:
            return {"anyOf": [{"enum": list(members)}, block]}
        block["allOf"] = by_type(members, self._reference)
        if cls is BackendConfig:
            return block
        return {"anyOf": [{"enum": _usable_bare(members)}, block]}

    def _older(self, cls: type) -> Schema:
        if cls is BenchmarkConfig:
            reporter = self._reference(ReporterConfig)
            return {"reporter": {**reporter, "deprecated": True, "description": "older form of `reporters`"}}
        if cls is MetricsConfig:
            names = _usable_bare(member_options("collectors"))
            return {"type": {"enum": names, "deprecated": True, "description": "older form of `collectors`"}}
        return {}


def _usable_bare(members: Mapping[str, type]) -> list[str]:
    return [name for name, options in members.items() if not requires(options)]


def _limits(limits: tuple[object, ...]) -> Schema:
    found: Schema = {}
    for limit in limits:
        match limit:
            case AtLeast(least):
                found["minimum"] = least
            case AtMost(most):
                found["maximum"] = most
            case MoreThan(bound):
                found["exclusiveMinimum"] = bound
            case Matching(pattern, _):
                found["pattern"] = f"^(?:{pattern}){END}"
    return found


def _validated(validator: Callable[..., Any] | None) -> Schema:
    """The bounds that attrs' own validators of numbers set; what others check is left to the loader."""
    inner = getattr(validator, "validator", None)  # of optional(); the bounds say nothing of null
    if inner is not None:
        return _validated(inner)
    found: Schema = {}
    for part in getattr(validator, "_validators", ()):  # of and_()
        found |= _validated(part)
    comparison = _COMPARISONS.get(str(getattr(validator, "compare_op", None)))
    return found | {comparison: getattr(validator, "bound", None)} if comparison else found


_NONE = object()


def _default(declared: attrs.Attribute[Any]) -> object:
    """The default as a file would hold it; none for a required key, and none for a block, whose keys have theirs."""
    default: object = declared.default
    if default is attrs.NOTHING:
        return _NONE
    factory = getattr(default, "factory", None)  # attrs' stubs call its Factory a function
    if getattr(default, "takes_self", False):
        return f"{RESULTS}/<name>"  # output_dir, the only one that another key decides
    if factory is not None:
        default = factory()
    return _NONE if attrs.has(type(default)) else _plain(default)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    cls: type = type(value)
    if attrs.has(cls):
        shown = {attribute.name: getattr(value, attribute.name) for attribute in attrs.fields(cls)}
        return {name: _plain(item) for name, item in shown.items() if not isinstance(item, NoOptions)}
    return value.as_posix() if isinstance(value, Path) else value
