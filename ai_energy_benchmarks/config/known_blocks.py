"""Blocks of configs that were structured before, so that thousands of configs that share them cost little."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_type_hints

import attrs
from attrs import define, field

from ai_energy_benchmarks.config.members import config_converter
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.text.problems import InvalidError

_COMPARED = tuple(each.name for each in attrs.fields(BenchmarkConfig) if each.name not in ("name", "output_dir"))


@define
class KnownBlocks:
    """Remembers what every top-level block of a config was structured to, by its text.

    Attributes:
        hooks: for ``structure_fields``: one for each key of a config.
    """

    hooks: Mapping[str, Callable[[object], object]] = field(init=False)
    _structured: dict[tuple[str, str], object] = field(init=False, factory=dict)
    _refused: dict[tuple[str, str], InvalidError] = field(init=False, factory=dict)
    # A block's name and the object → a number for its content; the objects stay alive in ``_structured``.
    _numbers: dict[tuple[str, int], int] = field(init=False, factory=dict)
    _contents: dict[tuple[str, str], int] = field(init=False, factory=dict)
    _defaults: dict[str, tuple[object, int]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        hints = get_type_hints(BenchmarkConfig, include_extras=True)
        self.hooks = {name: partial(self._structure, name, kind) for name, kind in hints.items()}

    def identity(self, config: BenchmarkConfig) -> tuple[int, ...]:
        """The same for two configs that were made by ``hooks`` and agree in all but name and output directory.

        Args:
            config: made by ``hooks``.
        """
        return tuple(self._number(name, getattr(config, name)) for name in _COMPARED)

    def _structure(self, name: str, kind: type, value: object) -> object:
        key = name, json.dumps(value, default=repr)
        if key in self._refused:
            raise self._refused[key]
        if key not in self._structured:
            try:
                block: object = config_converter().structure(value, kind)
            except InvalidError as error:
                self._refused[key] = error
                raise
            self._structured[key] = block
            self._numbers[name, id(block)] = self._content(name, block)
        return self._structured[key]

    def _number(self, name: str, block: object) -> int:
        number = self._numbers.get((name, id(block)))
        if number is not None:
            return number
        # A default, made afresh for every config.
        default, number = self._defaults.get(name, (None, -1))
        if block != default or number < 0:
            number = self._content(name, block)
            self._defaults[name] = block, number
        return number

    def _content(self, name: str, block: Any) -> int:
        plain = attrs.asdict(block) if attrs.has(type(block)) else block
        return self._contents.setdefault((name, json.dumps(plain, default=str)), len(self._contents))
