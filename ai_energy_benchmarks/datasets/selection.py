"""Which kind of data set a name means."""

from __future__ import annotations

import os.path
import re

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.datasets.local import SUFFIXES
from ai_energy_benchmarks.errors import DatasetError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_BY_SHAPE = ("local", "huggingface")  # chosen by what the name looks like, never by these words


def dataset_for(name: str) -> str:
    """The registry name of the member that reads the data set ``name``.

    A registered name (``builtin`` …) means itself; an existing path, or a name that ends like a data
    file, is local; anything else that a hub name can look like is a hub data set.

    Raises:
        DatasetError: it is none of these, or its member is not there.
    """
    known = registry.names("datasets")
    if name in known and name not in _BY_SHAPE:
        return name
    if name.lower().endswith(SUFFIXES) or os.path.exists(os.path.expanduser(name)):
        return "local"
    if not _HUB_ID.fullmatch(name):
        raise DatasetError(
            f"data set {name!r} is neither an existing file nor a name",
            remedy="set scenario.dataset_name to builtin or to the path of a CSV, JSONL, JSON, TXT or Parquet file",
        )
    if "huggingface" not in known:
        raise DatasetError(
            f"data set {name!r} is not a local file, and hub data sets cannot be read yet",
            remedy="save it as a CSV, JSONL, JSON, TXT or Parquet file and give its path, or use builtin",
        )
    return "huggingface"
