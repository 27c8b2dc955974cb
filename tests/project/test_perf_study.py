"""The script that measures what studies cost."""

from __future__ import annotations

from pathlib import Path

import study


def test_every_row_is_measured(tmp_path: Path) -> None:
    """On a small study; the limits are of large ones, and no machine under test is quiet."""
    found = {row.what: row.value for row in study.rows(tmp_path, cells=200, runs=2)}
    assert list(found) == [
        "planning 200 cells",
        "planning 200 cells, peak memory of the process",
        "a cell's own work alone, median",
        "a cell in a study beyond that",
        "resuming a complete study of 200 cells",
        "loading 200 results",
    ]
    assert all(value > 0 for name, value in found.items() if "beyond" not in name)
