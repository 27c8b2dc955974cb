"""What the machine did to the trials."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.machine_checks import machine_findings, unchecked_other_work
from ai_energy_benchmarks.domain.environment import Disturbance, Environment
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.machine.cpu_times import machine_times
from ai_energy_benchmarks.machine.disturbance import disturbance_so_far
from ai_energy_benchmarks.runner.watching import OtherWork
from tests.unit.test_metrics_modelled import start_burning

MACHINE = Environment("Linux", "3.11", "0.1.0", cpu_threads=8)


def trial(machine: Disturbance | None, duration_s: float = 10.0) -> Trial:
    return Trial(1, 0.0, duration_s, None, (), machine=machine)


@pytest.mark.parametrize(("stolen_s", "level"), [(0.09, "PASS"), (0.11, "WARN")])
def test_stolen_time_is_a_share_of_the_machines(stolen_s: float, level: str) -> None:
    """Of 10 s, however many processors this process may use."""
    (finding,) = machine_findings(MACHINE, [trial(Disturbance(0.0, stolen_s))])
    assert (finding.level, finding.check) == (level, "steal time")
    assert f"{stolen_s / 10:.1%}" in finding.message


@pytest.mark.parametrize(
    ("others_s", "workload_s", "level"), [(0.04, 0.96, "PASS"), (0.06, 0.94, "WARN"), (-0.01, 0.5, "PASS")]
)
def test_other_work_is_set_against_the_workloads(others_s: float, workload_s: float, level: str) -> None:
    """It is in the figures of every meter of a whole processor, and it slows the workload down."""
    machine = evolve(MACHINE, cpu_threads=128)
    (finding,) = machine_findings(machine, [trial(Disturbance(0.0, None, others_s, workload_s))])
    assert (finding.level, finding.check) == (level, "other work")
    assert f"{max(0.0, others_s):.1%}" in finding.message or others_s < 0


@pytest.mark.parametrize(("others_s", "level"), [(0.24, "WARN"), (0.26, "FAIL"), (0.70, "FAIL")])
def test_much_other_work_fails_a_modelled_figure(others_s: float, level: str) -> None:
    """Above a quarter of the processor time that was used, with what it does to the figure and what to do."""
    machine = evolve(MACHINE, cpu_threads=128)
    seen = [trial(Disturbance(0.0, None, others_s, 1 - others_s))]
    (finding,) = machine_findings(machine, seen, modelled_cpu=True)
    assert (finding.level, finding.check, finding.component) == (level, "other work", "cpu")
    assert "modelled energy grows" in finding.message
    assert "fix: close other programs" in finding.message
    (measured,) = machine_findings(machine, seen)
    assert measured.level == "WARN"
    assert "their energy is in the figure of the CPU too" in measured.message


def test_other_work_is_never_more_than_all() -> None:
    """The kernel adds up the machine's time in other steps than that of processes, which die with theirs unread."""
    (finding,) = machine_findings(MACHINE, [trial(Disturbance(0.0, None, 11.03))])
    assert "100.0% of this machine's" in finding.message
    (finding,) = machine_findings(MACHINE, [trial(Disturbance(0.0, None, 11.03, -0.5))])
    assert "100.0% of" in finding.message


def test_other_work_on_a_large_machine_is_not_lost_in_it() -> None:
    """Of 224 threads the workload uses 2 and strangers 10: five sixths of the work, not 4.5 %."""
    machine = evolve(MACHINE, cpu_threads=224)
    (finding,) = machine_findings(machine, [trial(Disturbance(0.0, None, 10 / 224 * 10, 2 / 224 * 10))])
    assert finding.level == "WARN"
    assert "83.3%" in finding.message


def test_the_services_of_a_quiet_machine_are_no_other_work() -> None:
    """A server that waits for its GPU uses as little of the processor as they do."""
    (finding,) = machine_findings(MACHINE, [trial(Disturbance(0.0, None, 0.05 / 8 * 10, 0.1 / 8 * 10))])
    assert finding.level == "PASS"
    assert "0.05 processors" in finding.message


def test_without_the_number_of_processors_none_is_called_quiet() -> None:
    """A share of 0.6 % of the machine may be many processors of a large one; against the workload's it is a half."""
    seen = [trial(Disturbance(0.0, None, 0.06, 0.06))]
    (unknown,) = machine_findings(evolve(MACHINE, cpu_threads=None), seen)
    assert unknown.level == "WARN"
    assert "50.0%" in unknown.message
    assert [each.level for each in machine_findings(evolve(MACHINE, cpu_threads=8), seen)] == ["PASS"]
    assert [each.level for each in machine_findings(evolve(MACHINE, cpu_threads=32), seen)] == ["WARN"]


def test_a_trial_that_does_not_know_the_work_of_others_says_nothing_of_it() -> None:
    """Neither is its own work set against that of others in another trial: 1 s of 10 s is others', and of 5 s used."""
    silent, seen = Disturbance(0.0, None, None, 400.0), Disturbance(0.0, None, 1.0, 4.0)
    (finding,) = machine_findings(MACHINE, [trial(silent), trial(seen)])
    assert finding.level == "WARN"
    assert "20.0% of the processor time that was used" in finding.message
    (older,) = machine_findings(MACHINE, [trial(silent), trial(Disturbance(0.0, None, 1.0))])
    assert "10.0% of this machine's processor time" in older.message
    assert list(machine_findings(MACHINE, [trial(silent)])) == []


