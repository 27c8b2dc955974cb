"""The sentences on what the machine did to the trials, each with its level and its situation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.machine_checks import machine_findings, unchecked_machine_findings
from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import ENVIRONMENT
from tests.unit.gauges_by_hand import Line, lines

MACHINE = evolve(ENVIRONMENT, cpu_threads=8, cpu_governor="performance", virtual=True)
# Nothing but what a test is about is known.
BLANK = Disturbance(None, None)


def trials(*machines: Disturbance | None, durations_s: Sequence[float] = (10.0, 30.0, 50.0)) -> list[Trial]:
    """As many as there are machines, of 10, 30 and 50 s."""
    return [
        Trial(number, 0.0, seconds, None, (), machine=machine)
        for number, (seconds, machine) in enumerate(zip(durations_s, machines, strict=False), 1)
    ]


def found(*machines: Disturbance | None, modelled_cpu: bool = False, **environment: object) -> list[Line]:
    there = evolve(MACHINE, **environment)
    return lines(machine_findings(there, trials(*machines), modelled_cpu=modelled_cpu))


@pytest.mark.parametrize(
    ("governor", "said"), [("performance", False), (None, False), ("powersave", True), ("schedutil", True), ("a", True)]
)
def test_a_governor_that_follows_the_load_is_a_fact(governor: str | None, said: bool) -> None:
    """Of the processor; where it is not known nothing is said here."""
    line = ("INFO", "cpu governor", f"the CPU's governor is {governor}: its clocks follow the load", "cpu")
    assert found(cpu_governor=governor) == [line] * said


@pytest.mark.parametrize(("asleep_s", "seconds"), [(0.1, None), (0.125, "0.1"), (90.06, "90.1"), (None, None)])
def test_sleep_of_more_than_a_tenth_of_a_second_fails(asleep_s: float | None, seconds: str | None) -> None:
    """In each trial by itself; clocks are read one after the other."""
    failed = ("FAIL", "machine suspended", f"the machine slept for {seconds} s in trial 2", None)
    assert found(Disturbance(0.0, None), Disturbance(asleep_s, None)) == [failed] * (seconds is not None)
    if seconds is not None:
        both = found(Disturbance(asleep_s, None), None) + found(None, Disturbance(asleep_s, None))
        assert [each[2][-1] for each in both] == ["1", "2"]


@pytest.mark.parametrize(
    ("first_s", "second_s", "expected"),
    [
        (1.0, 1.0, []),
        (1.0625, 0.0, [("FAIL", "1.1", 1)]),
        (None, 1.0625, [("FAIL", "1.1", 2)]),
        (2.5, 1.25, [("FAIL", "2.5", 1), ("FAIL", "1.2", 2)]),
        (0.0, None, []),
    ],
)
def test_a_pause_of_more_than_a_second_is_said(
    first_s: float | None, second_s: float | None, expected: list[tuple[str, str, int]]
) -> None:
    """Of each trial; of trials below 100 s it is always more than 1 %."""
    assert found(evolve(BLANK, paused_s=first_s), evolve(BLANK, paused_s=second_s)) == [
        (level, "pause", paused(seconds, number), None) for level, seconds, number in expected
    ]


def paused(seconds: str, number: int) -> str:
    return (
        f"this process stood still for {seconds} s in trial {number} (stopped, frozen with its container, or without a "
        "processor), and the energy of that time is in the figures"
    )


@pytest.mark.parametrize(("duration_s", "level"), [(199.0, "FAIL"), (200.0, "WARN"), (201.0, "WARN")])
def test_a_pause_of_a_hundredth_of_a_trial_is_a_warning(duration_s: float, level: str) -> None:
    """Of 2 s."""
    seen = trials(evolve(BLANK, paused_s=2.0), durations_s=(duration_s,))
    assert lines(machine_findings(MACHINE, seen)) == [(level, "pause", paused("2.0", 1), None)]


def stolen(share: str) -> str:
    return f"the host gave {share} of this machine's processor time to others during the trials"


REAL = "this is not a virtual machine, and the kernel counted no processor time as given to others"
BACKWARDS = "the counter of steal time went backwards, as after a move to another host"
UNCOUNTED = "this system does not count the time that a host gives to others"
SILENT = "the host of this virtual machine has reported no steal time since it was started, and may report none"
UNKNOWN = "no steal time was counted, and it is not known whether this is a virtual machine whose host reports it"


@pytest.mark.parametrize(
    ("stolen_s", "ever_s", "virtual", "level", "message"),
    [
        # Of 10 and 30 s; the second trial's is all there is of its own in the last rows.
        ((0.1, 0.3), (0.1, 0.4), True, "PASS", stolen("1.0%")),
        ((0.1, 0.34), (0.1, 0.4), True, "WARN", stolen("1.1%")),
        ((0.5, 0.0), (0.5, 0.5), True, "WARN", stolen("1.2%")),
        ((0.0, 0.0), (0.0, 0.01), True, "PASS", stolen("0.0%")),
        ((0.0, 0.0), (0.25, None), True, "PASS", stolen("0.0%")),
        ((0.0, 0.0), (0.0, 0.0), False, "PASS", REAL),
        ((0.0, 0.0), (None, None), False, "PASS", REAL),
        ((0.1, 0.1), (0.1, 0.2), False, "PASS", stolen("0.5%")),
        ((0.1, 0.1), (None, None), None, "PASS", stolen("0.5%")),
        ((0.0, 0.0), (0.0, 0.0), True, None, SILENT),
        ((0.0, 0.0), (None, None), True, None, SILENT),
        ((0.0, 0.0), (0.0, 0.0), None, None, UNKNOWN),
        ((0.1, -0.5), (0.1, 0.0), True, None, BACKWARDS),
        ((0.1, -0.5), (0.1, 0.0), False, None, BACKWARDS),
        ((None, None), (None, None), True, None, UNCOUNTED),
        ((None, None), (None, None), False, None, UNCOUNTED),
        ((0.2, None), (0.1, None), True, "WARN", stolen("2.0%")),
        ((None, 0.3), (None, None), True, "PASS", stolen("1.0%")),
    ],
)  # fmt: skip
def test_steal_time_is_a_share_of_the_trials_that_know_it(
    stolen_s: Sequence[float | None],
    ever_s: Sequence[float | None],
    virtual: bool | None,
    level: str | None,
    message: str,
) -> None:
    """Or it was not checked, for a reason; always one of the two."""
    pairs = zip(stolen_s, ever_s, strict=True)
    seen = [evolve(BLANK, stolen_s=part_s, stolen_so_far_s=so_far_s) for part_s, so_far_s in pairs]
    expected = [] if level is None else [(level, "steal time", message, None)]
    assert found(*seen, virtual=virtual) == found(*seen, None, virtual=virtual) == expected
    there = evolve(MACHINE, virtual=virtual)
    unmade = [each for each in lines(unchecked_machine_findings(there, trials(*seen, None))) if each[1] == "steal time"]
    assert unmade == ([] if level is not None else [("INFO", "steal time", f"not checked: {message}", None)])


@pytest.mark.parametrize(
    ("durations_s", "known", "message"),
    [
        ((0.25, 0.5), (True, True), "the trials last 0.75 s together, and the kernel's steps of 10 ms need 1 s"),
        ((0.25, 0.75), (True, True), None),
        ((0.75, 30.0), (True, False), "the trials last 31 s together, and the kernel's steps of 10 ms need 1 s"),
        ((0.25, 1.0), (False, True), None),
    ],
)
def test_steal_time_needs_a_second_of_trials(
    durations_s: Sequence[float], known: Sequence[bool], message: str | None
) -> None:
    """Of those that know it."""
    seen = trials(*(Disturbance(0.0, 0.01 if each else None) for each in known), durations_s=durations_s)
    unmade = [each for each in lines(unchecked_machine_findings(MACHINE, seen)) if each[1] == "steal time"]
    assert unmade == ([] if message is None else [("INFO", "steal time", f"not checked: {message}", None)])
    made = [each for each in lines(machine_findings(MACHINE, seen)) if each[1] == "steal time"]
    assert (made == []) is (message is not None)


def work(others_s: float | None, workload_s: float | None = None) -> Disturbance:
    """Seconds of processor time, mean over the processors."""
    return evolve(BLANK, others_s=others_s, workload_s=workload_s)


MEASURED = "their energy is in the figure of the CPU too; fix: close other programs and run again"
MODELLED = (
    "the workload waits for processors, and the modelled energy grows with that, by a factor if it is much; fix: close "
    "other programs, or measure when the machine is at rest, and run again"
)


def took(share: str) -> str:
    return f"processes other than the workload's took {share} of the processor time that was used during the trials"


def of_all(share: str) -> str:
    return f"processes other than the workload's took {share} of this machine's processor time during the trials"


@pytest.mark.parametrize(
    ("machines", "threads", "modelled", "level", "message"),
    [
        # 40 s of trials; 1 s of others next to 19 s of work are 5 %, and on eight processors 0.2 of one.
        ((work(0.25, 10.0), work(0.75, 9.0)), 8, False, "PASS", took("5.0%")),
        ((work(0.25, 10.0), work(0.75, 8.0)), 8, False, "WARN", f"{took('5.3%')}: {MEASURED}"),
        ((work(0.25, 10.0), work(0.75, 8.0)), 8, True, "WARN", f"{took('5.3%')}: {MODELLED}"),
        ((work(0.25, 10.0), work(0.75, 8.0)), None, False, "WARN", f"{took('5.3%')}: {MEASURED}"),
        ((work(1.0, 2.0), work(1.0, 4.0)), 8, True, "WARN", f"{took('25.0%')}: {MODELLED}"),
        ((work(1.0, 2.0), work(1.0, 3.5)), 8, True, "FAIL", f"{took('26.7%')}: {MODELLED}"),
        # 0.5 s of others in 40 s on eight processors keep 0.1 of one busy, a little less 0.097.
        ((work(0.25, 1.0), work(0.25, 1.0)), 8, False, "WARN", f"{took('20.0%')}: {MEASURED}"),
        ((work(0.25, 1.0), work(0.234375, 1.0)), 8, False, "PASS",
         f"{took('19.5%')}, but kept only 0.10 processors busy"),
        ((work(0.125, 1.0), work(0.125, 1.0)), 8, True, "PASS", f"{took('11.1%')}, but kept only 0.05 processors busy"),
        ((work(0.125, 1.0), work(0.125, 1.0)), None, True, "WARN", f"{took('11.1%')}: {MODELLED}"),
        ((work(0.125, 2.0), work(0.125, 2.75)), 8, False, "PASS", took("5.0%")),
        # Below 5 % that is not said, however few processors they are.
        ((work(0.125, 30.0), work(0.125, 30.0)), 8, False, "PASS", took("0.4%")),
        # Older results, and work of nothing: a share of the machine.
        ((work(1.0), work(1.0)), 8, False, "PASS", of_all("5.0%")),
        ((work(1.0), work(1.5)), 8, False, "WARN", f"{of_all('6.2%')}: {MEASURED}"),
        ((work(1.0, 0.0), work(1.5, 0.0)), 8, True, "WARN", f"{of_all('6.2%')}: {MODELLED}"),
        # Only trials that know the work of others; here 1 s of 10 s, next to 3 s.
        ((work(1.0, 3.0), work(None, 90.0)), 8, False, "WARN", f"{took('25.0%')}: {MEASURED}"),
        ((work(1.0, 3.0), None), 8, False, "WARN", f"{took('25.0%')}: {MEASURED}"),
        # Counted in other ways, the rest may be a little below nothing; the machine never had more than all of it.
        ((work(-0.25, 10.0), work(-0.5, 10.0)), 8, False, "PASS", took("0.0%")),
        ((work(50.0), work(1.0)), 8, False, "WARN", f"{of_all('100.0%')}: {MEASURED}"),
    ],
)  # fmt: skip
def test_other_work_is_set_against_that_of_the_workload(
    machines: Sequence[Disturbance | None], threads: int | None, modelled: bool, level: str, message: str
) -> None:
    """A line about the processor, which is never missing where the work is known."""
    assert found(*machines, cpu_threads=threads, modelled_cpu=modelled) == [(level, "other work", message, "cpu")]


FEWER = "the kernel's count of the machine's processor time holds less than the workload alone used"
UNSEEN = "the processes of the engine, or those of this machine, cannot be seen from here"


@pytest.mark.parametrize(
    ("machines", "why"),
    [
        # A quarter of the workload's time is what two ways to count may be apart.
        ((work(-1.0, 8.0), work(-1.0, 0.0)), None),
        ((work(-1.0, 8.0), work(-1.125, 0.0)), FEWER),
        ((work(-9.0, 9.0), work(8.0, 0.0)), None),
        ((work(-9.0), work(-2.0, 10.0)), None),
        ((work(-9.0), work(-3.0, 10.0)), FEWER),
        ((work(None, 9.0), work(None)), UNSEEN),
        ((work(None, 9.0), work(0.5, 9.0)), None),
    ],
)
def test_other_work_that_cannot_be_known_was_not_checked(machines: Sequence[Disturbance], why: str | None) -> None:
    """Where the machine's counter stays behind the workload's, as in gVisor, or nothing is seen."""
    unmade = [each for each in lines(unchecked_machine_findings(MACHINE, trials(*machines))) if each[1] == "other work"]
    assert unmade == ([] if why is None else [("INFO", "other work", f"not checked: {why}", "cpu")])
    assert [each[1] for each in found(*machines)] == (["other work"] if why is None else [])
