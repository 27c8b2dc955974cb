"""The sentences on the energy of each component: whether there is one, how it was made and how well it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.energy_checks import energy_findings
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.power import WorkloadShare
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.summary import ComponentEnergy, SteadyState, Summary
from tests.factories import CPU, DRAM, GPU, measurement, reading, step, trial
from tests.unit.gauges_by_hand import Line, lines
from tests.unit.summary_by_hand import SUMMARY

# These say whether trials repeat each other, and have tests of their own.
REPEATS = {"repeatability", "trend", "outliers", "first trial"}


def energy(
    component: Component = "gpu", low_j: float = 990.0, best_j: float = 1000.0, high_j: float = 1010.0, **more: object
) -> ComponentEnergy:
    """Of a pass of ten seconds."""
    plain = ComponentEnergy(component, "measured", "nvml", Bounds(low_j, best_j, high_j), True, None)
    return evolve(plain, **more)


def found(
    *components: ComponentEnergy,
    trials: Sequence[Trial] = (),
    steps: Sequence[Step] = (),
    absent: Mapping[Component, str] | None = None,
    gpu: bool = False,
    steady: SteadyState | None = None,
) -> list[Line]:
    summary: Summary = evolve(SUMMARY, components=components, total=None, absent=absent or {}, steady=steady)
    seen = lines(energy_findings(summary, trials or [trial(1)], steps, gpu))
    return [each for each in seen if each[1] not in REPEATS]


def resolved(name: str, level: str, rest: str, component: str = "gpu") -> Line:
    return level, "window resolved", f"{name} energy of a pass {rest}", component


GOOD = resolved("GPU", "PASS", "lies in [990, 1,010] J, ±1.0%")
LONGER = "; a longer pass narrows them"
NET = ": its net energy is unreliable"


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (energy(), GOOD),
        (energy(low_j=950.0, high_j=1050.0), resolved("GPU", "PASS", "lies in [950, 1,050] J, ±5.0%")),
        (energy(low_j=940.0, high_j=1042.0), resolved("GPU", "WARN", f"lies in [940, 1,040] J, ±5.1%{LONGER}")),
        (energy("dram", 0.75, 1.0, 1.25, resolved=False),
         resolved("DRAM", "FAIL", f"lies in [0.75, 1.25] J, ±25.0%{LONGER}", "dram")),
        (energy("cpu", resolved=False), resolved("CPU", "FAIL", f"lies in [990, 1,010] J, ±1.0%{LONGER}", "cpu")),
        (energy("cpu", 7.0, 7.0, 7.0), resolved("CPU", "PASS", "lies in [7.000, 7.000] J, ±0.0%", "cpu")),
        (energy(best_j=0.0, low_j=-1.0, high_j=1.0), resolved("GPU", "FAIL", "is 0 J, which is no figure")),
        (energy(best_j=-1.2345, low_j=-2.0, high_j=1.0), resolved("GPU", "FAIL", "is -1.23 J, which is no figure")),
        (energy(best_j=0.5, low_j=0.499, high_j=0.501), resolved("GPU", "PASS", "lies in [0.4990, 0.5010] J, ±0.2%")),
    ],
)  # fmt: skip
def test_bounds_say_how_well_an_energy_is_known(component: ComponentEnergy, expected: Line) -> None:
    """To 5 % of it without a warning; of a figure that is none nothing else is said."""
    assert found(component) == [expected]


def test_a_modelled_energy_is_said_with_what_its_bounds_are_of() -> None:
    """They hold its timing alone; a guess of the watts is said before."""
    cannot = "not measured; it cannot be ranked; fix: measure where a meter works"
    known, guessed = (
        energy("cpu", 990.0, provenance="modelled", meter="cpu_power", guessed=each) for each in (False, True)
    )
    alone = "by its windows' timing alone the model of the CPU energy of a pass lies in [990, 1,010] J"
    assert found(known) == [
        ("WARN", "modelled energy", f"CPU energy is modelled, {cannot}", "cpu"),
        ("PASS", "window resolved", alone, "cpu"),
    ]
    rough = "from a guess of the watts, an order of magnitude"
    assert found(guessed)[0][2] == f"CPU energy is modelled {rough}, {cannot}"
    wide = evolve(known, bounds_j=Bounds(900.0, 1000.0, 1100.0))
    assert found(wide)[1] == ("WARN", "window resolved", f"{alone.replace('990, 1,010', '900, 1,100')}{LONGER}", "cpu")


@pytest.mark.parametrize(
    ("meter", "replayed"), [("replay", True), ("nvml + replay", True), ("replayed", False), ("nvml", False)]
)
def test_a_replayed_energy_is_said(meter: str, replayed: bool) -> None:
    """Also where one of several meters was a file."""
    line = ("WARN", "replayed energy", "GPU energy is played back from a file, not measured in this run", "gpu")
    assert found(energy(meter=meter)) == [*[line] * replayed, GOOD]


@pytest.mark.parametrize(
    ("idle_w", "half_w", "change", "share"),
    [
        # A pass has 1,000 J in 10 s.
        (None, None, None, None),
        (None, 1.5, None, None),
        (12.34, None, None, ("PASS", "12.3 W is 12% of a pass's energy")),
        (50.0, 1.0, ("PASS", "2 W, 2.0%"), ("PASS", "50 W is 50% of a pass's energy")),
        (50.5, 1.03, ("WARN", "2.06 W, 2.1%"), ("WARN", f"50.5 W is 50% of a pass's energy{NET}")),
        (80.0, 12.5, ("WARN", "25 W, 25.0%"), ("WARN", f"80 W is 80% of a pass's energy{NET}")),
        (0.0, 0.0, ("PASS", "0 W, 0.0%"), ("PASS", "0 W is 0% of a pass's energy")),
    ],
)  # fmt: skip
def test_the_idle_power_is_set_against_the_energy_of_a_pass(
    idle_w: float | None, half_w: float | None, change: tuple[str, str] | None, share: tuple[str, str] | None
) -> None:
    """Its change warns above 2 % of it, its part above a half: of a GPU, and is a fact of the rest of a server."""
    for component, name in (("gpu", "GPU"), ("cpu", "CPU"), ("dram", "DRAM"), ("system", "SYSTEM")):
        expected: list[Line] = []
        if change is not None:
            message = f"{name} idle power before and after differs by {change[1]} of a pass's energy"
            expected.append((change[0], "idle change", message, component))
        if share is not None:
            level = "INFO" if share[0] == "WARN" and component != "gpu" else share[0]
            expected.append((level, "idle share", f"{name} idle power of {share[1]}", component))
        seen = found(energy(component, idle_power_w=idle_w, idle_half_difference_w=half_w))  # type: ignore[arg-type] # a component
        assert seen[1:] == expected
    for none in (0.0, -1.0):
        assert len(found(energy(best_j=none, low_j=-2.0, idle_power_w=idle_w, idle_half_difference_w=half_w))) == 1


def test_the_idle_power_of_little_energy_counts_too() -> None:
    """Half a joule of a pass in ten seconds, of which 0.01 W are a fifth."""
    small = energy(low_j=0.49, best_j=0.5, high_j=0.51, idle_power_w=0.01)
    assert found(small)[1] == ("PASS", "idle share", "GPU idle power of 0.01 W is 20% of a pass's energy", "gpu")


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (energy("cpu"), "25.0% [10.0%, 90.0%] of the CPU energy, 250 J of a pass, is the workload's"),
        (energy("cpu", resolved=False), "25.0% [10.0%, 90.0%] of the CPU energy is the workload's"),
        (energy(), "25.0% [10.0%, 90.0%] of the GPU energy, 250 J of a pass, is the workload's"),
        (energy("cpu", 2345.0, 2345.6, 2346.0), "25.0% [10.0%, 90.0%] of the CPU energy, 600 J of a pass, is the "
         "workload's"),
    ],
)  # fmt: skip
def test_the_workload_s_part_is_a_convention(component: ComponentEnergy, said: str) -> None:
    """Of a measured energy, in joules where that is resolved, to two digits of the distance of its bounds."""
    shared = evolve(component, workload_share=WorkloadShare("cpu", Bounds(0.1, 0.25, 0.9)))
    message = f"by processor time {said}; that is a convention, not a measurement"
    assert found(shared)[1:] == [("INFO", "workload share", message, component.component)]


@pytest.mark.parametrize(
    ("share", "part"),
    [(Bounds(0.1, 0.25, 0.9), "600"), (Bounds(0.2, 0.25, 0.3), "590"), (Bounds(0.2499, 0.25, 0.2501), "586.4")],
)
def test_the_workload_s_part_has_as_many_digits_as_its_share_is_known_to(share: Bounds, part: str) -> None:
    """Of 2,345.6 J a quarter, known to 1,900 J, to 230 J and to half a joule."""
    shared = energy("cpu", 2345.0, 2345.6, 2346.0, workload_share=WorkloadShare("cpu", share))
    assert f"of the CPU energy, {part} J of a pass, is the workload's" in found(shared)[1][2]


def test_a_modelled_energy_has_nothing_to_share_out() -> None:
    """The model is of the workload's own time."""
    share = WorkloadShare("cpu", Bounds(0.1, 0.25, 0.9))
    message = "CPU energy is modelled from the workload's own processor time: there is nothing to share out"
    assert found(energy("cpu", provenance="modelled", workload_share=share))[2:] == [
        ("INFO", "workload share", message, "cpu")
    ]


