"""What a total adds up: never a component together with one that contains it."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.totals import TotalParts, total_parts
from ai_energy_benchmarks.domain.components import Component
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


MODELLED = "it is modelled, and a total of measured components has no modelled part"
CONTAINS = "it contains the others, so it is shown next to them and never added"
IN_SYSTEM = "the total is that of the system, which contains it"
M, INT, N = "measured", "integrated", "modelled"


@pytest.mark.parametrize(
    ("methods", "missing", "required", "lost", "expected"),
    [
        ({"gpu": M, "cpu": INT, "dram": N}, {}, (), (), TotalParts(("gpu", "cpu"), {"dram": MODELLED})),
        ({"cpu": N, "dram": N}, {}, (), (), TotalParts(("cpu", "dram"))),
        ({"cpu": N, "system": N}, {}, (), (), TotalParts(("cpu",), {"system": CONTAINS})),
        ({"gpu": M, "cpu": N, "system": N}, {}, (), (), TotalParts(("gpu",), {"cpu": MODELLED, "system": MODELLED})),
        (
            {"gpu": M, "cpu": N, "system": INT},
            {},
            (),
            (),
            TotalParts(("gpu",), {"cpu": MODELLED, "system": CONTAINS}),
        ),
        (
            {"cpu": N, "dram": N, "system": M},
            {},
            (),
            (),
            TotalParts(("system",), {"cpu": IN_SYSTEM, "dram": IN_SYSTEM}),
        ),
        ({"cpu": M, "system": M}, {"gpu": "x"}, ("gpu",), (), TotalParts(("system",), {"cpu": IN_SYSTEM})),
        ({"cpu": M, "system": M}, {"gpu": "x"}, (), ("gpu",), TotalParts(("system",), {"cpu": IN_SYSTEM})),
        ({"cpu": M, "system": M}, {"gpu": "x"}, (), (), TotalParts(("cpu",), {"system": CONTAINS})),
        ({"gpu": M, "system": N}, {"cpu": "x"}, ("cpu",), (), TotalParts((), {}, "CPU energy is missing: x")),
        ({"gpu": M}, {"cpu": "x", "dram": "y"}, ("cpu",), ("dram",), TotalParts((), {}, "CPU energy is missing: x")),
        (
            {"gpu": M},
            {"cpu": "x", "dram": "y"},
            ("cpu", "dram"),
            (),
            TotalParts((), {}, "CPU energy is missing: x; DRAM energy is missing: y"),
        ),
        ({"gpu": M}, {"cpu": "x"}, (), ("cpu",), TotalParts(("gpu",))),
        ({"gpu": M}, {}, ("gpu",), (), TotalParts(("gpu",))),
        ({"cpu": M}, {"gpu": "x"}, (), (), TotalParts(("cpu",))),
        ({}, {"gpu": "x"}, (), (), TotalParts((), {}, "no meter saw the energy of any component")),
        ({}, {"gpu": "x"}, ("gpu",), (), TotalParts((), {}, "GPU energy is missing: x")),
    ],
)
def test_what_a_total_adds_up(
    methods: dict[Component, Provenance],
    missing: dict[Component, str],
    required: tuple[Component, ...],
    lost: tuple[Component, ...],
    expected: TotalParts,
) -> None:
    """What is measured or integrated, else what is modelled; each that is left out has its reason.

    A required component without energy, or a GPU that was lost, leaves no total but that of a system that contains it.
    """
    assert total_parts(methods, missing, required, lost) == expected
