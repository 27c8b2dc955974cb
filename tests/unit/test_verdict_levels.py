"""One level for each component: what is wrong with the CPU's figure is not wrong with the GPU's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding, Level, Verdict
from ai_energy_benchmarks.metrics.combined import CombinedCollector
from ai_energy_benchmarks.reporters.aienergyscore import AIEnergyScoreReporter, gpu_summary
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.testing import FakeClock, FakeCollector, Journal
from tests.factories import CPU, DRAM, GPU, completion, measurement, reading, result, step, trial, verdict

IDLE = step("resident idle", reading(GPU, 20), reading(CPU, 90), reading(DRAM, 92))


def host(cpu_half_width_j: float = 1.0, **cpu: str) -> list[Trial]:
    """Five sound trials of a GPU server; the keywords are of its CPU's readings."""
    return [
        trial(i, reading(GPU), reading(CPU, half_width_j=cpu_half_width_j, **cpu), reading(DRAM))  # type: ignore[arg-type] # keys under test
        for i in range(1, 6)
    ]


def test_a_modelled_cpu_does_not_mark_down_a_measured_gpu() -> None:
    """The headline is the GPU's, the report lists the CPU's WARN next to it."""
    judged = verdict(host(provenance="modelled", meter="modelled"), gpu=True)
    assert judged.headline == "gpu"
    assert judged.level == "PASS"
    assert judged.levels == {"gpu": "PASS", "cpu": "WARN", "dram": "PASS"}


def test_a_cpu_run_is_judged_by_its_cpu() -> None:
    """Where no GPU works the modelled CPU is the headline, and stays a WARN."""
    trials = [trial(i, reading(CPU, provenance="modelled", meter="modelled"), reading(DRAM)) for i in range(1, 6)]
    judged = verdict(trials)
    assert (judged.headline, judged.level) == ("cpu", "WARN")
    assert judged.levels == {"cpu": "WARN", "dram": "PASS"}


@pytest.mark.parametrize(("component", "level"), [("cpu", "PASS"), ("gpu", "FAIL"), (None, "FAIL")])
def test_a_finding_counts_for_its_component_or_for_all(component: Component | None, level: Level) -> None:
    """A failure of the CPU's figure leaves the GPU's alone; one of the whole run is everybody's."""
    judged = verdict(host(), gpu=True, extra=[Finding("FAIL", "test", "broken", component)])
    assert judged.level == judged.levels["gpu"] == level
    assert judged.levels["cpu"] == ("PASS" if component == "gpu" else "FAIL")


def test_a_missing_gpu_is_still_the_headline() -> None:
    """A model that ran on a GPU whose energy is missing does not pass by its CPU."""
    judged = verdict([trial(i, reading(CPU)) for i in range(1, 6)], gpu=True)
    assert (judged.headline, judged.level, judged.levels["cpu"]) == ("gpu", "FAIL", "PASS")


def test_a_gpu_that_was_lost_is_the_headline() -> None:
    """What a meter saw in a part of the run should have a figure."""
    trials = [trial(1, reading(GPU), reading(CPU)), trial(2, reading(CPU), absent={"gpu": "it fell off the bus"})]
    assert (verdict(trials).headline, verdict(trials).level) == ("gpu", "FAIL")


def test_a_gpu_of_which_something_fails_is_the_headline() -> None:
    """One that worked and is not counted, say: its failure must not hide behind the CPU's figure."""
    failed = Finding("FAIL", "uncounted GPU worked", "it worked", "gpu")
    judged = verdict([trial(i, reading(CPU)) for i in range(1, 6)], extra=[failed])
    assert (judged.headline, judged.level) == ("gpu", "FAIL")


def test_a_gpu_lost_before_the_first_trial_fails() -> None:
    """A meter that saw it at rest or in the warm-up, and in no trial, is no reason to forget it."""
    trials = [trial(i, reading(CPU), absent={"gpu": "it fell off the bus"}) for i in range(1, 6)]
    judged = verdict(trials, [step("warm-up", reading(GPU), reading(CPU))])
    assert (judged.headline, judged.level) == ("gpu", "FAIL")
    assert verdict(trials).level == "PASS"