def test_without_any_energy_every_reason_is_given() -> None:
    """And nothing else; a GPU that a run needs is then no line of its own."""
    reasons: dict[Component, str] = {"gpu": "NVML cannot be opened", "cpu": "no RAPL"}
    message = "no meter reported the energy of any component (GPU: NVML cannot be opened; CPU: no RAPL)"
    trials = [trial(1, reading(GPU)), trial(2)]
    for gpu in (False, True):
        assert found(absent=reasons, gpu=gpu, trials=trials) == [("FAIL", "energy", message, None)]


@pytest.mark.parametrize(
    ("absent", "why"), [({"gpu": "it is hidden", "dram": "no RAPL"}, "it is hidden"), ({}, "no meter saw it")]
)
def test_a_gpu_that_the_model_ran_on_and_no_meter_saw_fails(absent: Mapping[Component, str], why: str) -> None:
    """Once, also where a meter saw it in a part of the run; with both ways to mend it."""
    message = (
        f"the model ran on a GPU whose energy is missing: {why}; fix: let a meter see that GPU, or set backend.device: "
        "cpu if the engine runs on a CPU"
    )
    seen = found(energy("cpu"), absent=absent, gpu=True, trials=[trial(1, reading(GPU), reading(CPU))])
    assert seen[0] == ("FAIL", "energy", message, "gpu")
    assert [each[1] for each in seen[1:]] == ["window resolved"]
    assert found(energy(), absent=absent, gpu=True) == [GOOD]


