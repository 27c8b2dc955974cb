"""A result that an earlier state of this package wrote is recomputed to the last digit."""

from __future__ import annotations

from pathlib import Path

from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse

# Written on 2026-11-26 at commit 0d4cb10, by a simulated server with answers of mixed lengths, two trials.
EARLIER = Path(__file__).parent / "earlier_result"


def test_no_figure_of_an_earlier_result_has_changed() -> None:
    """Energies, rates, bounds and intervals alike; what findings say may be said in other words."""
    differing = differences(reanalyse(EARLIER), EARLIER)
    assert [name for name in differing if not name.startswith("verdict.findings")] == []
