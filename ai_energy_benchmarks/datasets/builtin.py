"""Prompts that come with the package, written for it: many kinds and lengths, and several languages."""

from __future__ import annotations

import json
from importlib.resources import files

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.cells import Source, no_columns
from ai_energy_benchmarks.domain.prompts import Prompt, Tokenizer

FILE_NAME = "builtin_prompts.jsonl"


class BuiltinDataset:
    """The prompts that come with this package, of mixed kinds and lengths."""

    def __init__(self, settings: DatasetSettings) -> None:
        self._settings = settings

    @classmethod
    def from_settings(cls, settings: DatasetSettings) -> BuiltinDataset:
        return cls(settings)

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        no_columns(Source(self._settings.name, self._settings.text_column))
        lines = (files(__package__) / FILE_NAME).read_text(encoding="utf-8").rstrip("\n").split("\n")
        return tuple(Prompt(index, json.loads(line)["text"]) for index, line in enumerate(lines[:count]))
