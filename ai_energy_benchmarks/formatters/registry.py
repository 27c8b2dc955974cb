"""Which reasoning format a model has, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import cast

from attrs import asdict, evolve

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.formatters.base import ReasoningFormat
from ai_energy_benchmarks.formatters.family import Family
from ai_energy_benchmarks.formatters.family_file import Entry, form_problems, read_families

_FORMATS: Mapping[str, str] = {
    "harmony": "ai_energy_benchmarks.formatters.harmony:HarmonyFormatter",
    "chat_template": "ai_energy_benchmarks.formatters.chat_template:ChatTemplateFormatter",
    "system_prompt": "ai_energy_benchmarks.formatters.system_prompt:SystemPromptFormatter",
    "prefix": "ai_energy_benchmarks.formatters.prefix:PrefixFormatter",
    "parameter": "ai_energy_benchmarks.formatters.parameter:ParameterFormatter",
}
_OURS = Path(str(files("ai_energy_benchmarks"))) / "config" / "reasoning_formats.yaml"


class FormatterRegistry:
    """The families of ``reasoning_formats.yaml``, and those of a user's file before and over them.

    A family of the user's file that has the name of a built-in one is laid over it key by key; its ``patterns`` replace
    those of the built-in one and its ``models`` join them.

    Args:
        config_path: the user's file; nothing is read before the first look-up, which raises ``ConfigError`` for
            a file that is wrong.
    """

    def __init__(self, config_path: str | Path | None = None) -> None:
        self._config_path = config_path

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All families; the first that matches counts."""
        ours = read_families(_OURS)
        if self._config_path is None:
            return ours
        return _laid_over(ours, read_families(Path(self._config_path)))

    def get_formatter(self, model: str) -> ReasoningFormat | None:
        """The format of a model; None if the model is unknown, or has no switch."""
        family = self.find(model)
        if family is None or family.type is None:
            return None
        module, _, name = _FORMATS[family.type].partition(":")
        return cast("type[ReasoningFormat]", getattr(import_module(module), name))(family)

    def find(self, model: str) -> Family | None:
        """The family of a model: by its exact name, else by a pattern that matches the last part of it whole."""
        name = model.strip().rstrip("/")
        exact = (entry for entry in self.entries if name in entry.models)
        for entry in (*exact, *self._matching(name.rpartition("/")[2])):
            keys = {**entry.keys, **entry.models.get(name, {})}
            return Family(**keys)  # type: ignore[arg-type] # the reader has checked every key
        return None

    def _matching(self, last: str) -> Iterable[Entry]:
        return (
            entry
            for entry in self.entries
            if any(re.fullmatch(pattern, last, re.IGNORECASE) for pattern in entry.patterns or ())
        )

    def _find_model_config(self, model: str) -> dict[str, object] | None:
        """The family as a mapping, ``formatter`` being its type or None; None for an unknown model."""
        family = self.find(model)
        if family is None:
            return None
        return {"formatter": family.type, **asdict(family)}


def _laid_over(ours: tuple[Entry, ...], theirs: tuple[Entry, ...]) -> tuple[Entry, ...]:
    known = {entry.name: entry for entry in ours}
    merged = tuple(_merged(known[entry.name], entry) if entry.name in known else entry for entry in theirs)
    changed = {entry.name for entry in theirs}
    return (*merged, *(entry for entry in ours if entry.name not in changed))


def _merged(old: Entry, new: Entry) -> Entry:
    keys = {**old.keys, **new.keys}
    if problems := form_problems(keys):
        remedy = f"give both 'on' and 'off' in the form that the type {keys['type']} needs"
        raise ConfigError("\n".join(f"{keys['where']}: {problem}" for problem in problems), remedy=remedy)
    return evolve(
        new,
        keys=keys,
        patterns=old.patterns if new.patterns is None else new.patterns,
        models={**old.models, **new.models},
    )
