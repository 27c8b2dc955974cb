"""A check passes by what was seen: without its source, or with one that says the same for ever, it was not checked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.verdict import Planned, judge
from ai_energy_benchmarks.domain.environment import Disturbance, Environment
from ai_energy_benchmarks.domain.power import Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters
from ai_energy_benchmarks.domain.strangers import StrangerCheck
from ai_energy_benchmarks.domain.verdict import Verdict
from ai_energy_benchmarks.machine import disturbance, hardware
from tests.factories import ENGINE, ENVIRONMENT, GPU, OTHER_GPU, completion, failure, reading, series, step, trial

QUIET = Disturbance(0.0, 0.01, 0.1, 10.0, paused_s=0.0, stolen_so_far_s=3.0)
RESTS = (step("resident idle", reading(energy_j=20)), step("hot idle", reading(energy_j=20)))
MACHINE = evolve(ENVIRONMENT, cpu_governor="performance", virtual=True)
SERVER = ServerCounters(prompt_tokens=50, output_tokens=20, preemptions=0)
# From 20, 40 and 60 s on, 12 s each.
TIMES_S = [10.0 + 0.5 * number for number in range(140)]
GAUGES: dict[Quantity, float] = {
    "power_w": 100.0,
    "temperature_celsius": 60.0,
    "clock_hz": 1.4e9,
    "throttle_reasons": 0.0,
    "power_limit_w": 300.0,
    "performance_state": 0.0,
}


@frozen
class Run:
    """All that a verdict is made of; everything is reported unless a test takes it away."""

    trials: Sequence[Trial]
    samples: Samples
    environment: Environment = MACHINE
    steps: Sequence[Step] = RESTS

    def verdict(self) -> Verdict:
        return judge(
            ending="completed",
            steps=self.steps,
            trials=self.trials,
            summary=summarise(self.trials, self.steps),
            environment=self.environment,
            engine=ENGINE,
            metrics_enabled=True,
            planned=Planned(len(self.trials)),
            gpu=True,
            served=True,
            samples=self.samples,
        )

    def of_trials(self, **changes: object) -> Run:
        return evolve(self, trials=[evolve(each, **changes) for each in self.trials])

    def with_machine(self, machine: Disturbance | None) -> Run:
        return self.of_trials(machine=machine)

    def without(self, quantity: Quantity) -> Run:
        kept = tuple(each for each in self.samples.series if each.quantity != quantity)
        return evolve(self, samples=Samples(kept))

    def showing(self, quantity: Quantity, value: float, until_s: float = 99.0) -> Run:
        """With one gauge that always reports a value, and nothing any more after a time."""
        times_s = [at_s for at_s in TIMES_S if at_s < until_s]
        gauge = series(GPU, quantity, times_s, [value] * len(times_s))
        return evolve(self, samples=Samples((*self.without(quantity).samples.series, gauge)))


def run(count: int = 3) -> Run:
    """A run on a server with one GPU, of which everything is known."""
    trials = []
    for number in range(1, count + 1):
        outcomes = [completion(i, sent_s=20.0 * number + i) for i in range(5)]
        energy_j = (1200.0, 1201.0, 1200.5)[number - 1]
        whole = trial(number, reading(energy_j=energy_j), outcomes=outcomes, duration_s=12.0)
        assert whole.measurement is not None
        seen = evolve(whole.measurement, strangers=(StrangerCheck(GPU.id),))
        client = ClientLoad(1, 0.1, 0.001)
        trials.append(evolve(whole, measurement=seen, client=client, server=SERVER, machine=QUIET))
    counter_s = [10.0 + 0.025 * number for number in range(2800)]  # two readings in each tick of 50 ms
    gauges: list[Series] = [series(GPU, name, TIMES_S, [value] * len(TIMES_S)) for name, value in GAUGES.items()]
    gauges.append(series(GPU, "energy_j", counter_s, [5.0 * (number // 2) for number in range(2800)]))
    return Run(trials, Samples(tuple(gauges)))


def with_other_gpu(whole: Run) -> Run:
    """Next to a GPU that does not count, and of whose rest nothing is known."""
    trials = []
    for each in whole.trials:
        assert each.measurement is not None
        readings = (*each.measurement.readings, reading(OTHER_GPU, 900.0, counted=False))
        trials.append(evolve(each, measurement=evolve(each.measurement, readings=readings)))
    return evolve(whole, trials=trials)


def without_list(whole: Run) -> Run:
    """Of a meter that has no list of processes."""
    trials = []
    for each in whole.trials:
        assert each.measurement is not None
        trials.append(evolve(each, measurement=evolve(each.measurement, strangers=())))
    return evolve(whole, trials=trials)


def with_failures(whole: Run) -> Run:
    """With a failed request in each trial, whose tokens the server counts and no answer has."""
    trials = [evolve(each, outcomes=[*each.outcomes[:4], failure(4)]) for each in whole.trials]
    return evolve(whole, trials=trials)


NOT_CHECKED: list[tuple[str, str, Callable[[Run], Run]]] = [
    # The machine.
    (
        "steal time",
        "has reported no steal time",
        lambda r: r.with_machine(evolve(QUIET, stolen_s=0.0, stolen_so_far_s=0.0)),
    ),
    ("steal time", "does not count", lambda r: r.with_machine(evolve(QUIET, stolen_s=None, stolen_so_far_s=None))),
    ("steal time", "went backwards", lambda r: r.with_machine(evolve(QUIET, stolen_s=-0.5))),
    (
        "steal time",
        "not known whether",
        lambda r: evolve(
            r.with_machine(evolve(QUIET, stolen_s=0.0, stolen_so_far_s=0.0)),
            environment=evolve(r.environment, virtual=None),
        ),
    ),
    ("steal time", "nothing is stored", lambda r: r.with_machine(None)),
    ("machine suspended", "no clock", lambda r: r.with_machine(evolve(QUIET, asleep_s=None))),
    ("pause", "not watched", lambda r: r.with_machine(evolve(QUIET, paused_s=None))),
    ("other work", "cannot be seen", lambda r: r.with_machine(evolve(QUIET, others_s=None, workload_s=None))),
    ("other work", "less than the workload", lambda r: r.with_machine(evolve(QUIET, others_s=-9.0, workload_s=9.0))),
    ("cpu governor", "does not report", lambda r: evolve(r, environment=evolve(r.environment, cpu_governor=None))),
    # The server and its client.
    ("client event loop", "too short", lambda r: r.of_trials(client=ClientLoad(1, 0.1, None))),
    ("token counts", "no counter", lambda r: r.of_trials(server=None)),
    ("token counts", "that failed", with_failures),
    ("preemptions", "does not report", lambda r: r.of_trials(server=evolve(SERVER, preemptions=None))),
    # The GPU.
    ("throttling", "reports it", lambda r: r.without("throttle_reasons")),
    ("throttling", "does not report a hardware slowdown", lambda r: r.showing("supported_throttle_reasons", 0x64)),
    ("throttling", "no readings cover", lambda r: r.showing("throttle_reasons", 0.0, until_s=45.0)),
    (
        "throttling",
        "have never moved",
        lambda r: r.without("throttle_reasons").showing("thermal_violation_s", 0.0),
    ),
    ("temperature", "reports it", lambda r: r.without("temperature_celsius")),
    ("temperature", "only 0", lambda r: r.showing("temperature_celsius", 0.0)),
    ("temperature", "no readings cover all of trial 3", lambda r: r.showing("temperature_celsius", 60.0, until_s=35.0)),
    ("temperature", "two complete trials", lambda _: run(1)),
    ("clocks", "reports it", lambda r: r.without("clock_hz")),
    ("clocks", "only 0", lambda r: r.showing("clock_hz", 0.0)),
    ("clocks", "no readings cover", lambda r: r.showing("clock_hz", 1.4e9, until_s=35.0)),
    ("power limit", "reports it", lambda r: r.without("power_limit_w")),
    ("power limit", "only 0", lambda r: r.showing("power_limit_w", 0.0)),
    ("power limit", "no readings cover", lambda r: r.showing("power_limit_w", 300.0, until_s=35.0)),
    ("performance state", "reports it", lambda r: r.without("performance_state")),
    ("performance state", "does not know it", lambda r: r.showing("performance_state", 32.0)),
    ("edge readings", "did not move", lambda r: r.showing("energy_j", 5.0)),
    ("counter against power", "no series", lambda r: r.without("energy_j")),
    ("counter against power", "no power", lambda r: r.without("power_w")),
    ("counter against power", "no power", lambda r: r.showing("power_w", 0.0)),
    ("foreign process", "no list", without_list),
    ("counted GPU idle", "neither its utilization", lambda r: evolve(r, steps=())),
    ("other devices", "neither its utilization", with_other_gpu),
    # Its energy.
    ("idle share", "no resident idle", lambda r: evolve(r, steps=())),
    ("idle change", "before the trials and one after", lambda r: evolve(r, steps=r.steps[:1])),
    ("first trial", "3 trials", lambda _: run(2)),
]


@pytest.mark.parametrize(("check", "why", "taken"), NOT_CHECKED, ids=[f"{row[0]}: {row[1]}" for row in NOT_CHECKED])
def test_a_check_without_its_source_was_not_made(check: str, why: str, taken: Callable[[Run], Run]) -> None:
    """It has a line with the reason, which is no pass, and the line is the only one of that check."""
    lines = [finding for finding in taken(run()).verdict().findings if finding.check == check]
    unmade = [finding for finding in lines if finding.message.startswith("not checked: ")]
    assert [(finding.level, why in finding.message) for finding in unmade] == [("INFO", True)], lines
    assert "PASS" not in {finding.level for finding in lines}


def test_where_all_is_reported_every_check_is_made() -> None:
    """No line says that something was not checked, and every row of the table takes something away."""
    findings = run().verdict().findings
    assert [finding for finding in findings if "not checked" in finding.message] == []
    passed = {finding.check for finding in findings if finding.level == "PASS"}
    silent_if_good = {"machine suspended", "pause", "cpu governor", "first trial", "counted GPU idle", "other devices"}
    assert {check for check, _, _ in NOT_CHECKED} - silent_if_good <= passed


def test_several_gpus_share_a_line() -> None:
    """Eight GPUs whose driver is silent about the same thing are eight names on one line."""
    whole = run()
    trials = []
    for each in whole.trials:
        assert each.measurement is not None
        both = (*each.measurement.readings, reading(OTHER_GPU, 900.0))
        trials.append(evolve(each, measurement=evolve(each.measurement, readings=both)))
    (line,) = [
        each
        for each in evolve(whole, trials=trials).verdict().findings
        if each.check == "power limit" and each.level == "INFO"
    ]
    assert OTHER_GPU.label in line.message
    assert GPU.label not in line.message.replace(OTHER_GPU.label, "")


def test_a_machine_that_is_not_virtual_has_no_host() -> None:
    """Its counter stays 0 for a good reason, so the check passes and says what it saw."""
    whole = run().with_machine(evolve(QUIET, stolen_s=0.0, stolen_so_far_s=0.0))
    real = evolve(whole, environment=evolve(whole.environment, virtual=False))
    (line,) = [each for each in real.verdict().findings if each.check == "steal time"]
    assert (line.level, "not a virtual machine" in line.message) == ("PASS", True)


def test_a_counter_that_ever_moved_is_one_that_the_host_serves() -> None:
    """No steal time in the trials is then known to be none."""
    whole = run().with_machine(evolve(QUIET, stolen_s=0.0, stolen_so_far_s=0.01))
    (line,) = [each for each in whole.verdict().findings if each.check == "steal time"]
    assert (line.level, line.message.startswith("the host gave 0.0%")) == ("PASS", True)


@pytest.mark.parametrize(
    ("files", "virtual"),
    [
        ({"proc/cpuinfo": "flags : fpu hypervisor\n"}, True),
        ({"proc/cpuinfo": "flags : fpu\n"}, False),
        ({"proc/cpuinfo": "flags : fpu\n", "sys/class/dmi/id/sys_vendor": "QEMU\n"}, True),
        ({"proc/cpuinfo": "flags : fpu\n", "sys/class/dmi/id/product_name": "Virtual Machine\n"}, True),
        ({"proc/cpuinfo": "flags : fpu\n", "sys/class/dmi/id/sys_vendor": "Amazon EC2\n"}, False),
        ({"proc/cpuinfo": "Features : fp asimd\n"}, None),
        ({"proc/cpuinfo": "Features : fp asimd\n", "sys/hypervisor/type": "xen\n"}, True),
        ({}, None),
    ],
)
def test_a_machine_is_virtual_real_or_does_not_say(tmp_path: Path, files: dict[str, str], virtual: bool | None) -> None:
    """By the flag of x86, which hypervisors may hide, or by the names in the firmware, which they seldom change."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert hardware.virtual(tmp_path) is virtual


def test_the_sum_since_the_start_is_that_of_the_later_reading(tmp_path: Path) -> None:
    """So that a host that begins to report during a trial is believed."""
    for ticks, name in ((0, "a"), (30, "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stat").write_text(f"cpu 1 0 1 1 0 0 0 {ticks} 0 0\ncpu0 1 0 1 1 0 0 0 {ticks} 0 0\n")
    grown = disturbance.disturbance_so_far(tmp_path / "b").since(disturbance.disturbance_so_far(tmp_path / "a"))
    assert grown.stolen_s == grown.stolen_so_far_s == pytest.approx(30 / os.sysconf("SC_CLK_TCK"))


def test_without_a_clock_of_suspended_time_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows; 0 would claim that the machine stayed awake."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert disturbance.disturbance_so_far().asleep_s is None
