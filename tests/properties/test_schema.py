"""Laws of the JSON Schema: it and the loader say the same of every type and range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config import checks
from ai_energy_benchmarks.config.aienergyscore.legacy import modernise
from ai_energy_benchmarks.config.json_schema import DRAFT, config_schema
from ai_energy_benchmarks.config.loading import config_from_mapping, config_to_mapping
from ai_energy_benchmarks.config.members import config_converter
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.config.overrides import override_paths, with_overrides
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.problems import InvalidError
from tests.properties.test_config import KEYS, SMALLEST, TEXTS, VALUES, blocks

jsonschema = pytest.importorskip("jsonschema", reason="the development extra brings jsonschema")

ODD = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | TEXTS | st.just([]) | st.just({})


SCHEMA: dict[str, Any] = config_schema()
# How the loader words what is wrong with one key; what a class of options says of its keys together begins otherwise.
OF_ONE_KEY = ("must be ", "is not a key", "is required", "'")


@cache
def validator() -> Any:
    """The schema's, with the loader's notion of a whole number, which 1.0 is not."""
    draft = jsonschema.validators.validator_for({"$schema": DRAFT})
    checker = draft.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(draft, type_checker=checker)(SCHEMA)


def typed(mapping: dict[str, object]) -> BenchmarkConfig | InvalidError:
    """The config if every key by itself is right, whatever the keys are together; else what is wrong."""
    modern = modernise(mapping)
    if modern.problems:
        return InvalidError(*modern.problems)
    try:
        config = config_converter().structure(modern.mapping, BenchmarkConfig)
    except InvalidError as error:
        return error
    assert isinstance(config, BenchmarkConfig)
    return config


def right_types(mapping: dict[str, object]) -> bool:
    """Whether all that is wrong is what the keys of one block of options are together."""
    config = typed(mapping)
    if isinstance(config, BenchmarkConfig):
        return True
    return all("options" in str(each.path) and not each.text.startswith(OF_ONE_KEY) for each in config.problems)


def plain(value: object) -> bool:
    """Whether JSON has this value."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_the_schema_is_a_schema() -> None:
    """It is valid under the draft that it names, and every reference has its definition."""
    jsonschema.validators.validator_for(SCHEMA).check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(references(SCHEMA)) == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


def references(node: object) -> Iterator[str]:
    """Every ``$ref`` below."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def drawn(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911 # one per form
    """Values of the shape that a part of our schema describes; ``allOf`` conditions and patterns are left to chance."""
    if "$ref" in schema:
        return st.deferred(lambda: drawn(definitions[schema["$ref"].rpartition("/")[2]], definitions))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([drawn(each, definitions) for each in schema["anyOf"]])
    match schema["type"]:
        case list():
            plain_values = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | TEXTS
            return st.recursive(
                plain_values, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2)
            )
        case "object" if "properties" in schema:
            parts = {key: drawn(each, definitions) for key, each in schema["properties"].items()}
            required = {key: parts.pop(key) for key in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=parts)
        case "object":
            return st.dictionaries(TEXTS, drawn(schema.get("additionalProperties", {"type": "null"}), definitions),
                                   max_size=2)  # fmt: skip
        case "array":
            return st.lists(drawn(schema["items"], definitions), max_size=2)
        case "integer":
            return st.integers(max(-3, math.ceil(schema.get("minimum", -3))), 1000)
        case "number":
            least = max(schema.get("minimum", -9), schema.get("exclusiveMinimum", -9))
            return st.floats(least, schema.get("maximum", 9)) | st.integers(-1, 9)
        case "string":
            return st.sampled_from(["USA", "en", "a"]) | TEXTS
        case kind:
            return {"boolean": st.booleans(), "null": st.none()}[kind]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_what_the_schema_accepts_loads_but_for_rules_between_keys(data: st.DataObject) -> None:
    """Of examples made from the schema, those that it accepts are refused by nothing but a check between keys."""
    mapping = data.draw(drawn(SCHEMA, SCHEMA["$defs"]))
    fits = validator().is_valid(mapping)
    event(f"accepted: {fits}")
    if not fits:
        return
    assert right_types(mapping)
    config = typed(mapping)
    if isinstance(config, BenchmarkConfig) and not list(checks.problems(config)):
        assert config_from_mapping(mapping).backend == config.backend


@settings(deadline=None, max_examples=50)
@given(blocks(), st.lists(KEYS, min_size=1, max_size=4).map(".".join), ODD | VALUES, st.integers(0, 99))
def test_they_agree_on_a_config_with_one_odd_value(
    mapping: dict[str, object], key: str, value: object, at: int
) -> None:
    """Put any value in the place of one that was right: both accept it or both refuse it."""
    paths = [".".join(map(str, path)) for path, _ in override_paths(mapping) if "." not in "".join(map(str, path))]
    for place in (key, paths[at % len(paths)]):
        try:
            changed = with_overrides(mapping, {place: value})
        except ConfigError:
            continue
        if plain(changed):
            assert validator().is_valid(changed) == right_types(changed), (place, value)


@settings(deadline=None)
@given(st.dictionaries(KEYS | TEXTS, VALUES, max_size=5).filter(plain))
@example({})
def test_what_the_loader_refuses_by_type_the_schema_refuses_too(mapping: dict[str, object]) -> None:
    """Any mapping, alone and over a good config."""
    for candidate in (mapping, {**SMALLEST, **mapping}):
        assert right_types(candidate) or not validator().is_valid(candidate)


EDGES: tuple[object, ...] = (
    *(None, True, -1, 0, 1, 2**63, 0.0, 0.5, 1.5),
    *(
        "",
        " ",
        "x",
        "a\0",
        "auto",
        "USA",
        "USA\n",
        [],
        [0],
        [-1],
        ["x"],
        [""],
        [{}],
        {},
        {"x": 1},
        {"x": "y"},
        {"x": []},
    ),
)


def bare(kind: registry.Kind) -> list[str]:
    """Names of the members that can be named alone."""
    return [name for name in registry.names(kind) if not registry.required_options(registry.load(kind, name))]


MEMBERS = [
    *({"backend": {"type": name, "model": "m", "options": {}}} for name in bare("backends")),
    *({**SMALLEST, "metrics": {"collectors": [{"type": name}]}} for name in bare("collectors")),
    *({**SMALLEST, "scenario": {"dataset_name": name}} for name in (*registry.names("datasets"), "org/a", "a.jsonl")),
]


def all_paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a config: blocks, list members and scalars."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in parts:
        yield from all_paths(each, (*path, key))


def replaced(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """A copy of ``value`` with another value at ``path``."""
    if not path:
        return new
    changed = replaced(value[path[0]], path[1:], new)
    if isinstance(value, dict):
        return {**value, path[0]: changed}
    return [*value[: path[0]], changed, *value[path[0] + 1 :]]


def assert_they_agree_on_edges(member: int, every: int = 1) -> None:
    """Replace each place of a member's full config by edge values, of which one in ``every`` is tried at a place."""
    config = typed(MEMBERS[member])
    assert isinstance(config, BenchmarkConfig)
    written = config_to_mapping(config)
    carbon = {"intensity_g_per_kwh": 1.0, "source": "s", "pue": 1.0}
    full = replaced(written, ("metrics",), {**written["metrics"], "carbon": carbon})  # type: ignore[dict-item]
    for number, path in enumerate(all_paths(full)):
        # All other keys are the same for every member.
        if member > 0 and not {"options", "dataset_options"} & set(path):
            continue
        if not path:
            continue
        for value in EDGES[(number + member) % every :: every]:
            changed = replaced(full, path, value)
            assert validator().is_valid(changed) == right_types(changed), (path, value)


