"""Prompts from a dataset of the Hugging Face hub, through the package ``datasets``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.cells import Cell, Source, missing_column
from ai_energy_benchmarks.datasets.conversations import Filled, Turns, prompts_from
from ai_energy_benchmarks.datasets.sampling import ALL
from ai_energy_benchmarks.domain.prompts import Prompt, Tokenizer
from ai_energy_benchmarks.errors import DatasetError
from ai_energy_benchmarks.machine.packages import Package

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

REQUIRES = (Package("datasets", ("datasets",), "datasets"),)
INSTALL_LINE = REQUIRES[0].install


@frozen
class HuggingFaceOptions:
    """``scenario.dataset_options`` of a hub dataset.

    Attributes:
        subset: the configuration, where a dataset has several.
        split: ``train``, ``test[:10%]`` …; not needed if there is only one.
        revision: branch, tag or commit; the default branch if not given.
        streaming: read rows over the network as they are needed instead of downloading the whole split.
        turns: of a conversation, the user's ``first`` turn alone, the ``last`` one with the conversation before it, or
            ``all`` of them, each a prompt with the conversation before it.
        skip_empty: leave rows without a prompt aside, of which the verdict then has the number; else they are refused.
    """

    subset: str | None = None
    split: str | None = None
    revision: str | None = None
    streaming: bool = False
    turns: Turns = "first"
    skip_empty: bool = False


class HuggingFaceDataset:
    """One split of a dataset on the Hugging Face hub; after the first download it is read from the cache."""

    Options: ClassVar[type] = HuggingFaceOptions
    REQUIRES: ClassVar[tuple[Package, ...]] = REQUIRES

    def __init__(self, settings: DatasetSettings) -> None:
        self._settings = settings
        options = settings.options
        self._options = options if isinstance(options, HuggingFaceOptions) else HuggingFaceOptions()
        self._filled = Filled((), False)

    @property
    def skipped_rows(self) -> int:
        """How many rows the last reading left aside (``datasets.base.SkipsRows``)."""
        return self._filled.skipped

    @classmethod
    def from_settings(cls, settings: DatasetSettings) -> HuggingFaceDataset:
        return cls(settings)

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        source = Source(f"dataset {self._settings.name}", self._settings.text_column)
        if self._options.streaming and count == ALL:
            raise source.error("a streamed dataset cannot be sampled, only read from its beginning", _NO_SAMPLING)
        with _reading(self._settings.name):
            rows = self._split(Source(source.name))
            columns = list(rows.column_names or next(iter(rows), {}))
            if source.column not in columns:
                raise missing_column(source, columns)
            cells = _cells(rows.select_columns([self._settings.text_column]), self._settings.text_column)
            self._filled = Filled(cells, self._options.skip_empty)
            return tuple(islice(prompts_from(self._filled, source, self._options.turns), count))

    def _split(self, source: Source) -> Dataset | IterableDataset:
        from datasets import load_dataset

        options = self._options
        found = load_dataset(
            self._settings.name,
            options.subset,
            split=options.split,
            revision=options.revision,
            streaming=options.streaming,
        )
        if not isinstance(found, Mapping):
            return found
        if len(found) > 1:
            names = ", ".join(found)
            remedy = f"set scenario.dataset_options.split to one of {names}"
            raise source.error(f"there are several splits: {names}", remedy)
        (only,) = found.values()
        return only


_NO_SAMPLING = "set scenario.dataset_options.streaming: false, or scenario.sampling: first"


def _cells(rows: Iterable[Mapping[str, object]], column: str) -> Iterator[Cell]:
    return (Cell(f"row {number}", row[column]) for number, row in enumerate(rows, start=1))


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what ``datasets`` raises into one error with a fix, and keep its bars off the user's terminal."""
    try:
        import datasets
        from datasets.exceptions import DatasetNotFoundError, DatasetsError
        from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled
    except ImportError as error:
        raise DatasetError(
            f"dataset {name!r} is on the hub, and the package datasets is not installed",
            remedy=f"{INSTALL_LINE}, or give the path of a local file",
        ) from error
    drawn = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    except (DatasetNotFoundError, ConnectionError, OfflineModeIsEnabled, HTTPError) as error:
        raise DatasetError(
            f"dataset {name!r} is not in the local cache and could not be downloaded from the Hub: {_briefly(error)}",
            remedy="check the name, the network and HF_HUB_OFFLINE; for a private or gated one: hf auth login",
        ) from error
    except (DatasetsError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise DatasetError(
            f"dataset {name!r} cannot be read: {_briefly(error)}",
            remedy="check subset, split and revision under scenario.dataset_options",
        ) from error
    finally:
        if drawn:
            datasets.enable_progress_bars()


def _briefly(error: BaseException) -> str:
    """The first two lines that say something; the hub's errors go on with advice and addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__
