"""What the machine did to the trials: sleep, time given to other guests, clocks that follow the load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ai_energy_benchmarks.domain.environment import Disturbance, Environment
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.verdict import Finding, Level, not_checked

# The kernel reports stolen time in steps of 10 ms, so that shorter trials prove nothing.
_SHORTEST_S = 1.0
STOLEN = 0.01
OTHERS = 0.05
# A model bills the time of the workload's threads, which grows when others hold the processors that they wait for.
MOST_OTHERS_OF_A_MODEL = 0.25
# What the services of a machine at rest need; its energy is far below what the meters of a processor resolve.
FEW_PROCESSORS = 0.1
# Both are counted in different ways; beyond this part of the workload's time, one of them counts nothing.
_FEWER = 0.25
# Jitter between two clocks is far below this, any sleep far above.
_ASLEEP_S = 0.1
# A machine that is merely busy delays a process by less.
PAUSE_S, PAUSE_SHARE = 1.0, 0.01


def machine_findings(
    environment: Environment, trials: Sequence[Trial], *, modelled_cpu: bool = False
) -> Iterator[Finding]:
    """All findings on the machine.

    Args:
        modelled_cpu: whether the energy of the processors is modelled.
    """
    governor = environment.cpu_governor
    if governor not in (None, "performance"):
        yield Finding("INFO", "cpu governor", f"the CPU's governor is {governor}: its clocks follow the load", "cpu")
    for trial in trials:
        asleep_s = trial.machine.asleep_s if trial.machine is not None else None
        if asleep_s is not None and asleep_s > _ASLEEP_S:
            message = f"the machine slept for {asleep_s:.1f} s in trial {trial.number}"
            yield Finding("FAIL", "machine suspended", message)
    yield from _paused(trials)
    yield from _stolen(environment, trials)
    yield from _others(environment, trials, modelled_cpu)


def _paused(trials: Sequence[Trial]) -> Iterator[Finding]:
    """The meters count on while no request is sent and none is read."""
    for trial in trials:
        paused_s = trial.machine.paused_s if trial.machine is not None else None
        if paused_s is None or paused_s <= PAUSE_S:
            continue
        message = (
            f"this process stood still for {paused_s:.1f} s in trial {trial.number} (stopped, frozen with its "
            "container, or without a processor), and the energy of that time is in the figures"
        )
        yield Finding("FAIL" if paused_s > PAUSE_SHARE * trial.duration_s else "WARN", "pause", message)


def _stolen(environment: Environment, trials: Sequence[Trial]) -> Iterator[Finding]:
    if _steal_unknown(environment, trials) is None:
        share = _share([(seconds, machine.stolen_s) for seconds, machine in _watched(trials)])
        assert share is not None  # else it is unknown
        message = f"the host gave {share:.1%} of this machine's processor time to others during the trials"
        if not share and environment.virtual is False:
            message = "this is not a virtual machine, and the kernel counted no processor time as given to others"
        yield Finding("WARN" if share > STOLEN else "PASS", "steal time", message)


def _steal_unknown(environment: Environment, trials: Sequence[Trial]) -> str | None:
    """Why the time that the host took is not known; None if it is.

    A guest sees steal time only where its host hands it over (KVM_FEATURE_STEAL_TIME in the kernel's documentation of
    KVM; Hyper-V and gVisor do not), and the counter then stays 0 for ever.
    """
    watched = _watched(trials)
    stolen = [(seconds, machine.stolen_s) for seconds, machine in watched]
    share = _share(stolen)
    if all(part_s is None for _, part_s in stolen):
        return "this system does not count the time that a host gives to others"
    if share is None:
        whole_s = add_up(seconds for seconds, _ in stolen)
        return f"the trials last {whole_s:.2g} s together, and the kernel's steps of 10 ms need {_SHORTEST_S:g} s"
    if share < 0:
        return "the counter of steal time went backwards, as after a move to another host"
    ever_s = max(machine.stolen_so_far_s or 0.0 for _, machine in watched)
    if share > 0 or ever_s > 0 or environment.virtual is False:
        return None
    if environment.virtual:
        return "the host of this virtual machine has reported no steal time since it was started, and may report none"
    return "no steal time was counted, and it is not known whether this is a virtual machine whose host reports it"


def _others(environment: Environment, trials: Sequence[Trial], modelled_cpu: bool) -> Iterator[Finding]:
    """Against the work of the workload: on a large machine both are small parts of the whole."""
    machines = [machine for _, machine in _watched(trials)]
    share = _share([(seconds, machine.others_s) for seconds, machine in _watched(trials)])
    if share is None:
        return
    share = min(max(0.0, share), 1.0)  # the kernel reports the machine's time in coarser steps than the workload's
    whole = "this machine's processor time"
    others_s = max(0.0, add_up(each.others_s or 0.0 for each in machines))
    workload_s = add_up(each.workload_s or 0.0 for each in machines if each.others_s is not None)
    if _machine_uncounted(machines):
        return
    busy = None if environment.cpu_threads is None else share * environment.cpu_threads
    if workload_s > 0:  # older results do not have it
        share, whole = others_s / (others_s + workload_s), "the processor time that was used"
    message = f"processes other than the workload's took {share:.1%} of {whole} during the trials"
    if share > OTHERS and busy is not None and busy < FEW_PROCESSORS:
        yield Finding("PASS", "other work", f"{message}, but kept only {busy:.2f} processors busy", "cpu")
    elif share <= OTHERS:
        yield Finding("PASS", "other work", message, "cpu")
    elif modelled_cpu:
        # Measured where others came and went: the same work took up to five times the modelled energy.
        effect = "the workload waits for processors, and the modelled energy grows with that, by a factor if it is much"
        fix = "fix: close other programs, or measure when the machine is at rest, and run again"
        level: Level = "FAIL" if share > MOST_OTHERS_OF_A_MODEL else "WARN"
        yield Finding(level, "other work", f"{message}: {effect}; {fix}", "cpu")
    else:
        # Its energy is in the figure of the processors, not in that of a GPU.
        effect = "their energy is in the figure of the CPU too; fix: close other programs and run again"
        yield Finding("WARN", "other work", f"{message}: {effect}", "cpu")


def _machine_uncounted(machines: Sequence[Disturbance]) -> bool:
    """Whether the machine's counter holds much less than the workload alone used, as in gVisor, where it stays 0."""
    known = [
        (each.others_s, each.workload_s)
        for each in machines
        if each.others_s is not None and each.workload_s is not None
    ]
    return add_up(others_s for others_s, _ in known) < -_FEWER * add_up(workload_s for _, workload_s in known)


