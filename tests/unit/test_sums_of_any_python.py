"""Figures do not depend on the Python that computes them: since 3.12 ``sum`` rounds the sum of floats differently."""

from __future__ import annotations

import builtins
import random
import sys
from collections.abc import Iterable

import pytest

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.results.document.report import report_document
from tests.unit.test_steady import Bench, lognormal

ROOMS = tuple(f"ai_energy_benchmarks.{room}." for room in ("analysis", "domain", "results"))


def test_no_figure_of_a_served_run_is_a_plain_sum_of_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that Python 3.12 had measured on an H100 was recomputed by 3.11 with another last digit."""
    plain = builtins.sum

    def watched(values: Iterable[float], /, start: float = 0) -> float:
        listed = list(values)
        caller = sys._getframe(1).f_globals["__name__"]
        if caller.startswith(ROOMS):
            assert not any(value % 1 for value in listed), caller
        return plain(listed, start)

    dice = random.Random(1)
    bench = Bench(8, [lognormal(dice) for _ in range(100)], trials=3)
    monkeypatch.setattr(builtins, "sum", watched)
    report_document(bench.result())


def test_floats_are_added_from_left_to_right() -> None:
    """Rounded after each, as the Python did that measured the first results; of none it is 0."""
    assert add_up([0.1] * 10) == 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 != 1.0
    assert add_up([1e16, 1.0, -1e16]) == 0.0
    assert add_up(()) == 0
    assert Bounds.total([Bounds(0.1, 0.2, 0.3), Bounds(0.2, 0.1, 0.3), Bounds(0.3, 0.3, 0.3)]).low == 0.1 + 0.2 + 0.3
