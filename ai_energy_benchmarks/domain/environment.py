"""What the machine was when the measurement was made."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Board:
    """One accelerator as its driver describes it; None where the driver does not say.

    Attributes:
        id: its UUID.
        index: as NVML counts.
        name: of the product.
        memory_bytes: of the GPU; None if it does not say.
        has_energy_counter: whether it counts energy; None if that is not known.
        power_limit_w: in force now.
        default_power_limit_w: as the maker ships it.
        graphics_clock_max_hz, memory_clock_max_hz: highest clocks of the GPU.
    """

    id: str
    index: int
    name: str
    memory_bytes: int | None = None
    power_limit_w: float | None = None
    has_energy_counter: bool | None = None
    default_power_limit_w: float | None = None
    graphics_clock_max_hz: float | None = None
    memory_clock_max_hz: float | None = None


@frozen
class Environment:
    """A snapshot of hardware and software; None where the machine does not report it.

    Attributes:
        platform: operating system and its version.
        python: version of Python.
        package_version: version of this package.
        cpu_model: name of the processor; None if it is not known.
        cpu_threads: hardware threads of the machine.
        cpu_governor: how the kernel chooses the clock; None if it does not say.
        memory_bytes: of the machine.
        driver_version: of the NVIDIA driver; None without one.
        boards: the GPUs, as NVML reports them.
        cgroup_memory_bytes, cgroup_cpus: limits of the control group (of a container, say); None without one.
        cuda_version: newest CUDA that the driver runs.
        libraries: installed version of each library that can change the figure.
        git_revision: of the working directory, with ``+dirty`` if it has changes.
        container: kind of container, if any.
        variables: environment variable that can change clocks, speed or which GPUs are used → its value, where set;
            launched engines inherit them, servers that ran already have their own.
        image: ``NAME@DIGEST`` of the container image; None outside of containers that a study has started.
        virtual: whether the machine is a virtual one; None if it does not say, and in results of older versions.
    """

    platform: str
    python: str
    package_version: str
    cpu_model: str | None = None
    cpu_threads: int | None = None
    cpu_governor: str | None = None
    memory_bytes: int | None = None
    driver_version: str | None = None
    boards: tuple[Board, ...] = ()
    libraries: Mapping[str, str] = field(factory=dict)
    git_revision: str | None = None
    container: str | None = None
    cgroup_memory_bytes: int | None = None
    cgroup_cpus: float | None = None
    cuda_version: str | None = None
    variables: Mapping[str, str] = field(factory=dict)
    image: str | None = None
    virtual: bool | None = None


@frozen
class Disturbance:
    """What else the machine did during its work.

    Attributes:
        asleep_s: how long it was suspended; None on a system without a clock that counts that time.
        stolen_s: time that the host of a virtual machine gave to others, mean over its processors; None if it does
            not tell.
        others_s: processor time of processes next to the workload, mean over the processors; None if they or the
            workload's cannot be seen.
        workload_s: that of the workload and of this process, mean over the processors; None as ``others_s``, and in
            results of older versions.
        paused_s: the longest time in which this process stood still, where it was watched; None in results of older
            versions.
        stolen_so_far_s: as ``stolen_s``, but since the machine was started: a host that has reported none in all that
            time may report none at all. None as ``stolen_s``, and in results of older versions.
    """

    asleep_s: float | None
    stolen_s: float | None
    others_s: float | None = None
    workload_s: float | None = None
    paused_s: float | None = None
    stolen_so_far_s: float | None = None

    def since(self, earlier: Disturbance) -> Disturbance:
        """What lies between two sums; a longest time is no sum, and is not in it.

        Args:
            earlier: the same, at the begin of the time in question.
        """
        return Disturbance(
            _between(earlier.asleep_s, self.asleep_s),
            _between(earlier.stolen_s, self.stolen_s),
            _between(earlier.others_s, self.others_s),
            _between(earlier.workload_s, self.workload_s),
            stolen_so_far_s=self.stolen_so_far_s,
        )


def _between(earlier_s: float | None, later_s: float | None) -> float | None:
    return None if earlier_s is None or later_s is None else later_s - earlier_s