def unchecked_machine_findings(environment: Environment, trials: Sequence[Trial]) -> Iterator[Finding]:
    """One line for each check of the machine whose source reported nothing.

    That other work of a workload whose processes are known was not checked has a line of its own
    (``unchecked_other_work``).
    """
    if environment.cpu_governor is None:
        why = "the kernel does not report how the clocks of the CPU are chosen, as in most virtual machines"
        yield not_checked("cpu governor", why, "cpu")
    machines = [machine for _, machine in _watched(trials)]
    if not machines:
        if trials:
            why = "nothing is stored of what the machine did during the trials"
            yield from (not_checked(check, why) for check in ("machine suspended", "pause", "steal time"))
            yield not_checked("other work", why, "cpu")
        return
    if all(each.asleep_s is None for each in machines):
        yield not_checked("machine suspended", "this system has no clock that counts suspended time")
    if all(each.paused_s is None for each in machines):
        yield not_checked("pause", "pauses of this process were not watched")
    if (why_not := _steal_unknown(environment, trials)) is not None:
        yield not_checked("steal time", why_not)
    if all(each.others_s is None for each in machines):
        why = "the processes of the engine, or those of this machine, cannot be seen from here"
        yield not_checked("other work", why, "cpu")
    elif _machine_uncounted(machines):
        why = "the kernel's count of the machine's processor time holds less than the workload alone used"
        yield not_checked("other work", why, "cpu")


def unchecked_other_work(trials: Sequence[Trial]) -> Iterator[Finding]:
    """That nothing is known of other work, for a run whose own processes are known on this machine.

    The run keeps it with its findings, as stored trials do not show whether the processes were known.
    """
    parts = [(seconds, machine.others_s) for seconds, machine in _watched(trials)]
    if not parts or _share(parts) is not None:
        return
    whole_s = add_up(seconds for seconds, _ in parts)
    if whole_s >= _SHORTEST_S:
        why = "the processor time of the workload's processes could not be read, or some ended during the trials"
        fix = "keep the engine's processes running through every trial, and run again"
    else:
        why = f"the trials last {whole_s:.2g} s together, and the kernel's steps of 10 ms need {_SHORTEST_S:g} s"
        fix = "measure longer trials: raise scenario.num_samples or the output tokens"
    yield Finding("WARN", "other work", f"not checked: {why}; fix: {fix}", "cpu")


def _watched(trials: Sequence[Trial]) -> list[tuple[float, Disturbance]]:
    """Seconds and what the machine did, of the trials that it was watched in."""
    return [(trial.duration_s, trial.machine) for trial in trials if trial.machine is not None]


def _share(told: Sequence[tuple[float, float | None]]) -> float | None:
    """Part of the whole time, of the trials that tell it; None where they are too short."""
    whole_s = add_up(seconds for seconds, part_s in told if part_s is not None)
    return add_up(part_s for _, part_s in told if part_s is not None) / whole_s if whole_s >= _SHORTEST_S else None
