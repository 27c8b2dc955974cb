"""Totals, trials, steps, devices and the state of GPUs in the report document, by hand."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.power import Device, Quantity, Samples, Series
from ai_energy_benchmarks.results.document import sections
from ai_energy_benchmarks.results.document.gpus import STATS, gpu_stats, gpu_stats_absent
from tests.factories import (
    CPU,
    ENVIRONMENT,
    GPU,
    OTHER_GPU,
    completion,
    failure,
    reading,
    step,
    trial,
)
from tests.factories import result as result_of


def test_totals_are_sums_and_a_component_is_there_if_every_trial_has_it() -> None:
    """Two trials of 10 and 5 s, with a GPU of 100 and 60 J; the processor's 30 J are in one of them alone."""
    first = trial(1, reading(), reading(CPU, 30.0), outcomes=[completion(0, sent_s=20.0), failure(1)])
    second = trial(2, reading(GPU, 60.0), outcomes=[completion(0, sent_s=40.0)], duration_s=5.0, complete=False)
    assert sections.totals([first, second]) == {
        "trials": 2,
        "requests": 3,
        "failed": 1,
        "duration_s": 15.0,
        "prompt_tokens": 20,
        "output_tokens": 8,
        "token_sources": ["token_ids"],
        "energy_j": {"gpu": 160.0},
    }
    blurred = trial(3, reading(GPU, 60.0, 50.0))
    assert sections.totals([first, blurred])["energy_j"] == {"gpu": None}
    assert sections.totals([])["energy_j"] == {}
    assert sections.totals([first])["energy_j"] == {"cpu": 30.0, "gpu": 100.0}


def test_a_trial_s_row_has_what_was_seen_of_it_and_nothing_else() -> None:
    """Its own counts and times on the clock of the world; loads of client and server only where there are any."""
    first = trial(1, reading(GPU, 60.0), outcomes=[completion(0, sent_s=20.0), failure(1)], complete=False)
    row = {
        "number": 1,
        "complete": False,
        "started_unix_s": 1020.0,
        "duration_s": 10.0,
        "requests": 2,
        "failed": 1,
        "prompt_tokens": 10,
        "output_tokens": 4,
        "energy": {"gpu": {"energy_j": 60.0, "energy_low_j": 59.0, "energy_high_j": 61.0}},
    }
    assert sections.trial_rows([first], None, 1000.0) == {"trials": [row], "trials_left_out": 0}
    (other,) = sections.trial_rows([trial(2, measured=False)], None, 0.0)["trials"]
    assert other["energy"] == {}


@pytest.mark.parametrize(("number", "shown", "left_out"), [(29, 29, 0), (30, 30, 0), (31, 30, 1), (40, 30, 10)])
def test_thirty_trials_have_rows(number: int, shown: int, left_out: int) -> None:
    """The first ones; of the others only the number is given."""
    found = sections.trial_rows([trial(count, outcomes=[]) for count in range(1, number + 1)], None, 0.0)
    assert [row["number"] for row in found["trials"]] == list(range(1, shown + 1))
    assert found["trials_left_out"] == left_out


def test_a_step_has_its_time_and_energy() -> None:
    """On the clock of the world."""
    assert sections.step(step("warmup", reading(CPU, 8.0), start_s=3.0, duration_s=4.0), 100.0) == {
        "name": "warmup",
        "started_unix_s": 103.0,
        "duration_s": 4.0,
        "energy": {"cpu": {"energy_j": 8.0, "energy_low_j": 7.0, "energy_high_j": 9.0}},
    }


def test_devices_have_their_mean_energy_by_meter() -> None:
    """Of the complete trials; two meters of a GPU are two rows; what is not settled once has no bare energy."""
    other = evolve(reading(OTHER_GPU, 50.0, counted=False, meter="zeus", provenance="integrated"), estimator="guarded")
    found = sections.devices(
        [
            trial(1, reading(GPU, 100.0), other),
            trial(2, evolve(reading(GPU, 200.0, 4.0), estimator="exact"), reading(GPU, 7.0, 0.0, meter="zeus")),
            trial(3, reading(GPU, 999.0), complete=False),
        ]
    )
    mean = {"energy_j": 150.0, "energy_low_j": 147.5, "energy_high_j": 152.5}
    assert found[0] == {
        "component": "gpu",
        "id": "GPU-0",
        "label": "Test board 0",
        "meter": "nvml",
        "source": "measured",
        "estimator": "continuous",
        "counted": True,
        **mean,
    }
    assert found[1] == {
        "component": "gpu",
        "id": "GPU-1",
        "label": "Test board 1",
        "meter": "zeus",
        "source": "integrated",
        "estimator": "guarded",
        "counted": False,
        "energy_j": 50.0,
        "energy_low_j": 49.0,
        "energy_high_j": 51.0,
    }
    assert [(row["id"], row["meter"], row["energy_j"]) for row in found[2:]] == [("GPU-0", "zeus", 7.0)]
    assert len(sections.devices([trial(1, measured=False)])) == 0


