"""What the total of a pass adds up, and when there is none."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import CPU, DRAM, GPU, reading, trial

MODELLED = {"provenance": "modelled", "meter": "modelled"}


def mixed() -> list[Trial]:
    """Three trials: a measured GPU and memory, a modelled CPU whose figure scatters."""
    return [
        trial(i, reading(GPU, 100), reading(CPU, 40 + i, 3, **MODELLED), reading(DRAM, 5, provenance="integrated"))
        for i in range(1, 4)
    ]


def test_a_total_of_measured_components_has_no_modelled_part():
    """100 J of the GPU and 5 J of memory are 105 J; the modelled CPU is named as left out, with the reason."""
    summary = summarise(mixed(), [])
    assert summary.total is not None
    assert (summary.total.energy_j, summary.total.provenance) == (105, "integrated")
    assert summary.total_components == ("gpu", "dram")
    assert "modelled" in summary.total_excludes["cpu"]
    assert summary.total_absent is None


def test_a_total_of_modelled_parts_says_so():
    """Where nothing is measured, the total is the model's, and its method is modelled."""
    summary = summarise([trial(1, reading(CPU, 40, **MODELLED))], [])
    assert summary.total is not None
    assert (summary.total.energy_j, summary.total.provenance) == (40, "modelled")
    assert summary.total_excludes == {}


def test_a_modelled_figure_has_scatter_and_no_interval():
    """Neither trials nor the window's edges bound a model's error; the scatter over trials stays."""
    by_name = {each.component: each.per_output_token_j for each in summarise(mixed(), []).components}
    cpu, gpu = by_name["cpu"], by_name["gpu"]
    assert cpu is not None
    assert gpu is not None
    assert (cpu.half_width, cpu.half_width_with_gain) == (None, None)
    assert (cpu.n, cpu.standard_deviation) == (3, pytest.approx(1 / 20))
    assert gpu.half_width is not None
    total = summarise([trial(i, reading(CPU, 40 + i, 3, **MODELLED)) for i in (1, 2)], []).total
    assert total is not None
    assert total.per_output_token_j is not None
    assert total.per_output_token_j.half_width is None


def test_there_is_no_total_without_a_component_that_the_workload_uses():
    """A CPU's energy alone would pass for that of a model on a GPU; the reason is the meter's."""
    seen = trial(1, reading(CPU, 40), absent={"gpu": "nvml: no driver"})
    summary = summarise([seen], [], required=("gpu",))
    assert summary.total is None
    assert summary.total_absent == "GPU energy is missing: nvml: no driver"
    assert summary.total_components == ()
    assert summarise([seen], []).total is not None


def test_a_gpu_that_was_lost_in_one_trial_leaves_no_total():
    """It was seen at work in the first trial, so the rest is not the sum."""
    lost = trial(2, reading(CPU, 10), absent={"gpu": "nvml: fell off the bus"})
    summary = summarise([trial(1, reading(GPU), reading(CPU, 10)), lost], [])
    assert (summary.total, summary.total_absent) == (None, "GPU energy is missing: nvml: fell off the bus")


def test_a_processor_that_was_lost_in_one_trial_is_left_out_of_the_total():
    """That of the GPU remains, which is the headline; that the CPU is missing fails in the verdict."""
    lost = trial(2, reading(GPU), absent={"cpu": "rapl: gone"})
    summary = summarise([trial(1, reading(GPU), reading(CPU, 10)), lost], [])
    assert summary.total is not None
    assert (summary.total_components, summary.total.energy_j) == (("gpu",), 100.0)
    assert summary.absent["cpu"] == "rapl: gone"


def test_nothing_measured_is_no_total_with_its_reason():
    """No component, no total."""
    summary = summarise([], [])
    assert (summary.total, summary.total_absent) == (None, "no meter saw the energy of any component")
