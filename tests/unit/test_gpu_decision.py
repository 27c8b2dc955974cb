"""Which GPUs count after the trials: of which windows, of which meter, and what is said where none does."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.gpu_decision import Decided, decide
from ai_energy_benchmarks.analysis.gpu_use import gpu_uses
from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.power import Device, Measurement, Reading, Samples
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import CPU, DRAM, GPU, OTHER_GPU, measurement, reading, series, step, trial

UNKNOWN = GpuChoice("unknown", why="the driver lists no processes", by_activity=True)
LIMITS = Samples(tuple(series(gpu, "power_limit_w", (0.0,), (700.0,)) for gpu in (GPU, OTHER_GPU)))
FIX = "fix: name the engine's GPUs in backend.device_ids"


def at(gpu: Device, power_w: float, meter: str = "nvml", *, counted: bool = False) -> Reading:
    """What a meter read of a GPU in a window of 10 s."""
    return reading(gpu, 10 * power_w, meter=meter, counted=counted)


def passed(number: int, *readings: Reading, choice: GpuChoice | None = UNKNOWN) -> Trial:
    """A trial whose meters left open which GPUs count, or chose."""
    one = trial(number, *readings, absent={"gpu": "open"} if choice is UNKNOWN else {})
    assert one.measurement is not None
    return evolve(one, measurement=evolve(one.measurement, gpu_choice=choice))


def marks(window: Measurement | None) -> list[tuple[str, str, bool]]:
    """Device, meter and mark of each reading."""
    assert window is not None
    return [(one.device.id, one.meter, one.counted) for one in window.readings]


def gpu_messages(decided: Decided) -> list[str | None]:
    return [one.measurement.absent.get("gpu") if one.measurement else None for one in decided.trials]


def test_gpus_of_the_first_meter_that_saw_one_work_count() -> None:
    """Two meters of the same GPU are not added up, and those of other components stay as they are."""
    readings = (
        at(GPU, 140),
        at(GPU, 650, "zeus"),
        at(OTHER_GPU, 640, "zeus"),
        at(OTHER_GPU, 640),
        at(CPU, 50, counted=True),
    )
    rest = step("resident idle", at(GPU, 140), at(GPU, 140, "zeus"), at(OTHER_GPU, 140, "zeus"), at(OTHER_GPU, 140))
    decided = decide([passed(1, *readings), passed(2, *readings)], [rest], LIMITS)
    zeus = [("GPU-0", "nvml", False), ("GPU-0", "zeus", True), ("GPU-1", "zeus", True), ("GPU-1", "nvml", False)]
    for one in decided.trials:
        assert marks(one.measurement) == [*zeus, ("package-0", "nvml", True)]
        assert one.measurement is not None
        assert one.measurement.gpu_choice == evolve(UNKNOWN, basis="activity")
    (finding,) = decided.findings
    assert (finding.level, finding.check, finding.component) == ("WARN", "GPUs by activity", "gpu")
    assert finding.message == (
        "by activity: Test board 0 (GPU-0), Test board 1 (GPU-1) worked in the trials and rested before; which GPUs "
        f"the engine uses is not known: the driver lists no processes; {FIX}"
    )
    assert gpu_messages(decided) == [None, None]


def test_windows_without_a_gpu_were_not_left_open() -> None:
    """A window with processors alone has no choice of GPUs, before the model is loaded as after it."""
    chosen = GpuChoice("device_ids")
    alone = step("bare idle", at(CPU, 50, counted=True), at(DRAM, 5, counted=True))
    with_gpus = step("load", at(CPU, 50, counted=True), at(GPU, 200, counted=True), at(OTHER_GPU, 90, counted=True))
    last = passed(1, at(CPU, 60, counted=True), at(OTHER_GPU, 300, counted=True), at(GPU, 90), choice=chosen)
    decided = decide([last], [alone, with_gpus], Samples())
    assert decided.steps[0] == alone
    assert marks(decided.steps[1].measurement) == [
        ("package-0", "nvml", True), ("GPU-0", "nvml", False), ("GPU-1", "nvml", True)
    ]  # fmt: skip
    assert decided.steps[1].measurement is not None
    assert decided.steps[1].measurement.gpu_choice == chosen
    assert decided.trials == (last,)


def test_the_meter_of_the_last_trial_s_gpus_is_theirs() -> None:
    """The counted GPU's own, whatever else is counted before it; without one, no GPU of an open window counts."""
    chosen = GpuChoice("processes", ("GPU-0",))
    last = passed(2, at(CPU, 50, "rapl", counted=True), at(GPU, 90, "zeus", counted=True), at(GPU, 90), choice=chosen)
    earlier = passed(1, at(CPU, 50, "rapl", counted=True), at(GPU, 90, "zeus"), at(GPU, 90), at(OTHER_GPU, 90, "zeus"))
    decided = decide([earlier, last], [], Samples())
    assert marks(decided.trials[0].measurement) == [
        ("package-0", "rapl", True), ("GPU-0", "zeus", True), ("GPU-0", "nvml", False), ("GPU-1", "zeus", False)
    ]  # fmt: skip
    assert gpu_messages(decided)[0] is None
    none = passed(2, at(CPU, 50, "", counted=True), at(GPU, 90, ""), choice=chosen)
    open_before = passed(1, at(GPU, 90, "", counted=True))
    assert marks(decide([open_before, none], [], Samples()).trials[0].measurement) == [("GPU-0", "", False)]


