"""docs/settings.md: every key of a config with its meaning, type, default, who honours it and the test that proves it.

Meanings, types and defaults come from the schema, the rest from settings.csv next to this file; an option without a
line there is honoured by its member and proved by the tests of that member's module.

    python scripts/settings_table.py            # writes the page
    python scripts/settings_table.py --check    # only says whether it is current
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.json_schema import config_schema
from ai_energy_benchmarks.config.member_schema import Schema
from ai_energy_benchmarks.config.members import member_class

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
FACTS = Path(__file__).with_name("settings.csv")
HEAD = """\
# Every setting

Made by `scripts/settings_table.py`; do not edit it here. `ai-energy-benchmark schema` prints the same keys for editors.
*Honoured by* names the backends that do it, or the member whose option it is; "all" is what the runner does
itself, whichever the backend. Keys of older configs, `metrics.type` and `reporter`, are read as lists of one.
"""
_OPTIONS = {"backends": "backend.options", "collectors": "metrics.collectors[].options",
            "datasets": "scenario.dataset_options"}  # fmt: skip


@frozen
class Key:
    """One setting: its path from the top, or from the options of a member."""

    path: str
    meaning: str
    type: str
    default: str


@frozen
class Fact:
    """What no class says of a key."""

    honoured: str
    test: str


def tests_of(kind: str, member: str) -> str:
    """The file of unit tests of a member's module; empty if there is none."""
    room = registry.BUILTIN[kind][member].split(".")[1]  # type: ignore[index] # one of the kinds
    file = f"unit/test_{room}_{member}.py"
    return file if (ROOT / "tests" / file).is_file() else ""


def option_fact(prefix: str) -> Fact | None:
    """What holds of an option that settings.csv does not name; None for the keys of the config itself."""
    member = prefix.removesuffix(": ")
    kind = next((kind for kind in _OPTIONS if member in registry.BUILTIN[kind]), None)  # type: ignore[index] # a kind
    return None if kind is None else Fact(member, tests_of(kind, member))


def sections(schema: Schema) -> Iterator[tuple[str, str, tuple[Key, ...]]]:
    """Heading, prefix of the facts and keys of every table."""
    definitions: Mapping[str, Any] = schema["$defs"]  # type: ignore[assignment]
    yield "The config", "", tuple(keys(schema, definitions))
    for kind, key in _OPTIONS.items():
        for name in registry.BUILTIN[kind]:  # type: ignore[index]
            options = getattr(member_class(kind, name), "Options", None)  # type: ignore[arg-type]
            found = tuple(keys(definitions[options.__name__], definitions)) if options else ()
            if found:
                yield f"`{key}` of {name}", f"{name}: ", found


def keys(block: Mapping[str, Any], definitions: Mapping[str, Any], parent: str = "") -> Iterator[Key]:
    """The keys of a block and of the blocks in it."""
    required = block.get("required", ())
    for name, schema in block["properties"].items():
        if schema.get("deprecated"):
            continue
        path = f"{parent}{name}"
        inner = inner_block(schema, definitions)
        if inner is None or _is_a_switch_too(schema):
            meaning = schema.get("description", "")
            yield Key(path, meaning, words(schema, definitions), default(schema, name in required))
        if inner is not None:
            yield from keys(inner, definitions, f"{path}." if "items" not in schema else f"{path}[].")


def _is_a_switch_too(schema: Mapping[str, Any]) -> bool:
    return any(part.get("type") == "boolean" for part in schema.get("anyOf", ()))


def inner_block(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The block that a key holds, itself, in a list, or as an alternative to null or to a bare name."""
    for part in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        resolved: Mapping[str, Any] = definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        for each in (resolved, *resolved.get("anyOf", ())):
            if "properties" in each:
                return each  # type: ignore[no-any-return] # a part of the schema
    return None


def words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:  # noqa: PLR0911 # one per form
    """A type as people say it."""
    if "$ref" in schema:
        return "the block below"
    if "enum" in schema:
        return " · ".join(f"`{json.dumps(each) if not isinstance(each, str) else each}`" for each in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(words(each, definitions) for each in schema["anyOf"]))
    match schema["type"]:
        case list():
            return "any value, lists and mappings too"
        case "array":
            return f"list of {words(schema['items'], definitions)}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"mapping to {words(schema['additionalProperties'], definitions)}"
        case "object":
            return "see below"
        case "integer" | "number" as kind:
            return {"integer": "whole number", "number": "number"}[kind] + limits(schema)
        case kind:
            return {"string": "text", "boolean": "true or false", "null": "null"}[kind]


def limits(schema: Mapping[str, Any]) -> str:
    """The range, without the bounds of every whole number."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    shown = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if abs(schema.get(key, 2**62)) < 2**62]
    return f" {' and '.join(shown)}" if shown else ""


def default(schema: Mapping[str, Any], required: bool) -> str:
    """The default as YAML."""
    if required:
        return "required"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`" if "default" in schema else ""


def facts() -> dict[str, Fact]:
    """Key → what settings.csv says."""
    with FACTS.open(encoding="utf-8", newline="") as lines:
        return {row["key"]: Fact(row["honoured"], row["test"]) for row in csv.DictReader(lines)}


def page(known: Mapping[str, Fact]) -> str:
    """The whole page.

    Raises:
        SystemExit: a key has no fact, or a fact no key; or nothing says what a key means.
    """
    parts, seen, mute = [HEAD], set(), []
    for heading, prefix, found in sections(config_schema()):
        parts.append(
            f"\n## {heading}\n\n| key | meaning | type | default | honoured by | test |\n|---|---|---|---|---|---|"
        )
        for key in found:
            derived = option_fact(prefix)
            seen |= {prefix + key.path} if derived is None or prefix + key.path in known else set()
            fact = known.get(prefix + key.path) or derived or Fact("", "")
            mute += [] if key.meaning else [prefix + key.path]
            test, meaning = f"`{fact.test}`" if fact.test else "", key.meaning.replace("|", "\\|")
            parts.append(
                f"| `{key.path}` | {meaning} | {key.type} | {key.default} | {fact.honoured} | {test} |".replace(
                    "\n", " "
                )
            )
    missing, spare = seen - known.keys(), known.keys() - seen
    if missing or spare:
        raise SystemExit(f"{FACTS.name}: no line for {sorted(missing)}; no such key: {sorted(spare)}")
    if mute:
        raise SystemExit(f"no docstring says what these mean: {mute}")
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write or check the page, which describes built-in members alone."""
    os.environ[registry.PLUGINS_VARIABLE] = ""
    made = page(facts())
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        raise SystemExit(f"{PAGE.name} is not current; run: python scripts/settings_table.py")


if __name__ == "__main__":
    main()