def test_without_meters_there_is_no_headline() -> None:
    """Then every finding counts."""
    judged = verdict([trial(i) for i in range(1, 6)], metrics_enabled=False)
    assert (judged.headline, judged.level, judged.levels) == (None, "PASS", {})
    assert Verdict((Finding("FAIL", "test", "broken", "gpu"),)).level == "FAIL"


def test_idle_share_is_a_fact_outside_gpus() -> None:
    """Packages and memory at rest draw most of what they draw at work; of a GPU it is a WARN."""
    judged = verdict(host(), [IDLE], gpu=True)
    levels = {each.component: each.level for each in judged.findings if each.check == "idle share"}
    assert levels == {"gpu": "PASS", "cpu": "INFO", "dram": "INFO"}
    assert set(judged.levels.values()) == {"PASS"}


def test_a_note_on_one_component_counts_for_it_alone() -> None:
    """What a meter of the CPU reports of a window does not reach the GPU."""
    of_cpu = measurement(reading(GPU), reading(CPU), component_notes={"cpu": ("it was reset",)})
    outcomes = tuple(completion(i) for i in range(5))
    judged = verdict([Trial(i, 0.0, 10.0, of_cpu, outcomes) for i in range(1, 6)])
    assert judged.levels == {"gpu": "PASS", "cpu": "WARN"}
    (note,) = (each for each in judged.findings if each.check == "window")
    assert note.message.startswith("it was reset (trial 1, 2, 3, 4, 5); fix: ")


def test_all_findings_on_a_component_name_it() -> None:
    """Whatever names GPU, CPU or DRAM first in its message is about that component."""
    modelled = host(9.0, provenance="modelled", meter="modelled")
    for each in verdict(modelled, [IDLE, step("hot idle", reading(GPU, 25), reading(CPU, 80), reading(DRAM))]).findings:
        first = each.message.split()[0].rstrip(":").lower()
        if first in ("gpu", "cpu", "dram"):
            assert each.component == first, each


def test_every_report_carries_the_headline(tmp_path: Path) -> None:
    """The document lists all levels; CSV and AI Energy Score have the headline's, with its reasons only."""
    done = result(host(provenance="modelled", meter="modelled"))
    block = report_document(done)["verdict"]
    assert (block["level"], block["headline"]) == ("PASS", "gpu")
    assert block["components"] == {"gpu": "PASS", "cpu": "WARN", "dram": "PASS"}
    assert {"level": "WARN", "component": "cpu"}.items() <= block["findings"][0].items()
    row = result_row(done)
    assert (row["verdict"], row["verdict_reasons"]) == ("PASS", "")
    assert gpu_summary(done)["verdict"] == "PASS"
    AIEnergyScoreReporter(tmp_path).report(done)
    assert json.loads((tmp_path / "GPU_ENERGY_SUMMARY.json").read_text(encoding="utf-8"))["verdict"] == "PASS"


def test_combined_meters_keep_the_notes_of_each_component() -> None:
    """What a meter of one component reports is about that; what one of several reports is about all of them."""
    journal = Journal()
    gpus, cpus = (FakeCollector(journal, FakeClock(journal), component=each) for each in ("gpu", "cpu"))
    both = CombinedCollector((gpus, cpus))
    parts = [
        (gpus, measurement(reading(GPU), notes=("a GPU was lost",))),
        (cpus, measurement(reading(CPU), component_notes={"cpu": ("it was reset", "it was reset")})),
        (both, measurement(notes=("the machine is strange",))),
    ]
    merged = both._merged(0.0, 1.0, parts, {})
    assert merged.component_notes == {"gpu": ("a GPU was lost",), "cpu": ("it was reset",)}
    assert merged.notes == ("the machine is strange",)
