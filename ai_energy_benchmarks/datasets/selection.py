"""Which kind of data set a name means."""

from __future__ import annotations

import difflib
import os.path
import re

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.datasets.local import SUFFIXES
from ai_energy_benchmarks.errors import DatasetError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_BY_SHAPE = ("local", "huggingface")  # chosen by what the name looks like, never by these words


def dataset_for(name: str) -> str:
    """The registry name of the member that reads the data set ``name``.

    A registered name (``builtin``, ``synthetic`` …) means itself; an existing path, or a name that ends like a data
    file, is local; anything else that a hub name can look like is a hub data set.

    Raises:
        DatasetError: it is none of these, or nearly a registered name.
    """
    known = registry.names("datasets")
    if name in known and name not in _BY_SHAPE:
        return name
    if name.lower().endswith(SUFFIXES) or os.path.exists(os.path.expanduser(name)):
        return "local"
    if not _HUB_ID.fullmatch(name):
        raise DatasetError(
            f"data set {name!r} is neither an existing file nor a name that the hub could know",
            remedy="set scenario.dataset_name to builtin, a path such as prompts.csv, or a hub name such as org/name",
        )
    near = difflib.get_close_matches(name, set(known) - set(_BY_SHAPE), n=1, cutoff=0.8)
    if near:
        raise DatasetError(
            f"there is no data set {name!r} in the package; did you mean {near[0]!r}?",
            remedy=f"set scenario.dataset_name to {near[0]}; of a hub data set write the organisation too",
        )
    return "huggingface"
