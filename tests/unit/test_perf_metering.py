"""The windows on a virtual clock behind the table of scripts/perf/metering.py."""

from __future__ import annotations

import random
from pathlib import Path

import docs_table
import metering_virtual as virtual
import pytest

from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY


def test_a_world_knows_its_truth() -> None:
    """Constant power: the truth is power times time, and all estimates come near it."""
    world = virtual.make_world(random.Random(1), "constant", 0.1, 3.0, rest=True)
    power_w = world.counter.trace[0][1]
    assert world.truth_j == pytest.approx(power_w * (world.stop_s - world.start_s))
    assert world.guarded(UNKNOWN_DELAY).best == pytest.approx(world.truth_j, rel=0.01)
    assert world.continuous(world.known).best == pytest.approx(world.truth_j, rel=0.01)
    assert world.naive_j() == pytest.approx(world.truth_j, rel=0.1)


def test_a_missed_limit_shows() -> None:
    """A percentile above its limit is not kept."""
    row = virtual._percent("error", [0.001] * 18 + [0.02] * 2, 0.01, 20)
    assert row.value == pytest.approx(2.0)
    assert not row.ok


def test_a_section_is_replaced_between_its_marks(tmp_path: Path) -> None:
    """What stands around it stays."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x:begin -->\nold\n<!-- x:end -->\nafter\n")
    docs_table.replace_section(page, "x", "new")
    assert page.read_text() == "before\n<!-- x:begin -->\nnew\n<!-- x:end -->\nafter\n"
    with pytest.raises(SystemExit, match="no section"):
        docs_table.replace_section(page, "y", "new")
