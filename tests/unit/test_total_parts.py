"""What a total adds up: never a component together with one that contains it."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.totals import total_parts
from ai_energy_benchmarks.domain.power import Provenance


@pytest.mark.parametrize("method", ["measured", "integrated", "modelled"])
def test_the_system_is_never_added_to_its_parts(method: Provenance) -> None:
    """However the energies were obtained, the parts are the total and the system is named as left out."""
    parts = total_parts({"cpu": method, "system": method}, {"gpu": "there is none"})
    assert parts.components == ("cpu",)
    assert parts.excluded == {"system": "it contains the others, so it is shown next to them and never added"}


@pytest.mark.parametrize("method", ["measured", "integrated", "modelled"])
def test_the_system_alone_is_the_total(method: Provenance) -> None:
    """Nothing is left out of it, so nothing is excluded."""
    parts = total_parts({"system": method}, {"gpu": "there is none"})
    assert (parts.components, parts.excluded, parts.absent) == (("system",), {}, None)
