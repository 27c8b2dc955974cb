"""The rows on GPUs that take time to calm down, which scripts/perf/metering.py prints."""

from __future__ import annotations

import metering_rests as rests
from ratios import Row


def test_small_versions_of_all_rows_keep_their_limits() -> None:
    """Two kinds of GPU, a few windows each: every limit that the table holds."""
    gpus = (rests.BRIEF, next(each for each in rests.GPUS if each.lag_s == 0.1))
    cells = [rests.Cell(gpu, tick_s, length_s) for gpu in gpus for tick_s in (0.02, 0.1) for length_s in (3.0, 10.0)]
    of_cells = {cell: rests._windows(10, cell) for cell in cells}
    known = {cell: rests._windows(10, cell, within_s=0.01) for cell in cells[:4]}
    rows: list[Row] = list(rests._limits(of_cells, known))
    assert [row.line() for row in rows if not row.ok] == []
    assert rests._shares(of_cells[cells[0]]) == "100 / 0 / 0"
