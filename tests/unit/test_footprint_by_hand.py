"""What the total means at the wall, in emissions and in money: by hand, and where it is withheld."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.footprint import Footprint, covers, footprint, total_withheld
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon, Tariff
from ai_energy_benchmarks.domain.summary import Summary
from tests.unit.summary_by_hand import CPU_ENERGY, GPU_ENERGY, RESULT, SUMMARY
from tests.unit.test_derived_by_hand import STEADY

KWH = 3.6e6
# A total of 2.0 kWh, 1.8 to 2.4, of 40 requests.
TOTAL = evolve(GPU_ENERGY, component="total", bounds_j=Bounds(1.8 * KWH, 2.0 * KWH, 2.4 * KWH))
PASS = evolve(SUMMARY, total=TOTAL)


def made(summary: Summary = PASS, wall_factor: float | None = 1.25) -> BenchmarkResult:
    """400 g and 0.30 EUR a kWh, and a site that needs half as much again."""
    carbon, tariff = Carbon(400.0, 1.5, "grid"), Tariff(0.3, "EUR", 1.5)
    return evolve(RESULT, summary=summary, carbon=carbon, tariff=tariff, wall_factor=wall_factor)


def test_a_pass_and_its_requests() -> None:
    """2 kWh are 2.5 at the wall: 1500 g and 1.125 EUR; 40 requests, so 25 times as much for 1,000."""
    assert footprint(made()) == Footprint(
        None,
        "measured",
        TOTAL.bounds_j * 1.25,
        pytest.approx(1500.0),
        pytest.approx(1.125),
        pytest.approx(37_500.0),
        pytest.approx(28.125),
    )
    without = footprint(made(wall_factor=None))
    assert (without.wall_j, without.emissions_g, without.cost) == (None, pytest.approx(1200.0), pytest.approx(0.9))


def test_what_is_not_stated_is_not_computed() -> None:
    """No intensity, no emissions; no price, no cost; neither takes the other with it."""
    bare = footprint(evolve(made(), carbon=None))
    assert (bare.emissions_g, bare.emissions_per_1000_g) == (None, None)
    assert (bare.cost, bare.cost_per_1000) == (pytest.approx(1.125), pytest.approx(28.125))
    free = footprint(evolve(made(), tariff=None))
    assert (free.cost, free.cost_per_1000) == (None, None)
    assert (free.emissions_g, free.emissions_per_1000_g) == (pytest.approx(1500.0), pytest.approx(37_500.0))


@pytest.mark.parametrize(
    "changed",
    [{"succeeded": 0.0}, {"whole_requests": False}, {"steady_absent": "too short"}],
)
def test_without_energy_per_request_there_is_nothing_of_1000(changed: dict[str, object]) -> None:
    """No request succeeded, requests are cut, or fillers worked too; the pass keeps its own."""
    found = footprint(made(evolve(PASS, **changed)))
    assert (found.emissions_g, found.cost) == (pytest.approx(1500.0), pytest.approx(1.125))
    assert (found.emissions_per_1000_g, found.cost_per_1000) == (None, None)


def test_under_load_a_request_has_its_steady_energy() -> None:
    """3 tokens of 6.5 J: 19.5 J of 2 kWh, so the same part of 1500 g and of 1.125 EUR, a thousand times."""
    found = footprint(made(evolve(PASS, steady=STEADY)))
    share = 1000 * 19.5 / (2.0 * KWH)
    assert (found.emissions_g, found.cost) == (pytest.approx(1500.0), pytest.approx(1.125))
    assert found.emissions_per_1000_g == pytest.approx(share * 1500.0)
    assert found.cost_per_1000 == pytest.approx(share * 1.125)
    assert STEADY.total is not None
    unresolved = evolve(STEADY, total=evolve(STEADY.total, resolved=False))
    found = footprint(made(evolve(PASS, steady=unresolved)))
    assert (found.emissions_g, found.emissions_per_1000_g) == (pytest.approx(1500.0), None)


def test_a_total_that_is_not_resolved_has_only_bounds() -> None:
    """What is at the wall has them too; without a total there is nothing, and why."""
    assert footprint(made(evolve(PASS, total=evolve(TOTAL, resolved=False)))) == Footprint(
        "the total is only known to lie in [6,500,000, 8,600,000] J", "measured", TOTAL.bounds_j * 1.25
    )
    assert footprint(made(evolve(PASS, total=None, total_absent="why"))) == Footprint("why")
    assert total_withheld(evolve(PASS, total=None)) == "no meter saw the energy of any component"
    assert total_withheld(PASS) is None


def test_the_whole_system_is_at_the_wall_already() -> None:
    """No factor is applied to it, nor is it in anything that follows."""
    system = evolve(GPU_ENERGY, component="system")
    found = footprint(made(evolve(PASS, components=(system, CPU_ENERGY))))
    assert (found.wall_j, found.emissions_g, found.cost) == (None, pytest.approx(1200.0), pytest.approx(0.9))


def test_a_sentence_says_what_the_total_covers() -> None:
    """Its parts, that it is a model's, and each that is left out with its reason."""
    assert covers(PASS) == "GPU; without CPU: it is modelled"
    assert covers(evolve(PASS, total_excludes={})) == "GPU + CPU"
    modelled = evolve(PASS, total=evolve(TOTAL, provenance="modelled"), total_excludes={"gpu": "one", "dram": "two"})
    assert covers(modelled) == "CPU, modelled; without GPU: one; without DRAM: two"
    assert covers(evolve(PASS, total=None)) == ""