def test_the_last_measured_trial_decides() -> None:
    """A trial that was not measured knows nothing, and where none was measured nothing changes."""
    chosen = passed(1, at(GPU, 90, counted=True), choice=GpuChoice("device_ids"))
    unmeasured = trial(2, measured=False)
    loading = step("load", at(GPU, 90, counted=True), at(OTHER_GPU, 90, counted=True))
    decided = decide([chosen, unmeasured], [loading], Samples())
    assert marks(decided.steps[0].measurement) == [("GPU-0", "nvml", True), ("GPU-1", "nvml", False)]
    assert decided.trials[1] == unmeasured
    assert decide([unmeasured], [loading], Samples()) == Decided((unmeasured,), (loading,))
    assert decide([], [loading], Samples()) == Decided((), (loading,))
    no_choice = passed(1, at(GPU, 90, counted=True), choice=None)
    assert decide([no_choice], [loading], Samples()) == Decided((no_choice,), (loading,))


@pytest.mark.parametrize(
    ("readings", "rests", "why"),
    [
        ((at(GPU, 650),), (), "and without a resident idle no GPU is known to have rested before the trials"),
        ((at(GPU, 650), at(OTHER_GPU, 140)), (), "and without a resident idle no GPU is known to have rested before "
         "the trials"),
        ((at(CPU, 650),), (at(CPU, 50),), "and no GPU was read in the trials"),
        ((at(GPU, 145),), (at(GPU, 140),), "and no GPU worked in the trials and rested before"),
    ],
)  # fmt: skip
def test_where_no_gpu_counts_every_open_trial_says_why(
    readings: tuple[Reading, ...], rests: tuple[Reading, ...], why: str
) -> None:
    """With the fix; other reasons stay, and so do trials whose GPUs are known."""
    known = passed(1, at(GPU, 90, counted=True), choice=GpuChoice("device_ids"))
    opened = passed(2, *readings)
    assert opened.measurement is not None
    opened = evolve(opened, measurement=evolve(opened.measurement, absent={"gpu": "open", "dram": "no meter"}))
    steps = [step("resident idle", *rests)] if rests else []
    utilized = Samples((series(OTHER_GPU, "utilization_percent", (40.0, 45.0, 50.0), (0.0, 0.0, 0.0)),))
    decided = decide([known, opened, trial(3, measured=False), passed(4, *readings)], steps, utilized)
    message = f"which GPUs the engine uses is not known: the driver lists no processes, {why}; {FIX}"
    if why == "and no GPU was read in the trials":
        # The first trial has one, which did not work.
        message = message.replace(why, "and no GPU worked in the trials and rested before")
        decided = decide([opened], steps, utilized)
        assert gpu_messages(decided) == [
            f"which GPUs the engine uses is not known: the driver lists no processes, {why}; {FIX}"
        ]
        return
    assert gpu_messages(decided) == [None, message, None, message]
    assert decided.trials[1].measurement is not None
    assert decided.trials[1].measurement.absent["dram"] == "no meter"
    assert decided.trials[0] == known
    assert decided.findings == ()
    assert not any(mark for one in decided.trials[1::2] for *_, mark in marks(one.measurement))


