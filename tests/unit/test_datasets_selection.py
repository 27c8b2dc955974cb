"""Which kind of dataset a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import DatasetError
from ai_energy_benchmarks.registry import dataset_for


def test_a_registered_name_means_itself() -> None:
    """``builtin`` is the dataset of the package."""
    assert dataset_for("builtin") == "builtin"


@pytest.mark.parametrize("name", ["a.csv", "deep/er/a.TSV", "~/a.jsonl", "org/a.json", "a.txt", "./a.parquet"])
def test_a_name_that_ends_like_a_data_file_is_local(name: str) -> None:
    """Whether it exists is found out when it is read, with a better message."""
    assert dataset_for(name) == "local"


@pytest.mark.parametrize("name", ["AIEnergyScore/text_generation", "imdb", "org/name.v2"])
def test_other_names_are_of_the_hub(name: str) -> None:
    """With or without an organisation."""
    assert dataset_for(name) == "huggingface"


@pytest.mark.parametrize(("name", "meant"), [("bultin", "builtin"), ("syntetic", "synthetic")])
def test_a_misspelt_name_is_not_looked_for_on_the_hub(name: str, meant: str) -> None:
    """It is answered with the name that was probably meant."""
    with pytest.raises(DatasetError, match=f"did you mean '{meant}'"):
        dataset_for(name)


def test_the_words_for_kinds_are_no_data_sets() -> None:
    """``local`` and ``huggingface`` say how to read, not what; they are names like any other."""
    assert dataset_for("local") == "huggingface"
    assert dataset_for("synthetic") == "synthetic"


def test_an_existing_path_is_local(tmp_path: Path) -> None:
    """Directories and files without an ending too: the reader says what is wrong with them."""
    assert dataset_for(str(tmp_path)) == "local"


@pytest.mark.parametrize("name", ["", "a/b/c", "no spaces", "-x", "x" * 5000 + "/" * 2, "a\0b"])
def test_what_can_be_neither_is_refused(name: str) -> None:
    """A name that is no path and can be no hub name is an error with a fix, however odd."""
    with pytest.raises(DatasetError, match="neither an existing file nor a name"):
        dataset_for(name)
