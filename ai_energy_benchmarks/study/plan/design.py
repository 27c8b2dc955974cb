"""The blocks ``design`` and ``execution`` of a study: how often, in which order, and how cells are run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from attrs import field, frozen

from ai_energy_benchmarks.study.plan.clusters import LOCAL, RayConfig, SlurmConfig
from ai_energy_benchmarks.study.plan.runner import RunnerConfig
from ai_energy_benchmarks.text.ranges import AtLeast, Count, Index, MoreThan, Seconds, Text

ORDERS = ("shuffle", "interleave", "sequential", "reverse", "latin_square")
Order = Literal["shuffle", "interleave", "sequential", "reverse", "latin_square"]
DEFAULT_CYCLES = 5


@frozen
class UntilConfig:
    """Cycles until every cell is known well enough.

    Attributes:
        relative_half_width: of the 95 % interval of each cell's J per output token over the cycles, as a share of
            its mean; the gain of the sensor, which no repetition reduces, is not in it.
        max_cycles: after which the study ends all the same, and its report says so.
        min_cycles: before which it is not looked at; three scattered figures may lie close by chance.
    """

    relative_half_width: Annotated[float, MoreThan(0)]
    max_cycles: Count = 20
    min_cycles: Annotated[int, AtLeast(2)] = 3


@frozen
class CoolingConfig:
    """Rest between cells until the GPUs are as cool as they were before the first one.

    Attributes:
        within_celsius: how much warmer they may still be.
        cap_s: when the next cell begins all the same, which the manifest says.
    """

    within_celsius: Annotated[float, MoreThan(0)] = 3.0
    cap_s: Seconds = 600.0


@frozen
class DesignConfig:
    """How often each cell is measured, and in which order.

    Attributes:
        cycles: processes of each cell; 5 if neither this nor ``until`` is set.
        until: go on until the figures are known to so many percent instead.
        order: ``shuffle`` draws a fresh order for each cycle; ``interleave`` keeps the order of the file in each
            cycle; ``sequential`` measures all cycles of a cell before the next one; ``reverse`` turns the order around
            in every other cycle; ``latin_square`` is a Williams design: every cell stands in every place and follows
            every other equally often.
        seed: from which the orders are drawn; if not set, a fresh one, which the manifest keeps.
        gap_s: rest before every cell but the first.
        thermal_gate: rest between cells until the GPUs have cooled down; ``true`` takes its defaults.
        blocks: keep cells with the same ``backend`` next to one another within each cycle.
    """

    cycles: Count | None = None
    until: UntilConfig | None = None
    order: Order = "shuffle"
    seed: Index | None = None
    gap_s: Seconds = 0.0
    thermal_gate: bool | CoolingConfig = False
    blocks: bool = False

    @property
    def max_cycles(self) -> int:
        """The number of cycles, or the largest that there may be."""
        return self.until.max_cycles if self.until else self.cycles or DEFAULT_CYCLES

    @property
    def cooling(self) -> CoolingConfig | None:
        """The thermal gate, or None."""
        if isinstance(self.thermal_gate, CoolingConfig):
            return self.thermal_gate
        return CoolingConfig() if self.thermal_gate else None


@frozen
class BreakerConfig:
    """Stop trying where everything fails, such as a server that is down or a GPU that fell off the bus.

    Attributes:
        failures: cells that fail one after the other before the study waits; 0 never waits.
        cooldown_s: how long it waits before it tries one more cell.
        trips: how often it waits without a completed cell in between before it gives up; ``study resume`` goes on.
    """

    failures: Index = 3
    cooldown_s: Seconds = 60.0
    trips: Count = 2


@frozen
class ExecutionConfig:
    """How cells are run.

    Attributes:
        isolation: ``process`` gives every cell a process of its own; ``shared`` lets cells of one block run in one
            process in which the model stays loaded, where its engine runs in process; it turns ``design.blocks`` on.
        timeout_s: after so long a cell is ended with all its processes; unlimited if not set.
        silence_s: a cell is ended that has printed and written nothing for so long, and used no processor time.
        budget_s: no cell begins that would probably end later than this after the start of the command.
        breaker: when to stop trying.
        gpus: UUIDs or indices of the GPUs that the cells may use; all that this process sees if not set. They are
            locked while the study runs.
        runners: engine → where its cells run: ``process`` (in the environment of the study, the default), a
            ``venv``, or a ``container``.
        executor: ``local`` runs cells on this machine, ``ray`` on a Ray cluster, ``slurm`` as jobs of Slurm.
        placement: with ``ray`` and ``slurm``: ``cycle`` runs all cells of a cycle one after the other on the same node,
            in their order; ``cell`` lets each go to whichever node is free.
        retries: how often a cell that was lost with its node, or preempted, is tried again.
        ray: how cells run there.
        slurm: how cells run there.
    """

    isolation: Literal["process", "shared"] = "process"
    timeout_s: Annotated[float, MoreThan(0)] | None = None
    silence_s: Annotated[float, MoreThan(0)] | None = 3600.0
    budget_s: Annotated[float, MoreThan(0)] | None = None
    breaker: BreakerConfig = field(factory=BreakerConfig)
    gpus: tuple[str | int, ...] | None = None
    runners: Mapping[str, RunnerConfig] = field(factory=dict)
    executor: Text = LOCAL
    placement: Literal["cycle", "cell"] = "cycle"
    retries: Index = 1
    ray: RayConfig | None = None
    slurm: SlurmConfig | None = None