def gauge(quantity: Quantity, values: list[float], device: Device = GPU, meter: str = "nvml") -> Series:
    """Readings at 1, 2, 3 … s, each of which takes half a second."""
    times_s = array("d", (float(number) for number in range(1, len(values) + 1)))
    ended_s = array("d", (time_s + 0.5 for time_s in times_s))
    return Series(device, quantity, meter, times_s, ended_s, array("d", values))


def of_gauges(*series: Series, stop_s: float = 3.5, boards: tuple[Board, ...] = ()) -> tuple[object, object]:
    """The state of GPUs at the end of trials."""
    trials = [trial(1, reading()), evolve(trial(2, reading()), start_s=0.0, stop_s=stop_s)]
    trials[0] = evolve(trials[0], start_s=0.0, stop_s=0.5)
    found = evolve(result_of(trials, samples=Samples(series)), environment=evolve(ENVIRONMENT, boards=boards))
    return gpu_stats(found), gpu_stats_absent(found)


MIB = 2**20


def test_the_state_of_a_gpu_is_the_last_one_seen_until_the_end_of_the_last_trial() -> None:
    """A reading counts when its call had ended; memory is in MiB, and a share of what the GPU has."""
    series = (
        gauge("power_w", [100.0, 200.0, 300.0, 400.0]),
        gauge("memory_used_bytes", [MIB, 2 * MIB, 3 * MIB, 4 * MIB]),
        gauge("temperature_celsius", [40.0, 50.0, 60.0, 70.0]),
        gauge("utilization_percent", [1.0, 2.0, 3.0, 4.0]),
        gauge("clock_hz", [1.0, 2.0, 3.0, 4.0]),
        gauge("power_w", [9.0], CPU),
    )
    board = Board("GPU-0", 5, "Test", memory_bytes=12 * MIB)
    found, absent = of_gauges(*series, boards=(board,))
    assert found == {
        "gpu_5": {
            "utilization_percent": 3.0,
            "memory_used_mb": 3.0,
            "memory_total_mb": 12.0,
            "memory_percent": 25.0,
            "temperature_c": 60.0,
            "power_draw_w": 300.0,
        }
    }
    assert absent == {"gpu_5": []}
    found, absent = of_gauges(*series, stop_s=0.5)
    assert found["gpu_0"]["power_draw_w"] == 100.0  # type: ignore[index] # a mapping
    assert absent == {"gpu_0": ["memory_total_mb", "memory_percent"]}


def test_the_first_meter_of_a_gauge_leads_and_unknown_gpus_are_counted_on() -> None:
    """GPUs that the machine did not list get the numbers after those that it did; without any value there is none."""
    series = (
        gauge("power_w", [], OTHER_GPU),
        gauge("power_w", [100.0], Device("gpu", "x")),
        gauge("power_w", [1.0], Device("gpu", "x"), meter="zeus"),
        gauge("power_w", [200.0], Device("gpu", "y")),
        gauge("power_w", [300.0]),
        gauge("temperature_celsius", [40.0], Device("gpu", "x")),
    )
    found, absent = of_gauges(*series, boards=(Board("GPU-0", 0, "Test"), Board("GPU-1", 1, "Test")))
    assert isinstance(found, dict)
    assert isinstance(absent, dict)
    assert {name: own["power_draw_w"] for name, own in found.items()} == {
        "gpu_2": 100.0,
        "gpu_3": 200.0,
        "gpu_0": 300.0,
    }
    assert found["gpu_2"]["temperature_c"] == 40.0
    assert absent["gpu_0"] == [key for key in STATS if key != "power_draw_w"]
