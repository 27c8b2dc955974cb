"""What meters return: marks, raw series, and the energy of a window with its bounds."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen
from attrs.validators import in_

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.strangers import StrangerCheck

Provenance = Literal["measured", "integrated", "modelled"]
Estimator = Literal["guarded", "continuous", "exact"]
Quantity = Literal[
    "energy_j",
    "power_w",
    "average_power_w",
    "temperature_celsius",
    "cpu_time_s",
    "clock_hz",
    "throttle_reasons",
    "supported_throttle_reasons",
    "thermal_violation_s",
    "power_violation_s",
    "board_violation_s",
    "utilization_percent",
    "memory_used_bytes",
    "power_limit_w",
    "performance_state",
]


@frozen
class Mark:
    """One edge of a window.

    Attributes:
        time_s: seconds on the monotonic clock (``time.perf_counter``).
        quiet_s: how long the workload rests on the outer side of the edge; the runner says so, 0 if unknown.
    """

    time_s: float
    quiet_s: float = 0.0


@frozen
class Device:
    """A thing with a power of its own.

    Attributes:
        component: what kind of thing it is.
        id: stable name: a GPU's UUID, ``package-0`` …
        label: name for people.

    Raises:
        ValueError: there is no such component, so that its energy would appear nowhere.
    """

    component: Component = field(validator=in_(COMPONENTS))
    id: str
    label: str = ""


Rule = Literal["latched", "fresh", "integral"]
EdgeState = Literal["flat", "raised", "late", "unsettled"]


@frozen
class WindowEdges:
    """What the rests next to a window showed of its edges.

    Attributes:
        state: ``flat``: power was at rest within the known delay. ``raised``: it was, but at another level than
            before the window. ``late``: it came to rest later than the known delay explains. ``unsettled``: it did
            not come to rest in time, so that the window is unresolved.
        delay_high_s: the longest delay between the power and the counter that the bounds allow for.
        step_w: mean power of the window above the rests.
        idle_change_w: power of the rest after the window less that of the rest before it.
        rise_s: by how much the counter seems to follow the begin of the work; None if that was not seen.
        fall_s: by how much it seems to follow the end: delay, lag of the sensor and slow fall look alike.
    """

    state: EdgeState
    delay_high_s: float
    step_w: float
    idle_change_w: float
    rise_s: float | None = None
    fall_s: float | None = None


@frozen
class Recipe:
    """How the energy of a reading follows from the raw series of its device; re-analysis follows it again.

    Attributes:
        quantity: of the series; it names the unit.
        rule: ``latched`` and ``fresh`` are the two kinds of counters of ``domain/edges.py``, ``integral`` is power
            over time.
        series_id: device id of the series.
        start_s, stop_s: the window, as this meter marked it.
        rest_before_s, rest_after_s: how long the workload rested next to it.
        delay_low_s, delay_high_s: from sampling to publication.
        ceiling_per_s: fastest plausible growth of the series; None if nothing bounds it.
        stale_s: how old a value may be when it is read.
        hold_s: how long the sensor of a power shows one value before it looks again.
        look_back_s: readings so long before the window had a part in it; None for all.
        added_s: what the marks themselves held, in the unit of the series (processor time).
        added_half_width_s: how far that may be from the truth.
        added_from: device id of the series that shows the same, for windows that are cut later.
        slack_s: how far a growing series may lie from the truth.
        per_unit_j: joules per unit of the series.
        guessed: whether that is a guess, good to an order of magnitude.
        flat_within: changes of power within a rest, over the step between rest and work, that count as flat; None
            in results from before rests were checked, whose figures are made as they were then.
        widest_delay_s: the longest delay that is allowed for where a rest is not flat at once.
    """

    rule: Rule
    quantity: Quantity
    series_id: str
    start_s: float
    stop_s: float
    rest_before_s: float = 0.0
    rest_after_s: float = 0.0
    delay_low_s: float = 0.0
    delay_high_s: float = 0.0
    ceiling_per_s: float | None = None
    stale_s: float = 0.0
    hold_s: float = 0.0
    look_back_s: float | None = None
    added_s: float = 0.0
    added_half_width_s: float = 0.0
    added_from: str | None = None
    slack_s: float = 0.0
    per_unit_j: float = 1.0
    flat_within: float | None = None
    widest_delay_s: float = 0.0
    guessed: bool = False


@frozen
class Reading:
    """The energy of one device over one window.

    The bounds are of the meter's own ideal integral: timing, not the sensor's gain.

    Attributes:
        device: whose energy it is.
        bounds_j: the energy, gross.
        provenance: ``measured`` (a counter), ``integrated`` (power over time) or ``modelled``.
        meter: which collector says so.
        estimator: how the window's edges were treated.
        counted: whether the device belongs to the workload; others are listed apart.
        peak_power_w: highest power seen inside the window, None if the meter has no power.
        recipe: how the energy follows from the raw series; None if the meter keeps none.
        edges: what the rests next to the window showed; None if they were not looked at.
    """

    device: Device
    bounds_j: Bounds
    provenance: Provenance
    meter: str
    estimator: Estimator
    counted: bool = True
    peak_power_w: float | None = None
    recipe: Recipe | None = None
    edges: WindowEdges | None = None

    @property
    def energy_j(self) -> float:
        """The best estimate."""
        return self.bounds_j.best

    @property
    def settled(self) -> bool:
        """False if a rest next to the window was none, so that only the bounds can be quoted."""
        return self.edges is None or self.edges.state != "unsettled"


@frozen
class WorkloadShare:
    """The part of a component's busy time that was the workload's; its energy is divided so by convention only.

    Attributes:
        component: that is shared.
        share: between 0 and 1.
    """

    component: Component
    share: Bounds


@frozen
class Measurement:
    """What the meters say of one window.

    Attributes:
        start_s, stop_s: the window on the monotonic clock.
        readings: one per device that a meter could see.
        absent: component → why no meter could see it. Absent is not zero.
        notes: sentences for the verdict (a lost GPU, a shared MIG parent …) on the figures of all components.
        component_notes: component → sentences on its figure alone.
        foreign_processes: sentences on whoever else was on the workload's GPUs.
        strangers: for each of the workload's GPUs whether others were looked for, and found.
        shares: the workload's part of components that others use too, where it is requested.
        gpu_choice: how it is known which GPUs count; None if the meter sees no GPU, or was not told whose count.
    """

    start_s: float
    stop_s: float
    readings: tuple[Reading, ...]
    absent: Mapping[Component, str] = field(factory=dict)
    notes: tuple[str, ...] = ()
    foreign_processes: tuple[str, ...] = ()
    shares: tuple[WorkloadShare, ...] = ()
    strangers: tuple[StrangerCheck, ...] = ()
    component_notes: Mapping[Component, tuple[str, ...]] = field(factory=dict)
    gpu_choice: GpuChoice | None = None

    @property
    def duration_s(self) -> float:
        """Seconds between the edges of the window."""
        return self.stop_s - self.start_s

    @property
    def reported(self) -> frozenset[Component]:
        """The components of which a meter reports an energy, or why it has none."""
        return frozenset((*(reading.device.component for reading in self.readings), *self.absent))


@frozen(eq=False)
class Series:
    """Raw readings of one quantity of one device, in order of time.

    Attributes:
        device: whose readings they are.
        quantity: what was read; it names the unit.
        meter: which collector read it.
        before_s, after_s: the clock before and after each call that read the value.
        values: the values, in the unit that ``quantity`` names.
    """

    device: Device
    quantity: Quantity
    meter: str
    before_s: array[float]
    after_s: array[float]
    values: array[float]


@frozen(eq=False)
class Samples:
    """All raw series of a collector, for the timeline.

    Attributes:
        series: one for each quantity of each device.
    """

    series: tuple[Series, ...] = ()


@frozen
class Workload:
    """Whose energy counts: what the runner tells the collectors once the backend is loaded.

    Attributes:
        process_ids: processes of the engine; empty if unknown, as for a remote server.
        board_ids: UUIDs of the GPUs that the engine uses, as it reports them itself; None if it does not.
        elsewhere: why the meters of this machine see nothing of the engine, or only a part of it: it then has no
            figure. None if it runs on this machine alone.
        device_ids: indices of the engine's GPUs, counted from 0 as this process sees them; None if they are not known.
        fastest_first: whether the engine counts GPUs in another order than that of the PCI bus, so that among unlike
            GPUs ``device_ids`` may mean others.
        by_port: whether the processes were found by the port on which they listen, so that workers may be missing.
        unknown: why the processes are unknown; None if they are not.
    """

    process_ids: tuple[int, ...]
    board_ids: tuple[str, ...] | None = None
    elsewhere: str | None = None
    device_ids: tuple[int, ...] | None = None
    fastest_first: bool = False
    by_port: bool = False
    unknown: str | None = None

    @property
    def local(self) -> bool:
        """Whether this machine's meters see all of the engine."""
        return self.elsewhere is None
