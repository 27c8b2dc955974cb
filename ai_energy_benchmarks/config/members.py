"""Blocks that name a member of the registry: the name decides the class of the options next to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from cattrs import Converter

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    MemberConfig,
    NoOptions,
    ReporterConfig,
    ScenarioConfig,
)
from ai_energy_benchmarks.errors import ConfigError, DatasetError
from ai_energy_benchmarks.text.converter import plain_converter, structure_fields
from ai_energy_benchmarks.text.problems import InvalidError, shown, wrong

MEMBER_BLOCKS: Mapping[type, registry.Kind] = {
    BackendConfig: "backends",
    MemberConfig: "collectors",
    ReporterConfig: "reporters",
}


@cache
def config_converter() -> Converter:
    """The converter for whole configs, made once."""
    converter = plain_converter()
    for cls, kind in MEMBER_BLOCKS.items():
        converter.register_structure_hook(cls, partial(_structure_member, converter, kind))
    converter.register_structure_hook(ScenarioConfig, partial(_structure_scenario, converter))
    return converter


def member_class(kind: registry.Kind, name: object) -> type:
    """The class that a config names.

    Raises:
        InvalidError: that name is not registered, or its module cannot be imported.
    """
    if not isinstance(name, str):
        raise wrong(f"must be text, got {shown(name)}")
    try:
        return registry.load(kind, name)
    except ConfigError as error:
        raise wrong(error.message) from error
    except (ImportError, AttributeError) as error:
        raise wrong(f"{kind[:-1]} {name!r} cannot be imported: {error}") from error


def _structure_member(converter: Converter, kind: registry.Kind, value: object, cls: type) -> Any:
    """A bare name stands for a block with that type; absent options are the defaults of the member's own class."""
    if isinstance(value, str) and kind != "backends":
        value = {"type": value}
    if not isinstance(value, Mapping):
        raise wrong(f"must be {'' if kind == 'backends' else 'a name or '}a mapping with keys, got {shown(value)}")
    hooks: dict[str, Callable[[object], object]] = {"type": partial(_name, kind)}
    if kind != "reporters":
        value = {"options": {}, **value}
        hooks["options"] = partial(_options, converter, kind, value.get("type"))
    return structure_fields(converter, cls, value, hooks)


def _structure_scenario(converter: Converter, value: object, cls: type) -> Any:
    """Absent options are the defaults of the dataset's own class."""
    if not isinstance(value, Mapping):
        raise wrong(f"must be a mapping with keys, got {shown(value)}")
    name = value.get("dataset_name", ScenarioConfig().dataset_name)
    hooks = {"dataset_options": partial(_dataset_options, converter, name)}
    return structure_fields(converter, cls, {"dataset_options": {}, **value}, hooks)


def _dataset_options(converter: Converter, name: object, value: object) -> object:
    try:
        kind = registry.dataset_for(name) if isinstance(name, str) else None
    except DatasetError:
        kind = None
    if kind is None:
        return NoOptions()  # what is wrong with the name is told when the dataset is made
    return _options(converter, "datasets", kind, value)


def _name(kind: registry.Kind, value: object) -> str:
    member_class(kind, value)
    return str(value)


def _options(converter: Converter, kind: registry.Kind, name: object, value: object) -> object:
    try:
        options: type = getattr(member_class(kind, name), "Options", NoOptions)
    except InvalidError:
        return NoOptions()  # the type itself is reported; its options cannot be judged
    return converter.structure(value, options)
