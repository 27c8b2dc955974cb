"""Counters that a library keeps: what becomes of a window in which one of them jumps or falls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Device, Recipe
from ai_energy_benchmarks.metrics.polled import Counter, PolledCounters

PACKAGE, GPU = Device("cpu", "package-0"), Device("gpu", "gpu-0")


class Library:
    """Two counters whose values a test sets."""

    def __init__(self) -> None:
        self.energies_j = {PACKAGE.id: 1000.0, GPU.id: 500.0}

    def read_j(self) -> dict[str, float]:
        """Grow a little with every reading, as counters in use do."""
        self.energies_j = {name: energy_j + 0.01 for name, energy_j in self.energies_j.items()}
        return self.energies_j


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def counters(library: Library) -> Iterator[PolledCounters]:
    both = (Counter(PACKAGE, "measured", stale_s=0.002), Counter(GPU, "measured", Delay(0.0, 0.0)))
    made = PolledCounters("library", both, "not seen", library.read_j, 0.005)
    yield made
    made.stop()


@pytest.mark.parametrize("jump_j", [262_143.0, -900.0], ids=["a reset taken for a wrap", "a fall"])
def test_a_window_in_which_a_counter_was_reset_has_no_figure(
    counters: PolledCounters, library: Library, jump_j: float
) -> None:
    """A jump that nothing can draw, or a fall, is absent with its reason; other counters and later windows stay."""
    start = counters.mark()
    library.energies_j = {**library.energies_j, PACKAGE.id: library.energies_j[PACKAGE.id] + jump_j}
    lost = counters.measure(start, counters.mark())
    assert [reading.device for reading in lost.readings] == [GPU]
    assert lost.absent["cpu"] == "the counter of package-0 was reset during the window"
    later = counters.measure(counters.mark(), counters.mark())
    assert {reading.device for reading in later.readings} == {PACKAGE, GPU}


def test_a_counter_of_ticks_that_falls_has_no_figure(counters: PolledCounters, library: Library) -> None:
    """The same for counters that are published late."""
    start = counters.mark()
    library.energies_j = {**library.energies_j, GPU.id: 0.0}
    lost = counters.measure(start, counters.mark())
    assert [reading.device for reading in lost.readings] == [PACKAGE]
    assert "gpu-0 was reset" in lost.absent["gpu"]


def test_a_reading_has_the_recipe_of_its_counter(counters: PolledCounters, library: Library) -> None:
    """Ticks with their delay, or an age; four polls of 5 ms are looked back on, and 2 s more for ticks."""
    measured = counters.measure(counters.mark(), counters.mark())
    package, gpu = measured.readings
    assert package.recipe is not None
    assert gpu.recipe is not None
    fresh = Recipe("fresh", "energy_j", PACKAGE.id, measured.start_s, measured.stop_s, stale_s=0.002, look_back_s=2.02)
    assert package.recipe == fresh
    assert gpu.recipe == evolve(fresh, rule="latched", series_id=GPU.id, stale_s=0.0)
    late = PolledCounters(
        "library",
        (Counter(GPU, "modelled", Delay(0.001, 0.002)),),
        "",
        lambda: {GPU.id: library.read_j()[GPU.id]},
        0.005,
    )
    (reading,) = late.measure(late.mark(), late.mark()).readings
    late.stop()
    assert reading.recipe is not None
    assert (reading.recipe.delay_low_s, reading.recipe.delay_high_s) == (0.001, 0.002)
    assert (reading.provenance, reading.meter, reading.counted) == ("modelled", "library", True)
    plain = PolledCounters(
        "library", (Counter(PACKAGE, "measured"),), "", lambda: {PACKAGE.id: library.read_j()[PACKAGE.id]}, 0.005
    )
    (reading,) = plain.measure(plain.mark(), plain.mark()).readings
    plain.stop()
    assert reading.recipe is not None
    assert reading.recipe.look_back_s == 0.02
