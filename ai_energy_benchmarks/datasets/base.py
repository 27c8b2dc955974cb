"""The contract of every source of prompts."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import Prompt, Tokenizer


@frozen
class DatasetSettings:
    """What every dataset is built from.

    Attributes:
        name: the config's ``scenario.dataset_name``.
        text_column: the column or key that holds the prompt.
        options: the member's own frozen options class, already structured; None for its defaults.
    """

    name: str
    text_column: str
    seed: int = 0
    options: object = None


@runtime_checkable
class Dataset(Protocol):
    """A source of prompts; constructing one reads nothing."""

    @classmethod
    def from_settings(cls, settings: DatasetSettings) -> Dataset:
        """A dataset of these settings; nothing is opened or loaded yet."""
        ...

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        """The first ``count`` prompts, fewer if there are no more.

        Raises:
            DatasetError: the source cannot be read; the message names file, row and column.
        """
        ...


@runtime_checkable
class SkipsRows(Protocol):
    """A source that may leave rows aside in which there is no prompt."""

    @property
    def skipped_rows(self) -> int:
        """How many the last reading left aside."""
        ...