@pytest.mark.parametrize(("others_s", "level"), [(0.49, "PASS"), (0.51, "WARN")])
def test_older_results_know_other_work_as_a_share_of_the_machine(others_s: float, level: str) -> None:
    """They do not have the workload's."""
    (finding,) = machine_findings(MACHINE, [trial(Disturbance(0.0, None, others_s))])
    assert (finding.level, finding.check) == (level, "other work")
    assert f"{others_s / 10:.1%} of this machine's" in finding.message


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")
def test_the_work_of_the_workload_is_not_that_of_others() -> None:
    """What a child of ours works for half a second is in the machine's time, and not in that of others."""
    child = start_burning(0.5)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        watched = OtherWork([os.getpid()])
        machine_s, before = machine_times().work_s, watched.disturbance()
        child.stdin.write("go\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"
        grown = watched.disturbance().since(before)
        others_s = grown.others_s
        machine_s = machine_times().work_s - machine_s
    finally:
        child.communicate("\n")
    assert others_s is not None
    assert others_s * (os.cpu_count() or 1) <= machine_s - 0.5 + 0.1
    assert (grown.workload_s or 0.0) * (os.cpu_count() or 1) >= 0.5 - 0.05
    assert OtherWork(()).disturbance().others_s is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")
def test_the_time_of_a_server_that_died_is_not_that_of_others() -> None:
    """It goes with its process; the window in which that happened says nothing of others, the next one does."""
    code = "import time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\ninput()"
    script = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {code!r}]).pid, flush=True); input()"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert starter.stdin is not None
    assert starter.stdout is not None
    server_pid = int(starter.stdout.readline())
    assert starter.stdout.readline() == "done\n"
    watched = OtherWork([server_pid])
    before = watched.disturbance()
    os.kill(server_pid, signal.SIGKILL)
    starter.stdin.close()  # so that it ends too, and whoever takes its child over removes it
    starter.wait()
    while Path(f"/proc/{server_pid}").exists():
        time.sleep(0.01)
    after = watched.disturbance()
    assert (after.since(before).others_s, after.since(before).workload_s) == (None, None)
    again = watched.disturbance()
    assert watched.disturbance().since(again).others_s is not None


def test_a_machine_that_slept_fails() -> None:
    """The clock of the windows stood still, the meters did not."""
    findings = list(machine_findings(MACHINE, [trial(Disturbance(12.5, 0.0))]))
    assert [(each.level, each.check) for each in findings] == [("FAIL", "machine suspended")]
    assert "12.5 s" in findings[0].message


@pytest.mark.parametrize("seen", [trial(None), trial(Disturbance(0.0, None)), trial(Disturbance(0.0, 0.01), 0.2)])
def test_what_cannot_be_told_has_no_line(seen: Trial) -> None:
    """Nobody looked, the machine does not tell, the trial is shorter than the kernel's step allows."""
    assert list(machine_findings(MACHINE, [seen])) == []


@pytest.mark.parametrize(
    ("durations_s", "others_s", "words"),
    [
        ((0.2, 0.3), 0.01, "not checked: the trials last 0.5 s together"),
        ((0.2, 0.3), None, "fix: measure longer trials"),
        ((5.0, 5.0), None, "not checked: the processor time of the workload's processes could not be read"),
        ((0.5, 0.6), 0.01, None),
    ],
)
def test_other_work_that_was_not_checked_warns(
    durations_s: tuple[float, float], others_s: float | None, words: str | None
) -> None:
    """Short trials, or a lost reading, are no sign of a quiet machine; 1 s in all is enough to check it."""
    trials = [trial(Disturbance(0.0, None, others_s), each) for each in durations_s]
    found = list(unchecked_other_work(trials))
    assert [(each.level, each.check, each.component) for each in found] == [("WARN", "other work", "cpu")][
        : bool(words)
    ]
    assert words is None or words in found[0].message
    assert [each.check for each in machine_findings(MACHINE, trials)] == ([] if words else ["other work"])


def test_trials_that_were_not_watched_are_no_unchecked_ones() -> None:
    """As in results of older versions."""
    assert list(unchecked_other_work([trial(None)])) == []


def test_a_governor_that_follows_the_load_is_told() -> None:
    """As a fact, not a fault."""
    (finding,) = machine_findings(evolve(MACHINE, cpu_governor="powersave"), [])
    assert (finding.level, finding.check) == ("INFO", "cpu governor")


def test_sums_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    """Steal is the eighth figure, in hundredths of a second, of all the processors listed after the sum."""
    proc, stat, processors = (
        tmp_path,
        tmp_path / "stat",
        "cpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 1 2 3 4 5 6 7 8 0 0\nintr 5 0\n",
    )
    stat.write_text(f"cpu  10 20 30 40 50 60 70 800 0 0\n{processors}")
    earlier = disturbance_so_far(proc)
    stat.write_text(f"cpu  10 20 30 40 50 60 70 850 0 0\n{processors}")
    assert disturbance_so_far(proc).since(earlier).stolen_s == pytest.approx(0.25)
    assert disturbance_so_far(tmp_path / "missing").stolen_s is None
    assert disturbance_so_far().asleep_s > -0.001  # two clocks, read one after the other
