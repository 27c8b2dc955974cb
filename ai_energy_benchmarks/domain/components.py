"""The parts of a machine that have an energy, each in one line: all else that lists them follows from here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, get_args

from attrs import frozen

Component = Literal["gpu", "cpu", "dram", "system"]


@frozen
class ComponentFacts:
    """What is particular to a component.

    Attributes:
        name: as results name it.
        contains: the components whose energy is in its own, so that it is shown next to them and never added to them.
        expected: whether a run without its energy says why; of the others only what a meter sees is shown.
        scatter: coefficients of variation over trials above which the verdict is WARN and FAIL.
    """

    name: Component
    contains: tuple[Component, ...] = ()
    expected: bool = True
    scatter: tuple[float, float] = (0.05, 0.10)


FACTS: dict[Component, ComponentFacts] = {
    facts.name: facts
    for facts in (
        ComponentFacts("gpu", scatter=(0.02, 0.05)),
        ComponentFacts("cpu"),
        ComponentFacts("dram"),
        # The whole machine at its power inlet: a wall plug, an outlet of a PDU, or what a BMC reads of the supplies.
        ComponentFacts("system", contains=("gpu", "cpu", "dram"), expected=False),
    )
}
COMPONENTS: tuple[Component, ...] = get_args(Component)
EXPECTED: tuple[Component, ...] = tuple(name for name in COMPONENTS if FACTS[name].expected)


def contains(whole: Component, part: Component) -> bool:
    """Whether the energy of one component is in that of the other."""
    return part in FACTS[whole].contains


def wholes(components: Iterable[Component]) -> tuple[Component, ...]:
    """Those that contain others."""
    return tuple(name for name in components if FACTS[name].contains)


def shown(reported: Collection[str]) -> tuple[Component, ...]:
    """The components that a result speaks of: the expected ones, and what meters report beyond them."""
    return tuple(name for name in COMPONENTS if FACTS[name].expected or name in reported)
