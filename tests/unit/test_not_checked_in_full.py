"""The lines of checks that were not made, whole, and in which situation each of them is written."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.unchecked import unchecked_findings
from ai_energy_benchmarks.domain.power import Device, Reading, Samples
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.verdict import Finding, Level
from tests.factories import CPU, DRAM, ENVIRONMENT, GPU, OTHER_GPU, measurement, reading, series, step
from tests.unit.test_not_checked import RESTS, TIMES_S, Run, run, without_list

NEITHER = "neither its utilization nor its power at rest is known"
NO_REST = "its power at rest is not known"
OURS, OTHER = "Test board 0 (GPU-0)", "Test board 1 (GPU-1)"


def made(*checks: str) -> list[Finding]:
    return [Finding("PASS", check, "made") for check in checks]


# Of a server with one GPU, when all else is known.
ALL_MADE = made("token counts", "preemptions", "counter against power", "foreign process")


def lines(whole: Run, found: Sequence[Finding] = ALL_MADE, *, metrics_enabled: bool = True) -> list[tuple[str, str]]:
    """Check and reason of each; which component it is about follows from the check."""
    summary = summarise(whole.trials, whole.steps)
    unmade = list(
        unchecked_findings(
            found,
            environment=whole.environment,
            trials=whole.trials,
            steps=whole.steps,
            summary=summary,
            samples=whole.samples,
            metrics_enabled=metrics_enabled,
        )
    )
    levels: set[Level] = {each.level for each in unmade}
    assert levels <= {"INFO"}
    assert all(each.message.startswith("not checked: ") for each in unmade)
    of_gpu = {"counter against power", "foreign process", "counted GPU idle", "other devices"}
    assert {each.check for each in unmade if each.component == "gpu"} >= of_gpu & {each.check for each in unmade}
    return [(each.check, each.message.removeprefix("not checked: ")) for each in unmade]


def reading_of(whole: Run, *readings: Reading) -> Run:
    """With further readings in each trial."""
    trials = []
    for each in whole.trials:
        assert each.measurement is not None
        more = evolve(each.measurement, readings=(*each.measurement.readings, *readings))
        trials.append(evolve(each, measurement=more))
    return evolve(whole, trials=trials)


def changed(whole: Run, number: int, **fields: object) -> Run:
    """With one trial that differs."""
    trials: list[Trial] = [
        evolve(each, **fields) if each.number == number else each  # type: ignore[arg-type] # fields of a trial
        for each in whole.trials
    ]
    return evolve(whole, trials=trials)


def test_where_all_is_known_nothing_is_unmade() -> None:
    """And without trials there is nothing to check."""
    assert lines(run()) == []
    assert lines(evolve(run(), trials=[], environment=ENVIRONMENT), []) == []


EVENT_LOOP = ("client event loop", "the trials are too short for one look at it")
NO_COUNTER = ("token counts", "the server has no counter of output tokens, or restarted")
FAILED = ("token counts", "the server's counter of output tokens also holds those of requests that failed")
PREEMPTIONS = ("preemptions", "the server does not report how many requests it preempted")
LOAD = ("server load", "the server does not report how many requests it runs")
SILENT = ClientLoad(1, 0.1, None)


def steady(whole: Run) -> SteadyWindow:
    first = whole.trials[0]
    return SteadyWindow(first.start_s, first.stop_s, 2, measurement(reading()))


def test_what_a_server_did_not_show() -> None:
    """Each line unless its check was made; one trial that shows something is enough."""
    whole = run()
    none = whole.of_trials(server=None)
    gpus = made("counter against power", "foreign process")
    assert lines(whole, gpus) == [FAILED, PREEMPTIONS]
    assert lines(none, gpus) == [NO_COUNTER, PREEMPTIONS]
    assert lines(whole.of_trials(server=ServerCounters(preemptions=0)), gpus) == [NO_COUNTER, PREEMPTIONS]
    for number in (1, 3):
        assert lines(changed(none, number, server=whole.trials[0].server), gpus) == [FAILED, PREEMPTIONS]
    assert lines(none, [*gpus, *made("preemptions")]) == [NO_COUNTER]
    assert lines(none, [*gpus, *made("token counts")]) == [PREEMPTIONS]
    assert lines(whole.of_trials(client=SILENT)) == [EVENT_LOOP]
    assert lines(whole.of_trials(client=SILENT), [*ALL_MADE, *made("client event loop")]) == []
    assert lines(changed(whole, 1, client=SILENT)) == lines(changed(whole, 3, client=SILENT)) == []
    # An engine in process has no server, also where one of the trials is of a server.
    assert lines(none.of_trials(client=None), gpus) == []
    mixed = changed(changed(changed(whole, 1, client=SILENT), 2, client=None), 3, client=None)
    assert lines(mixed) == [EVENT_LOOP]


def test_the_load_of_a_server_matters_to_a_steady_state() -> None:
    """One trial that has one is enough."""
    whole = run()
    for number in (1, 3):
        assert lines(changed(whole, number, steady=steady(whole))) == [LOAD]
    assert lines(changed(whole, 1, steady=steady(whole)), [*ALL_MADE, *made("server load")]) == []


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_trials_repeat_too_little(count: int) -> None:
    """Of what was made nothing is said; partial trials do not count; without meters there is nothing to repeat."""
    why = f"n = {count}, and it takes 3 trials"
    few = run(count)
    of_changes = {"temperature", "clocks"}  # of which those of one GPU need two trials
    assert [each for each in lines(few) if each[0] not in of_changes] == [
        ("first trial", why),
        ("outliers", why),
        ("trend", why),
    ]
    assert ("trend", why) not in lines(few, [*ALL_MADE, *made("trend")])
    assert ("outliers", why) in lines(few, [*ALL_MADE, *made("trend")])
    assert lines(few, metrics_enabled=False) == []
    three = run()
    for number in range(count + 1, 4):
        three = changed(three, number, complete=False)
    assert ("trend", why) in lines(three)


def test_no_whole_trial_repeats_nothing() -> None:
    """Then other lines say what is missing."""
    checks = {check for check, _ in lines(run().of_trials(complete=False))}
    assert not checks & {"first trial", "outliers", "trend"}


@pytest.mark.parametrize("device", [GPU, CPU, DRAM], ids=lambda device: device.component)
def test_energy_without_a_rest_has_no_share_at_idle(device: Device) -> None:
    """Of each component that was measured, by name; a model has no power at rest, and 0 J no share."""
    name = device.component.upper()
    share = ("idle share", f"{name}: no resident idle was measured for it")
    change = ("idle change", f"{name}: it takes a resident idle before the trials and one after them")
    checks = {"idle share", "idle change"}

    def of(energy_j: float = 1200.0, steps: Sequence[Step] = (), provenance: str = "measured") -> list[object]:
        seen = reading(device, energy_j, provenance=provenance)  # type: ignore[arg-type] # a provenance
        trials = [evolve(each, measurement=measurement(seen, duration_s=12.0)) for each in run().trials]
        whole = evolve(run(), trials=trials, steps=tuple(steps))
        return [each for each in lines(whole) if each[0] in checks]

    before, after = step("resident idle", reading(device, 20)), step("hot idle", reading(device, 20))
    assert of() == of(energy_j=0.5) == [share, change]
    assert of(energy_j=0.0) == of(energy_j=-2.0) == of(provenance="modelled") == []
    assert of(steps=[before]) == [change]
    assert of(steps=[before, after]) == []


def test_each_component_has_lines_of_its_own() -> None:
    """GPU, CPU and memory in this order, and no line of their total."""
    whole = reading_of(evolve(run(), steps=()), reading(DRAM), reading(CPU))
    found = [reason.partition(":")[0] for check, reason in lines(whole) if check == "idle share"]
    assert found == ["GPU", "CPU", "DRAM"]
    modelled = reading_of(evolve(run(), steps=()), reading(DRAM), reading(CPU, provenance="modelled"))
    found = [reason.partition(":")[0] for check, reason in lines(modelled) if check == "idle share"]
    assert found == ["GPU", "DRAM"]
    rested = evolve(whole, steps=RESTS)
    assert [reason.partition(":")[0] for check, reason in lines(rested) if check == "idle share"] == ["CPU", "DRAM"]


def test_a_run_without_a_gpu_has_no_lines_of_gpus() -> None:
    """Neither of counters nor of lists of processes; nor has one whose GPU does not count."""
    server = made("token counts", "preemptions")
    for other in (reading(CPU, 900.0), reading(GPU, 900.0, counted=False)):
        trials = [evolve(each, measurement=measurement(other, duration_s=12.0)) for each in run().trials]
        checks = {check for check, _ in lines(evolve(run(), trials=trials, samples=Samples()), server)}
        assert not checks & {"counter against power", "foreign process", "counted GPU idle", "other devices"}


def test_without_a_list_of_processes_strangers_are_not_seen() -> None:
    """The line stands until the check was made."""
    whole = without_list(run())
    line = ("foreign process", "the meter has no list of the processes on the GPUs")
    assert lines(whole, made("token counts", "preemptions", "counter against power")) == [line]
    assert lines(whole) == []


NO_SERIES = "no series of an energy counter of the GPUs is stored"
SHORT = "it takes a trial of 10 s"
NO_POWER = "the driver reports no power of the GPUs next to their energy"
NOT_THROUGH = "the readings of the counter or of the power do not last through a trial"


def one_view(whole: Run) -> str:
    """Why the counter was not set against the power."""
    (reason,) = (reason for check, reason in lines(whole, []) if check == "counter against power")
    return reason


def lasting(whole: Run, *durations_s: float) -> Run:
    trials = [evolve(each, stop_s=each.start_s + s) for each, s in zip(whole.trials, durations_s, strict=True)]
    return evolve(whole, trials=trials)


def test_why_the_counter_was_not_set_against_the_power() -> None:
    """The first of four reasons that holds, each at its limit."""
    whole = run()
    empty = evolve(series(GPU, "energy_j"), before_s=array("d"), after_s=array("d"), values=array("d"))
    with_empty = evolve(whole, samples=Samples((*whole.without("energy_j").samples.series, empty)))
    assert one_view(whole) == NOT_THROUGH
    assert one_view(whole.without("energy_j")) == one_view(with_empty) == NO_SERIES
    assert one_view(lasting(whole, 5.0, 9.9, 7.0)) == SHORT
    assert one_view(lasting(whole, 5.0, 10.0, 7.0)) == NOT_THROUGH
    assert one_view(whole.without("power_w")) == one_view(whole.showing("power_w", 0.0)) == NO_POWER
    assert one_view(whole.without("power_w").showing("average_power_w", 90.0)) == NOT_THROUGH
    assert one_view(whole.showing("average_power_w", 0.0)) == NOT_THROUGH
    once = series(GPU, "power_w", TIMES_S[:3], [0.0, 90.0, 0.0])
    assert one_view(evolve(whole, samples=Samples((*whole.without("power_w").samples.series, once)))) == NOT_THROUGH
    # One of two GPUs is enough.
    two = reading_of(whole, reading(OTHER_GPU, 900.0))
    assert one_view(two) == NOT_THROUGH
    assert one_view(two.without("power_w")) == NO_POWER
    assert one_view(two.without("energy_j")) == NO_SERIES


def utilized(whole: Run, device: Device, percent: float, until_s: float = 99.0) -> Run:
    """With the utilization of a GPU."""
    times_s = [at_s for at_s in TIMES_S if at_s < until_s]
    gauge = series(device, "utilization_percent", times_s, [percent] * len(times_s))
    return evolve(whole, samples=Samples((*whole.samples.series, gauge)))


def of_gpus(whole: Run, found: Sequence[Finding] = ALL_MADE) -> list[tuple[str, str]]:
    return [each for each in lines(whole, found) if each[0] in ("counted GPU idle", "other devices")]


def test_a_counted_gpu_may_be_neither_idle_nor_busy() -> None:
    """Where nothing is known of it; its utilization or its rest is enough."""
    restless = evolve(run(), steps=())
    assert of_gpus(restless) == [("counted GPU idle", f"{OURS}: {NEITHER}")]
    assert of_gpus(run()) == of_gpus(utilized(restless, GPU, 90.0)) == []
    two = reading_of(restless, reading(OTHER_GPU, 900.0))
    assert of_gpus(two) == [("counted GPU idle", f"{OURS}, {OTHER}: {NEITHER}")]


def test_another_gpu_may_be_at_rest_or_not() -> None:
    """Where its rest is not known, and no line says how it fared."""
    whole = reading_of(run(), reading(OTHER_GPU, 900.0, counted=False))
    neither, no_rest = ("other devices", f"{OTHER}: {NEITHER}"), ("other devices", f"{OTHER}: {NO_REST}")
    assert of_gpus(whole) == [neither]
    for percent in (0.0, 90.0):
        assert of_gpus(utilized(whole, OTHER_GPU, percent)) == [no_rest]
        assert of_gpus(utilized(whole, OTHER_GPU, percent, until_s=35.0)) == [no_rest]
        assert no_rest in of_gpus(utilized(evolve(whole, steps=()), OTHER_GPU, percent))
    for check, left in (("other devices", []), ("uncounted GPU worked", []), ("throttling", [neither])):
        assert of_gpus(whole, [*ALL_MADE, Finding("PASS", check, f"{OTHER} drew 75 W")]) == left
    assert of_gpus(whole, [*ALL_MADE, Finding("PASS", "other devices", "GPU-7 drew 75 W")]) == [neither]


def test_a_second_meter_of_the_same_gpus_has_no_line() -> None:
    """It never counts, and what it reads is in the lines of the first."""
    second = reading(Device("gpu", "all-boards"), 900.0, meter="codecarbon", counted=False)
    assert of_gpus(reading_of(run(), second)) == []
