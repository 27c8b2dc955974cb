"""Which components the total of a pass adds up, and when there is no total."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import field, frozen

from ai_energy_benchmarks.domain.components import Component, contains, wholes
from ai_energy_benchmarks.domain.power import Provenance

_MODELLED = "it is modelled, and a total of measured components has no modelled part"
_CONTAINS = "it contains the others, so it is shown next to them and never added"


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

    A component that contains others, such as the whole system, is never added to them. It is the total by itself where
    none of them was measured, or one that is required has no energy: then nothing of the workload is left out.

    Args:
        methods: component that has an energy → how that was obtained.
        missing: component without an energy → why.
        required: components that the workload is known to use; without one of them there is no total.
        lost: components that a meter saw in some trials and not in all; a GPU among them is required too.
    """
    needed = [component for component in missing if component in required or (component == "gpu" and component in lost)]
    observed = tuple(component for component, method in methods.items() if method != "modelled")
    whole_system = next(iter(wholes(observed)), None)
    if whole_system is not None and (needed or not _within(whole_system, observed)):
        others = {
            component: f"the total is that of the {whole_system}, which contains it"
            for component in methods
            if component != whole_system
        }
        return TotalParts((whole_system,), others)
    if needed:
        return TotalParts(
            (), {}, "; ".join(f"{component.upper()} energy is missing: {missing[component]}" for component in needed)
        )
    if not methods:
        return TotalParts((), {}, "no meter saw the energy of any component")
    parts = tuple(component for component in observed if component != whole_system)
    if not parts:
        return _all_modelled(tuple(methods))
    excluded = {component: _MODELLED for component in methods if component not in observed}
    if whole_system is not None:
        excluded[whole_system] = _CONTAINS
    return TotalParts(parts, excluded)


def _all_modelled(components: tuple[Component, ...]) -> TotalParts:
    containing = [whole for whole in wholes(components) if _within(whole, components)]
    parts = tuple(component for component in components if component not in containing)
    return TotalParts(parts, dict.fromkeys(containing, _CONTAINS))


def _within(whole: Component, components: Collection[Component]) -> bool:
    return any(contains(whole, component) for component in components)
