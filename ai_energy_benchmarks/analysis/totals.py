"""Which components the total of a pass adds up, and when there is no total."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import field, frozen

from ai_energy_benchmarks.domain.power import Component, Provenance

_MODELLED = "it is modelled, and a total of measured components has no modelled part"


@frozen
class TotalParts:
    """What goes into a total.

    Attributes:
        components: those that are added up; empty if there is no total.
        excluded: component with an energy of its own → why it is not in the total.
        absent: why there is no total; None if there is one.
    """

    components: tuple[Component, ...]
    excluded: Mapping[Component, str] = field(factory=dict)
    absent: str | None = None


def total_parts(
    methods: Mapping[Component, Provenance],
    missing: Mapping[Component, str],
    required: Collection[Component] = (),
    lost: Collection[Component] = (),
) -> TotalParts:
    """Choose the parts: what is measured or integrated, if anything is, else what is modelled.

    A modelled CPU counts the workload's busy threads alone, a measured one the whole package at idle too. Their sums
    would differ by what a machine lets its users read, so a total holds one kind only.

    Args:
        methods: component that has an energy → how that was obtained.
        missing: component without an energy → why.
        required: components that the workload is known to use; without one of them there is no total.
        lost: components that a meter saw in some trials and not in all; a GPU among them is required too.
    """
    needed = [each for each in missing if each in required or (each == "gpu" and each in lost)]
    if needed:
        return TotalParts((), {}, "; ".join(f"{each.upper()} energy is missing: {missing[each]}" for each in needed))
    if not methods:
        return TotalParts((), {}, "no meter saw the energy of any component")
    observed = tuple(each for each, method in methods.items() if method != "modelled")
    if not observed:
        return TotalParts(tuple(methods))
    return TotalParts(observed, {each: _MODELLED for each in methods if each not in observed})
