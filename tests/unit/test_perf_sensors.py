"""The live rows of simulated GPUs that fall slowly, are late or lag: their boards, and what counts as a figure."""

from __future__ import annotations

import random

import metering_sensors as sensors
import pytest


@pytest.mark.parametrize("case", sensors.CASES, ids=lambda each: each.name)
def test_every_case_works_in_the_windows_and_rests_between(case: sensors.Case) -> None:
    """What the card draws between the marks is the work, whatever follows it."""
    windows = [(12.0, 13.0), (18.5, 21.5)]
    board = sensors._board(0, case, 0.1, random.Random(1), windows)
    for start_s, stop_s in windows:
        assert board.drawn_j(start_s, stop_s) == pytest.approx(sensors.WORK_W * (stop_s - start_s))
    assert board.drawn_j(5.0, 6.0) == pytest.approx(sensors.REST_W)


def test_unresolved_windows_are_refusals_and_others_are_held_against_the_truth() -> None:
    """A rest that was none, or bounds too far apart, leave no figure; rests that were not flat are warnings."""
    found = sensors.Found()
    figure = {"energy_j": 100.0, "low_j": 99.0, "high_j": 101.0, "settled": True, "edges": "flat"}
    found.add(figure, 100.5)
    found.add(figure | {"edges": "late"}, 102.0)
    found.add(figure | {"settled": False}, 100.0)
    found.add(figure | {"low_j": 50.0}, 100.0)
    assert (found.held, found.warned, found.refused) == ([True, False], 1, 2)
    rows = {row.what.rpartition(": ")[2]: row for row in sensors._rows("case", found)}
    assert rows["truth held"].value == pytest.approx(50.0)
    assert not rows["truth held"].ok
    assert rows["no figure"].value == pytest.approx(50.0)
