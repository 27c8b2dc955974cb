"""The blocks ``execution.ray`` and ``execution.slurm`` of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from attrs import field, frozen

from ai_energy_benchmarks.text.ranges import Count, Index, MoreThan, Scalar, Text

LOCAL = "local"


@frozen
class RayConfig:
    """Cells as tasks of a Ray cluster that runs already.

    Attributes:
        address: of the cluster; ``auto`` takes ``RAY_ADDRESS``, or the one that runs on this machine.
        exclusive: a custom resource of which every node has one, and every cell takes one.
        gpus: GPUs that a cell gets.
        cpus: processors that Ray counts for a cell; the cell may use all of the node.
    """

    address: Text = "auto"
    exclusive: Text = "exclusive"
    gpus: Index = 0
    cpus: Index = 1


@frozen
class SlurmConfig:
    """Cells in job arrays of Slurm, each job with a node of its own.

    Attributes:
        partition: as ``sbatch --partition``.
        account: as ``sbatch --account``.
        qos: as ``sbatch --qos``.
        constraint: as ``sbatch --constraint``; name one kind of node, so that cells run on the same hardware.
        gpus: as ``sbatch --gpus-per-node``.
        time_limit_s: of a job; if not set, what its cells may take by ``execution.timeout_s`` and ``design.gap_s``.
        at_once: jobs that may run at the same time; all if not set.
        setup: lines of shell that a job runs first, such as ``module load cuda``.
        options: further options of ``sbatch`` without their dashes.
        poll_s: how often the queue is looked at.
    """

    partition: Text | None = None
    account: Text | None = None
    qos: Text | None = None
    constraint: Text | None = None
    gpus: Index = 0
    time_limit_s: Annotated[float, MoreThan(0)] | None = None
    at_once: Count | None = None
    setup: tuple[Text, ...] = ()
    options: Mapping[str, Scalar] = field(factory=dict)
    poll_s: Annotated[float, MoreThan(0)] = 10.0
