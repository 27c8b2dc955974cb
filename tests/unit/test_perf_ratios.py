"""The statistics behind the figures of scripts/perf."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import ratios


def test_a_constant_ratio_has_no_width() -> None:
    """Pairs that drift together have the ratio that they share, exactly."""
    row = ratios.ratio_row("x", [2.0, 4.0, 8.0], [1.0, 2.0, 4.0])
    assert (row.value, row.low, row.high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_interval_is_students_on_logarithms() -> None:
    """Two pairs with ratios e and 1/e give 1, and exp of ±12.7062 standard errors of 1."""
    row = ratios.ratio_row("x", [math.e, 1.0], [1.0, math.e])
    assert row.value == pytest.approx(1.0)
    assert math.log(row.high) == pytest.approx(12.7062)
    assert math.log(row.low) == pytest.approx(-12.7062)


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (30, 10)])
def test_the_interval_of_a_median_lies_between_order_statistics(n: int, rank: int) -> None:
    """The ranks are those of published tables for 95 % (Conover, table A3: 20 pairs give the 6th and the 15th)."""
    row = ratios.median_ratio_row("x", [float(i) for i in range(1, n + 1)], [1.0] * n)
    assert (row.low, row.high) == (rank, n + 1 - rank)


def test_a_few_disturbed_pairs_do_not_move_a_median() -> None:
    """Three pairs of twenty that took ten times as long change neither the median nor the interval of equal ones."""
    row = ratios.median_ratio_row("x", [1.0] * 17 + [10.0] * 3, [1.0] * 20)
    assert (row.low, row.value, row.high) == (1.0, 1.0, 1.0)


def test_a_median_of_five_has_no_interval() -> None:
    """Fewer than six pairs cannot bound a median with 95 %."""
    with pytest.raises(ValueError, match="six pairs"):
        ratios.median_ratio_row("x", [1.0] * 5, [1.0] * 5)


@pytest.mark.parametrize(
    ("row", "ok"),
    [
        ({"value": 1.0, "low": 0.985, "high": 1.015, "limit": 0.99, "at_least": True}, False),
        ({"value": 1.0, "low": 0.995, "high": 1.005, "limit": 0.99, "at_least": True}, True),
        ({"value": 2.9, "limit": 3.0}, True),
        ({"value": 3.1, "limit": 3.0}, False),
        ({"value": 3.1}, True),
    ],
)
def test_a_limit_from_below_counts_from_the_lower_end(row: dict[str, float], ok: bool) -> None:
    """ "Not below" is judged by the interval's lower end, "at most" by the value."""
    assert ratios.Row("x", **row).ok is ok


def test_a_missed_limit_is_an_exit_status_and_a_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table, the JSON and the exit status say the same."""
    path = tmp_path / "new" / "rows.json"
    assert ratios.report([ratios.Row("size", 5.0, "MB", limit=4.0)], path) == 1
    assert json.loads(path.read_text())[0]["ok"] is False
    assert "MISSED" in capsys.readouterr().out