def test_a_step_that_was_not_measured_stays_so() -> None:
    """There is nothing to mark in it."""
    bare = evolve(step("bare idle"), measurement=None)
    last = passed(1, at(GPU, 90, counted=True), choice=GpuChoice("device_ids"))
    assert decide([last], [bare], Samples()).steps == (bare,)


def test_uses_are_those_of_gpus_by_meter_in_the_order_of_the_readings() -> None:
    """Processors are none; each has the power that its own meter read first, and its last limit."""
    readings = (at(CPU, 50, counted=True), at(OTHER_GPU, 90, "zeus"), at(OTHER_GPU, 80), at(OTHER_GPU, 70))
    limits = (
        series(OTHER_GPU, "power_limit_w", (0.0, 1.0, 2.0), (700.0, 600.0, 500.0)),
        series(OTHER_GPU, "power_limit_w", (), (), "zeus"),
    )
    zeus, nvml = gpu_uses([trial(1, *readings), trial(2, *readings)], [], Samples(limits))
    assert [(use.device, use.meter, use.counted) for use in (zeus, nvml)] == [
        (OTHER_GPU, "zeus", False), (OTHER_GPU, "nvml", False)
    ]  # fmt: skip
    assert [[window.power_w for window in use.trials] for use in (zeus, nvml)] == [[90.0, 90.0], [80.0, 80.0]]
    assert (zeus.limit_w, nvml.limit_w) == (None, 500.0)
    assert zeus.name == "Test board 1 (GPU-1)"
    assert evolve(zeus, device=Device("gpu", "GPU-1")).name == "GPU-1"


@pytest.mark.parametrize(
    ("times_s", "values", "mean", "highest"),
    [
        # A trial from 20 s to 30 s, without its first second. Each value lasts until the next reading.
        ((20.0, 30.0), (40.0, 90.0), 40.0, 40.0),
        ((5.0, 24.0, 28.0, 40.0), (10.0, 20.0, 50.0, 99.0), (3 * 10 + 4 * 20 + 2 * 50) / 9, 50.0),
        ((21.5, 25.5, 29.5), (10.0, 20.0, 50.0), (4 * 10 + 4 * 20) / 8, 20.0),
        ((5.0, 6.0, 7.0), (10.0, 20.0, 50.0), None, None),
        ((31.0, 35.0), (10.0, 20.0), None, None),
        ((25.0,), (10.0,), None, None),
    ],
)
def test_utilization_holds_until_the_next_reading(
    times_s: tuple[float, ...], values: tuple[float, ...], mean: float | None, highest: float | None
) -> None:
    """And counts for as long as it held within the window."""
    sampled = series(GPU, "utilization_percent", times_s, values)
    (use,) = gpu_uses([trial(1, at(GPU, 90))], [], Samples((sampled,)))
    assert use.trials[0].mean_percent == (mean if mean is None else pytest.approx(mean, abs=0.01))
    assert use.trials[0].highest_percent == highest


def test_the_noise_of_power_at_rest_is_that_of_the_noisiest_rest() -> None:
    """Two readings are enough for one; readings between rests are of none."""
    power = series(
        GPU, "power_w", (0.0, 5.0, 9.0, 12.0, 40.0, 45.0, 49.0), (50.0, 52.0, 400.0, 400.0, 50.0, 60.0, 300.0)
    )
    rests = [
        step("resident idle", at(GPU, 50), duration_s=9.0),
        step("hot idle", at(GPU, 50), start_s=40.01, duration_s=8.9),
    ]
    (use,) = gpu_uses([trial(1, at(GPU, 90))], rests, Samples((power,)))
    assert use.deviation_w == pytest.approx(50**0.5)
    (use,) = gpu_uses([trial(1, at(GPU, 90))], rests[:1], Samples((power,)))
    assert use.deviation_w == pytest.approx(2**0.5)
    measured = measurement(at(GPU, 50), start_s=0.0, duration_s=4.0)
    (use,) = gpu_uses([trial(1, at(GPU, 90))], [evolve(rests[0], stop_s=4.0, measurement=measured)], Samples((power,)))
    assert use.deviation_w == 0.0