@pytest.mark.parametrize(
    ("trials", "steps", "lost"),
    [
        ([trial(1, reading(CPU), reading(DRAM)), trial(2, reading(CPU))], [], True),
        ([trial(1, reading(CPU)), trial(2, reading(CPU), reading(DRAM))], [], True),
        ([trial(1, reading(CPU)), trial(2, measured=False)], [step("warm-up", reading(DRAM))], True),
        ([trial(1, reading(CPU))], [step("resident idle", reading(DRAM))], True),
        # Before the model was loaded every device counts.
        ([trial(1, reading(CPU))], [step("bare idle", reading(DRAM)), step("load", reading(DRAM))], False),
        ([trial(1, reading(CPU), reading(DRAM, counted=False))], [step("warm-up", reading(CPU))], False),
        ([trial(1, reading(CPU))], [evolve(step("warm-up"), measurement=None)], False),
    ],
)
def test_a_component_that_a_meter_saw_in_a_part_of_the_run_is_lost(
    trials: Sequence[Trial], steps: Sequence[Step], lost: bool
) -> None:
    """In a trial or in a step with the model, if it counted there."""
    message = "DRAM energy is missing, though a meter saw it in a part of the run: it went away"
    absent: dict[Component, str] = {"gpu": "there is none", "dram": "it went away"}
    expected: list[Line] = [("FAIL", "energy", message, "dram")] * lost
    assert found(energy("cpu"), absent=absent, trials=trials, steps=steps)[:-1] == expected


def test_components_come_in_their_order_with_the_steady_state_after_them() -> None:
    """Its bounds are judged as well, but neither its idle power nor the sum of its components."""
    both = energy(idle_power_w=10.0), energy("cpu", 99.0, 100.0, 101.0)
    total = evolve(energy(), component="total")
    state = SteadyState(
        (), 2, 5.0, 100.0, 20.0, (evolve(both[0], bounds_j=Bounds(300.0, 400.0, 500.0)), both[1], total), {}, None, "",
        50.0, 1.0, 1.0, 0.0,
    )  # fmt: skip
    seen = found(both[1], both[0], steady=state, trials=[evolve(trial(1), measurement=measurement())])
    assert [each for each in seen if "idle" not in each[1]] == [
        GOOD,
        resolved("CPU", "PASS", "lies in [99.0, 101.0] J, ±1.0%", "cpu"),
        ("WARN", "window resolved", f"GPU energy of the steady state lies in [300, 500] J, ±25.0%{LONGER}", "gpu"),
        ("PASS", "window resolved", "CPU energy of the steady state lies in [99.0, 101.0] J, ±1.0%", "cpu"),
    ]
    assert [each[1] for each in seen if "idle" in each[1]] == ["idle share"]


def test_trials_are_compared_by_each_component_that_has_a_figure() -> None:
    """The others have no line on how they repeat."""
    trials = [trial(number, reading(CPU), reading(DRAM)) for number in (1, 2, 3)]
    summary = evolve(SUMMARY, components=(energy("cpu"),), total=None, absent={}, steady=None)
    repeats = [each for each in lines(energy_findings(summary, trials, [], False)) if each[1] == "repeatability"]
    assert [each[3] for each in repeats] == ["cpu"]
