"""Prompts from a file of the user's: CSV, TSV, JSONL, JSON, TXT or Parquet."""

from __future__ import annotations

import difflib
import os.path
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import ClassVar

from attrs import frozen

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.cells import Cell, Source
from ai_energy_benchmarks.datasets.conversations import Filled, Turns, prompts_from
from ai_energy_benchmarks.datasets.parquet_rows import parquet_cells
from ai_energy_benchmarks.datasets.text_rows import (
    csv_cells,
    json_cells,
    jsonl_cells,
    refuse_other_formats,
    tsv_cells,
    txt_cells,
)
from ai_energy_benchmarks.domain.prompts import Prompt, Tokenizer
from ai_energy_benchmarks.safety.files import special_kind

_TEXT_READERS: Mapping[str, Callable[[Path, Source], Iterator[Cell]]] = {
    ".csv": csv_cells,
    ".tsv": tsv_cells,
    ".jsonl": jsonl_cells,
    ".json": json_cells,
    ".txt": txt_cells,
}


@frozen
class LocalOptions:
    """``scenario.dataset_options`` of a file.

    Attributes:
        turns: of a conversation, the user's ``first`` turn alone, the ``last`` one with the conversation before it, or
            ``all`` of them, each a prompt with the conversation before it.
        skip_empty: leave rows without a prompt aside, of which the verdict then has the number; else they are refused.
    """

    turns: Turns = "first"
    skip_empty: bool = False


class LocalDataset:
    """A file of prompts: CSV, TSV, JSONL, JSON, TXT or Parquet, by how its name ends."""

    Options: ClassVar[type] = LocalOptions
    SUFFIXES: ClassVar[tuple[str, ...]] = (*_TEXT_READERS, ".parquet")

    def __init__(self, settings: DatasetSettings) -> None:
        self._settings = settings
        options = settings.options
        self._options = options if isinstance(options, LocalOptions) else LocalOptions()
        self._filled = Filled((), False)

    @property
    def skipped_rows(self) -> int:
        """How many rows the last reading left aside (``datasets.base.SkipsRows``)."""
        return self._filled.skipped

    @classmethod
    def from_settings(cls, settings: DatasetSettings) -> LocalDataset:
        return cls(settings)

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        path = Path(os.path.expanduser(self._settings.name))
        source = Source(self._settings.name, self._settings.text_column)
        try:
            self._filled = Filled(self._cells(path, source, count), self._options.skip_empty)
            return tuple(islice(prompts_from(self._filled, source, self._options.turns), count))
        except OSError as error:
            raise Source(source.name).error(
                f"the file cannot be read: {error.strerror or error}", "check its permissions and the disk"
            ) from error

    def _cells(self, path: Path, source: Source, count: int) -> Iterator[Cell]:
        self._check(path, Source(source.name))
        suffix = path.suffix.lower()
        if suffix == ".parquet":
            return parquet_cells(path, source, count)
        refuse_other_formats(path, Source(source.name))
        return _TEXT_READERS[suffix](path, source)

    def _check(self, path: Path, source: Source) -> None:
        if os.path.isdir(path):
            raise source.error("this is a directory", "name one file in it")
        if not os.path.exists(path):
            near = difflib.get_close_matches(path.name, _names_beside(path), n=1)
            hint = f"; did you mean {path.with_name(near[0])}?" if near else ""
            where = "" if path.is_absolute() else f" at {os.path.abspath(path)}"
            remedy = "check scenario.dataset_name and the working directory"
            raise source.error(f"there is no such file{where}{hint}", remedy)
        if (kind := special_kind(path)) is not None:
            raise source.error(f"this is {kind}, which may never end", "save the prompts in a file")
        if path.suffix.lower() not in self.SUFFIXES:
            raise source.error(
                f"files named {path.suffix or 'without an ending'} cannot be read",
                f"convert it to one of {', '.join(self.SUFFIXES)}",
            )


def _names_beside(path: Path) -> list[str]:
    return [each.name for each in path.parent.iterdir()] if os.path.isdir(path.parent) else []
