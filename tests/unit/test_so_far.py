"""What is known while a run goes on: sums over complete trials, and the power of the last one."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.so_far import ComponentSoFar, SoFar, energies_of, mean_power_w
from ai_energy_benchmarks.analysis.windows import window_energy
from ai_energy_benchmarks.domain.power import Reading, WindowEdges
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import CPU, DRAM, completion, failure, measurement, reading, trial


def after(*trials: Trial) -> SoFar:
    """Sums over these."""
    so_far = SoFar()
    for each in trials:
        so_far.add(each)
    return so_far


def gpu(so_far: SoFar) -> ComponentSoFar:
    return next(part for part in so_far.components() if part.component == "gpu")


def test_before_the_first_trial_nothing_is_known() -> None:
    """Nor after one that was cut short."""
    for so_far in (after(), after(trial(1, reading(), complete=False))):
        assert (so_far.trials, so_far.output_tokens, so_far.last_tokens_per_s, so_far.components()) == (0, 0, None, ())


def test_tokens_of_fillers_count_and_those_of_failures_do_not() -> None:
    """20 of the pass and 7 of a filler in 10 s, then 20 in 8 s: 100 J and 135 J for 47 tokens."""
    fillers = (completion(5, output_tokens=7), failure(6))
    first = evolve(trial(1, reading(energy_j=100.0)), fillers=fillers)
    so_far = after(first)
    assert (so_far.trials, so_far.output_tokens, so_far.last_tokens_per_s) == (1, 27, 2.7)
    assert gpu(so_far) == ComponentSoFar("gpu", "measured", 10.0, 100.0 / 27)
    so_far.add(trial(2, reading(energy_j=135.0), duration_s=8.0))
    assert (so_far.trials, so_far.output_tokens, so_far.last_tokens_per_s) == (2, 47, 2.5)
    assert gpu(so_far) == ComponentSoFar("gpu", "measured", 135.0 / 8, 5.0)


def test_a_trial_of_no_length_has_no_rate_and_no_power() -> None:
    """Its tokens and its energy count all the same."""
    so_far = after(trial(1, reading(energy_j=100.0), duration_s=0.0))
    assert so_far.last_tokens_per_s is None
    assert gpu(so_far) == ComponentSoFar("gpu", "measured", None, 5.0)
    short = after(trial(1, reading(energy_j=100.0), duration_s=0.5))
    assert short.last_tokens_per_s == 40.0
    assert gpu(short).power_w == 200.0


def test_a_pass_without_tokens_has_power_alone() -> None:
    """A single token is enough for a figure."""
    silent = after(trial(1, reading(energy_j=100.0), outcomes=[failure()]))
    assert (silent.last_tokens_per_s, gpu(silent)) == (0.0, ComponentSoFar("gpu", "measured", 10.0, None))
    one = after(trial(1, reading(energy_j=100.0), outcomes=[completion(output_tokens=1)]))
    assert gpu(one).j_per_output_token == 100.0


def test_the_sum_over_trials_may_be_resolved_where_a_trial_is_not() -> None:
    """±30 J of 100 J and ±2 J of 100 J are ±16 %; the power is that of the last trial alone."""
    wide, narrow = (trial(number, reading(half_width_j=width)) for number, width in ((1, 30.0), (2, 2.0)))
    assert gpu(after(wide)) == ComponentSoFar("gpu", "measured", None, None)
    assert gpu(after(wide, narrow)) == ComponentSoFar("gpu", "measured", 10.0, 5.0)
    assert gpu(after(narrow, wide)) == ComponentSoFar("gpu", "measured", None, 5.0)


def test_an_unsettled_window_has_no_figure() -> None:
    """A rest next to the last window was none."""
    loose = evolve(reading(), edges=WindowEdges("unsettled", 0.1, 5.0, 0.0))
    assert gpu(after(trial(1, loose))) == ComponentSoFar("gpu", "measured", None, None)


def test_components_are_those_of_the_last_trial() -> None:
    """Each has its own energies, in the order of components; one that an earlier trial lacks has no sum."""
    cpu = reading(CPU, 40.0, meter="cpu_power", provenance="modelled")
    both = after(trial(1, cpu, reading()), trial(2, cpu, reading(energy_j=300.0)))
    assert both.components() == (
        ComponentSoFar("gpu", "measured", 30.0, 10.0),
        ComponentSoFar("cpu", "modelled", 4.0, 2.0),
    )
    assert after(trial(1, cpu, reading()), trial(2, reading())).components() == (
        ComponentSoFar("gpu", "measured", 10.0, 5.0),
    )
    late = after(trial(1, reading()), trial(2, cpu, reading()))
    assert late.components()[1] == ComponentSoFar("cpu", "modelled", 4.0, None)
    assert after(trial(1, measured=False)).components() == ()


def test_only_readings_that_count_have_an_energy() -> None:
    """A board that the workload does not use is no component of it."""
    seen = measurement(reading(counted=False), reading(CPU, 40.0), reading(DRAM, 7.0), reading(DRAM, 8.0))
    assert [(name, energy.energy_j) for name, energy in energies_of(seen)] == [("cpu", 40.0), ("dram", 15.0)]
    assert list(energies_of(None)) == []


@pytest.mark.parametrize(
    ("of", "seconds", "power_w"),
    [(reading(energy_j=90.0), 30.0, 3.0), (reading(energy_j=90.0), 0.0, None), (reading(half_width_j=21.0), 10.0, None),
     (reading(half_width_j=20.0), 10.0, 10.0)],
)  # fmt: skip
def test_mean_power_is_energy_over_time(of: Reading, seconds: float, power_w: float | None) -> None:
    """None in no time, without a window, or where the energy is not resolved."""
    assert mean_power_w(window_energy([of]), measurement(of, duration_s=seconds)) == power_w
    assert mean_power_w(window_energy([of]), None) is None