@pytest.mark.parametrize("member", range(len(MEMBERS)), ids=map(str, MEMBERS))
def test_they_agree_on_every_key_of_every_member(member: int) -> None:
    """At each place of a config written out in full, a few edge values: both accept or both refuse them."""
    assert_they_agree_on_edges(member, every=4)


@pytest.mark.heavy
@pytest.mark.parametrize("member", range(len(MEMBERS)), ids=map(str, MEMBERS))
def test_they_agree_on_every_edge_value_at_every_key(member: int) -> None:
    """The same of edge values of every type."""
    assert_they_agree_on_edges(member)


@settings(deadline=None)
@given(blocks())
def test_written_configs_fit_the_schema(mapping: dict[str, object]) -> None:
    """A config as written out, with all its defaults, is accepted."""
    written = config_to_mapping(config_from_mapping(mapping))
    assert [error.message for error in validator().iter_errors(written)] == []


@pytest.mark.parametrize(
    ("mapping", "fits"),
    [
        ({"metrics": {"type": "nvml"}}, True),
        ({"reporter": {"type": "csv", "output_file": "a.csv"}}, True),
        ({"metrics": {"type": "nvnl"}}, False),
        ({"scenario": {"dataset_name": "synthetic", "dataset_options": {"prefix_tokens": 2}}}, True),
        ({"scenario": {"dataset_name": "synthetic", "dataset_options": {"prefix_tokens": -1}}}, False),
        ({"scenario": {"dataset_options": {"prefix_tokens": 2}}}, False),
        ({"scenario": {"dataset_name": "org/name", "dataset_options": {"split": "test"}}}, True),
        ({"scenario": {"dataset_name": "org/name", "dataset_options": {"splot": "test"}}}, False),
        ({"scenario": {"dataset_name": "my.CSV", "dataset_options": {"split": "test"}}}, False),
        ({"metrics": {"country_iso_code": "USA\n"}}, False),
        ({"metrics": {"collectors": [{"type": "nvml", "options": {"poll_s": 0}}]}}, False),
        ({"protocol": {"trials": 2**63}}, False),
        ({"protocol": {"trials": True}}, False),
    ],
)
def test_they_agree_where_names_decide(mapping: dict[str, object], fits: bool) -> None:
    """Options belong to the member or dataset that is named; older keys are known; bounds are the loader's."""
    whole = {**SMALLEST, **mapping}
    assert validator().is_valid(whole) == fits
    assert isinstance(typed(whole), BenchmarkConfig) == fits


def test_every_block_says_what_it_is() -> None:
    """Each definition has the first sentence of its class's docstring."""
    found = [each["anyOf"][1] if "anyOf" in each else each for each in SCHEMA["$defs"].values()]
    assert all(each["description"] for each in found)
