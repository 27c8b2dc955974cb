"""What is said of a machine whose sources reported nothing: one line for each check, and why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.machine_checks import unchecked_machine_findings, unchecked_other_work
from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import ENVIRONMENT
from tests.unit.gauges_by_hand import Line, lines

MACHINE = evolve(ENVIRONMENT, cpu_threads=8, cpu_governor="performance", virtual=True)
KNOWN = Disturbance(0.0, 0.0, 1.0, 9.0, 0.0, 0.5)


def trials(*machines: Disturbance | None, durations_s: Sequence[float] = (10.0, 30.0)) -> list[Trial]:
    return [
        Trial(number, 0.0, seconds, None, (), machine=machine)
        for number, (seconds, machine) in enumerate(zip(durations_s, machines, strict=False), 1)
    ]


def info(check: str, why: str, component: str | None = None) -> Line:
    return "INFO", check, f"not checked: {why}", component


STORED = "nothing is stored of what the machine did during the trials"
CLOCK = info("machine suspended", "this system has no clock that counts suspended time")
PAUSES = info("pause", "pauses of this process were not watched")
PROCESSES = info("other work", "the processes of the engine, or those of this machine, cannot be seen from here", "cpu")
STEAL = info("steal time", "this system does not count the time that a host gives to others")


@pytest.mark.parametrize(
    ("machines", "expected"),
    [
        ((KNOWN, KNOWN), []),
        # One trial that knows it is enough.
        ((KNOWN, Disturbance(None, None)), []),
        ((KNOWN, None), []),
        ((Disturbance(None, None), None), [CLOCK, PAUSES, STEAL, PROCESSES]),
        ((evolve(KNOWN, asleep_s=None), evolve(KNOWN, asleep_s=None)), [CLOCK]),
        ((evolve(KNOWN, paused_s=None), evolve(KNOWN, paused_s=None)), [PAUSES]),
        ((evolve(KNOWN, stolen_s=None), evolve(KNOWN, stolen_s=None)), [STEAL]),
        ((evolve(KNOWN, others_s=None), evolve(KNOWN, others_s=None)), [PROCESSES]),
        (
            (None, None),
            [
                info("machine suspended", STORED),
                info("pause", STORED),
                info("steal time", STORED),
                info("other work", STORED, "cpu"),
            ],
        ),
        ((), []),
    ],
)
def test_each_check_without_a_source_has_its_line(machines: Sequence[Disturbance | None], expected: list[Line]) -> None:
    """And without trials none needed any."""
    assert lines(unchecked_machine_findings(MACHINE, trials(*machines))) == expected


def test_a_governor_that_the_kernel_does_not_report_was_not_checked() -> None:
    """With or without trials."""
    line = info("cpu governor", "the kernel does not report how the clocks of the CPU are chosen, as in most virtual "
                "machines", "cpu")  # fmt: skip
    unknown = evolve(MACHINE, cpu_governor=None)
    assert lines(unchecked_machine_findings(unknown, [])) == [line]
    assert lines(unchecked_machine_findings(unknown, trials(KNOWN, KNOWN))) == [line]
    assert lines(unchecked_machine_findings(evolve(MACHINE, cpu_governor="powersave"), [])) == []


LOST = (
    "not checked: the processor time of the workload's processes could not be read, or some ended during the trials; "
    "fix: keep the engine's processes running through every trial, and run again"
)


def short(seconds: str) -> str:
    return (
        f"not checked: the trials last {seconds} s together, and the kernel's steps of 10 ms need 1 s; fix: measure "
        "longer trials: raise scenario.num_samples or the output tokens"
    )


@pytest.mark.parametrize(
    ("durations_s", "others_s", "message"),
    [
        ((0.25, 0.5), (0.01, 0.01), short("0.75")),
        ((0.25, 0.5), (None, None), short("0.75")),
        ((0.25, 0.75), (0.01, 0.01), None),
        ((0.25, 0.75), (None, None), LOST),
        # A second of which three quarters are not known.
        ((0.25, 0.75), (0.01, None), LOST),
        ((0.25, 30.0), (None, 0.01), None),
        ((30.0, 40.0), (None, None), LOST),
    ],
)
def test_a_workload_whose_processes_are_known_warns_where_other_work_is_not(
    durations_s: Sequence[float], others_s: Sequence[float | None], message: str | None
) -> None:
    """For the length of the trials, or for a reading that is missing."""
    seen = trials(*(evolve(KNOWN, others_s=part_s) for part_s in others_s), durations_s=durations_s)
    warned = [] if message is None else [("WARN", "other work", message, "cpu")]
    assert lines(unchecked_other_work(seen)) == warned
    assert lines(unchecked_other_work([*seen, Trial(3, 0.0, 90.0, None, ())])) == warned
    assert lines(unchecked_other_work(trials(None, None))) == []
