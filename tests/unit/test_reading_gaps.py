"""A time without any reading of a meter is a pause, whatever the client noticed of it."""

from __future__ import annotations

from array import array

from attrs import evolve

from ai_energy_benchmarks.analysis.reading_gaps import gap_findings
from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.domain.power import Device, Samples, Series
from tests.factories import trial

GPU = Device("gpu", "GPU-1", "GPU 0")


def samples(
    step_s: float, until_s: float, gap: tuple[float, float] = (0.0, 0.0), value: float | None = None
) -> Samples:
    """Readings every ``step_s``, none within the gap, each of another value unless one is given."""
    times = [step_s * n for n in range(int(until_s / step_s)) if not gap[0] < step_s * n < gap[1]]
    values = array("d", times if value is None else [value] * len(times))
    return Samples((Series(GPU, "energy_j", "nvml", array("d", times), array("d", times), values),))


def levels(seen: Samples, duration_s: float = 20.0, paused_s: float = 0.0, notes: tuple[str, ...] = ()) -> list[str]:
    machine = Disturbance(0.0, None, paused_s=paused_s)
    window = evolve(trial(1), start_s=0.0, stop_s=duration_s, machine=machine)
    return [each.level for each in gap_findings(seen, [window], notes)]


def test_a_gap_of_seconds_is_a_pause() -> None:
    """FAIL where it is more than 1 % of the trial."""
    assert levels(samples(0.1, 20.0, (5.0, 8.0))) == ["FAIL"]
    assert levels(samples(0.5, 1000.0, (5.0, 9.0)), 1000.0) == ["WARN"]


def test_a_slow_meter_has_no_pause() -> None:
    """Its gaps are long, but all alike; nor has one whose value stands still, of which only the ends are stored."""
    assert levels(samples(0.1, 20.0)) == []
    assert levels(samples(1.5, 60.0), 60.0) == []
    assert levels(samples(0.1, 20.0, (5.0, 8.0), value=7.0)) == []


def test_a_pause_is_reported_once_and_never_from_thinned_readings() -> None:
    """The client's own watch comes first."""
    seen = samples(0.1, 20.0, (5.0, 8.0))
    assert levels(seen, paused_s=3.0) == []
    assert levels(seen, notes=("old readings of GPU-1 were thinned to save memory",)) == []


def test_a_trial_without_a_new_pause_hides_none_of_later_trials() -> None:
    """The first trial's pause is known to the client, the second has none; the third's is found, with its number."""
    windows = [
        evolve(trial(1), start_s=0.0, stop_s=20.0, machine=Disturbance(0.0, None, paused_s=3.0)),
        evolve(trial(2), start_s=20.0, stop_s=40.0),
        evolve(trial(3), start_s=40.0, stop_s=60.0),
    ]
    (found,) = gap_findings(samples(0.1, 60.0, (45.0, 48.0)), windows, ())
    assert "for 3.0 s in trial 3" in found.message
