"""What the results of a study take on disk, and whether there is room for them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.study.cells import Cell
from ai_energy_benchmarks.study.plan.study import Study

# Measured on result directories of this package: a report, a config, a table, two Parquet files and a log, and per
# request its row twice, once in the journal. Saved texts and long timelines take more.
_CELL_BYTES = 250_000
_REQUEST_BYTES = 700
# Below this a file system is full for all practical purposes.
_LEAST_BYTES = 50 * 2**20


def cell_bytes(study: Study, cell: Cell | None = None) -> int:
    """About how much one cycle of a cell writes; of the base, if no cell is given."""
    mapping = with_overrides(study.config.base, cell.settings if cell else {})
    scenario, protocol = _block(mapping, "scenario"), _block(mapping, "protocol")
    requests = _count(scenario, "num_samples", 100) * _count(protocol, "trials", 1)
    return _CELL_BYTES + _REQUEST_BYTES * requests


def check_room(directory: Path, study: Study, runs: int) -> None:
    """Check that a file system has room for what is still to run.

    Raises:
        ReporterError: it has not, with both figures.
    """
    needed, free = max(runs * cell_bytes(study), _LEAST_BYTES), free_bytes(directory)
    if free < needed:
        raise ReporterError(
            f"{directory} has {shown_bytes(free)} of room, and {runs} runs take about {shown_bytes(needed)}",
            remedy="free space, or choose an output_dir on another file system",
        )


def room_left(directory: Path, study: Study, cell: Cell) -> bool:
    """Whether there is room for one more run."""
    return free_bytes(directory) >= max(2 * cell_bytes(study, cell), _LEAST_BYTES)


def free_bytes(directory: Path) -> int:
    """What is free on the file system of a directory, which need not exist yet."""
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _block(mapping: Mapping[str, object], name: str) -> Mapping[str, object]:
    block = mapping.get(name)
    return block if isinstance(block, Mapping) else {}


def _count(block: Mapping[str, object], name: str, default: int) -> int:
    value = block.get(name, default)
    return value if isinstance(value, int) else default


def shown_bytes(size_bytes: int) -> str:
    """A size for people."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
