"""The meter of those who did not choose one: for each component the best that works here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import ClassVar, cast

from attrs import evolve, frozen

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.domain.components import EXPECTED, Component
from ai_energy_benchmarks.domain.power import Mark, Measurement, Samples, Workload
from ai_energy_benchmarks.errors import CollectorError, ConfigError
from ai_energy_benchmarks.metrics.base import CollectorSettings, MetricsCollector
from ai_energy_benchmarks.metrics.combined import CombinedCollector

_SEES_NOTHING = "it does not see it"


@frozen
class AutoOptions:
    """No options: a meter that needs some is asked for by name."""


class AutoCollector:
    """For each component the first meter that works here; the report says which, and why not the others.

    The order is that of trust ("Meters" in docs/measurement.md): a meter's class has ``AUTO``, component → its place,
    the lowest first. Of each component the first meter that opens and sees it is taken; one without ``AUTO``, or with
    options that have no default, is used only by name.
    """

    Options: ClassVar[type] = AutoOptions

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._stack = ExitStack()
        self._chosen = CombinedCollector(())
        self._absent: dict[Component, str] = {}
        self._notes: tuple[str, ...] = ()
        self._order: Mapping[Component, tuple[str, ...]] = {}

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> AutoCollector:
        return cls(settings)

    def __enter__(self) -> AutoCollector:
        with ExitStack() as stack:
            found: dict[str, MetricsCollector] = {}
            opened: dict[str, ExitStack] = {}
            refused: dict[str, str] = {}
            self._order = _order()
            picked = {component: self._pick(component, found, refused, opened, stack) for component in self._order}
            for name in found.keys() - set(picked.values()):
                # It would go on reading the devices, and report them, for nothing.
                opened[name].close()
                refused[name] = _SEES_NOTHING
                del found[name]
            self._absent = {
                component: "; ".join(f"{name}: {refused[name]}" for name in self._order[component] if name in refused)
                or "no meter of this machine sees it"
                for component, name in picked.items()
                if name is None
            }
            if not found:
                reasons = "; ".join(f"{component}: {reason}" for component, reason in self._absent.items())
                raise CollectorError(
                    f"no meter works here ({reasons})",
                    remedy="name a meter in metrics.collectors, or set metrics.enabled: false",
                )
            # The members are open already, so this one is used without being entered.
            owners = {component: found[name] for component, name in picked.items() if name}
            self._chosen = CombinedCollector(tuple(found.values()), owners)
            self._notes = tuple(
                _note(component, name, self._order[component], refused) for component, name in picked.items() if name
            )
            self._stack = stack.pop_all()
        return self

    def _pick(
        self,
        component: Component,
        found: dict[str, MetricsCollector],
        refused: dict[str, str],
        opened: dict[str, ExitStack],
        stack: ExitStack,
    ) -> str | None:
        """The first meter that sees it, each opened once and in a stack of its own."""
        for name in self._order[component]:
            if name not in found and name not in refused:
                kind = cast("type[MetricsCollector]", registry.load("collectors", name))
                meter = kind.from_settings(evolve(self._settings, options=kind.Options()))
                opened[name] = stack.enter_context(ExitStack())
                try:
                    found[name] = opened[name].enter_context(meter)
                except CollectorError as error:
                    refused[name] = error.message
            if name in found and component in found[name].components():
                return name
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def components(self) -> tuple[Component, ...]:
        return self._chosen.components()

    def limits(self) -> tuple[str, ...]:
        return tuple(f"no {component}: {reason}" for component, reason in self._absent.items())

    def attach(self, workload: Workload) -> None:
        self._chosen.attach(workload)

    def counted_devices(self) -> frozenset[str] | None:
        return self._chosen.counted_devices()

    def guard_s(self) -> float:
        return self._chosen.guard_s()

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        return self._chosen.further_rest_s(start, stop)

    def mark(self) -> Mark:
        return self._chosen.mark()

    def read(self, start: Mark, stop: Mark) -> Measurement:
        measurement = self._chosen.read(start, stop)
        return evolve(measurement, absent={**self._absent, **measurement.absent})

    def keep_readings(self, times_s: Sequence[float]) -> None:
        self._chosen.keep_readings(times_s)

    def samples(self) -> Samples:
        return self._chosen.samples()

    def notes(self) -> tuple[str, ...]:
        return (*self._notes, *self._chosen.notes())


def _order() -> Mapping[Component, tuple[str, ...]]:
    """Component → the meters of it in order of trust, as their classes state it in ``AUTO``, plugins included."""
    places: dict[Component, list[tuple[int, str]]] = {component: [] for component in EXPECTED}
    for name in registry.names("collectors"):
        try:
            member = registry.load("collectors", name)
        except (ConfigError, ImportError, AttributeError):
            continue  # ``list`` and ``doctor`` report a plugin that cannot be imported
        if not registry.required_options(member):
            stated: Mapping[Component, int] = getattr(member, "AUTO", {})
            for component, place in stated.items():
                places.setdefault(component, []).append((place, name))
    # Of two with the same place the one that is registered first goes first: built-in meters before plugins.
    return {component: tuple(name for _, name in sorted(rows, key=_place)) for component, rows in places.items()}


def _place(row: tuple[int, str]) -> int:
    return row[0]


def _note(component: Component, name: str, order: Sequence[str], refused: Mapping[str, str]) -> str:
    """Which meter was picked, and why each earlier one was not."""
    earlier = order[: order.index(name)]
    passed_over = "".join(f"; not {each}: {refused.get(each, _SEES_NOTHING)}" for each in earlier)
    return f"auto picked {name} for {component.upper()}{passed_over}"
