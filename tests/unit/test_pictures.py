"""The data of a run's pictures: few points, the extremes among them, and the percentiles of the report."""

from __future__ import annotations

import math
from pathlib import Path

import polars
import pytest

from ai_energy_benchmarks.domain.power import Device, Samples
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.pictures import MOST_POINTS, Pictures, load_pictures, pictures, thinned
from ai_energy_benchmarks.results.requests import requests_frame
from ai_energy_benchmarks.results.timeline import timeline_frame
from tests.factories import reading, result, series, step, trial

CPU = Device("cpu", "cpu", "Test processor")


def drawn(samples: Samples = Samples()) -> Pictures:  # noqa: B008 # a frozen value
    """The pictures of a run with two trials and a step of idle."""
    run = result([trial(1, reading()), trial(2, reading())], [step("resident idle", reading())], samples=samples)
    return pictures(timeline_frame(run), requests_frame(run))


def test_power_is_as_it_was_read() -> None:
    """A series of power has its own values, at the time after the first mark."""
    power = drawn(Samples((series(times_s=(20.0, 25.0), values=(90.0, 200.0)),))).power
    assert power["power_w"].to_list() == [90.0, 200.0]
    assert power["time_s"].to_list() == pytest.approx([20.0, 25.0], abs=1e-3)


def test_power_of_a_counter_is_its_slope() -> None:
    """100 J in a second are 100 W; where the counter went back there is no power."""
    counter = series(quantity="energy_j", times_s=(20.0, 21.0, 22.0, 23.0), values=(0.0, 100.0, 50.0, 250.0))
    power = drawn(Samples((counter,))).power
    assert power["power_w"].to_list() == pytest.approx([100.0, 200.0])


def test_processor_time_is_busy_threads() -> None:
    """Two seconds of processor time in one are two threads."""
    times = series(CPU, "cpu_time_s", times_s=(20.0, 21.0, 22.0), values=(0.0, 2.0, 2.5), meter="modelled")
    assert drawn(Samples((times,))).threads["busy_threads"].to_list() == pytest.approx([2.0, 0.5])


def test_spans_name_every_step_and_trial() -> None:
    """The first mark is the zero of time."""
    spans = drawn().spans
    assert spans.select("name", "kind").rows() == [
        ("resident idle", "step"),
        ("trial 1", "trial"),
        ("trial 2", "trial"),
    ]
    assert spans["start_s"].to_list() == [0.0, 20.0, 40.0]


@pytest.mark.parametrize("most", [2, 100, 5000])
def test_thinning_keeps_the_extremes(most: int) -> None:
    """However few points are left, the highest and the lowest are among them, in order of time."""
    values = [math.sin(row / 700) for row in range(20_000)]
    values[12_345], values[6_789] = 9.0, -9.0
    frame = polars.DataFrame({"time_s": range(20_000), "power_w": values})
    few = thinned(frame, "power_w", most)
    assert len(few) <= most + 2
    assert {9.0, -9.0} <= set(few["power_w"])
    assert few["time_s"].is_sorted()


def test_few_points_are_all_kept() -> None:
    """Nothing is thinned that need not be."""
    frame = polars.DataFrame({"time_s": range(MOST_POINTS), "power_w": range(MOST_POINTS)})
    assert thinned(frame, "power_w", MOST_POINTS).equals(frame)


def test_percentiles_are_those_of_the_report() -> None:
    """Page and result.json never show two values of one percentile."""
    run = result([trial(1, reading()), trial(2, reading())])
    latency = report_document(run)["latency_ms"]
    found = pictures(timeline_frame(run), requests_frame(run)).percentiles
    for name in ("TTFT", "TPOT", "E2E", "ITL"):
        for percent in (50, 90, 95, 99):
            value = found.filter((polars.col("latency") == name) & (polars.col("percent") == percent))["ms"].item()
            assert value == pytest.approx(latency[name.lower()][f"p{percent}"], rel=1e-9)


def test_requests_of_a_trial_that_was_cut_are_in_no_percentile() -> None:
    """They are drawn, and counted nowhere, as in the report."""
    run = result([trial(1, reading()), trial(2, reading(), complete=False)])
    both = pictures(timeline_frame(run), requests_frame(run))
    assert both.requests["trial"].unique().sort().to_list() == [1, 2]
    one = pictures(timeline_frame(result([trial(1, reading())])), requests_frame(result([trial(1, reading())])))
    assert both.percentiles.equals(one.percentiles)


def test_a_directory_without_tables_is_refused(tmp_path: Path) -> None:
    """The error names the file that it should hold."""
    with pytest.raises(ConfigError) as caught:
        load_pictures(tmp_path)
    assert caught.value.message.startswith(f"cannot read {tmp_path / 'timeline.parquet'}: No such file or directory")
    assert "of the json and parquet reporters" in (caught.value.remedy or "")
