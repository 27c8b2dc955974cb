"""The replayed trace: a meter whose figures are known in advance."""

from __future__ import annotations

import time
from pathlib import Path

import polars
import pytest

from ai_energy_benchmarks.domain.power import Mark, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.replay import ReplayCollector, ReplayOptions

ENERGY = "time_s,device,component,energy_j\n" + "".join(f"{100 + i},board,gpu,{i * 50}\n" for i in range(11))
POWER = "time_s,device,component,power_w\n0,package,cpu,10\n10,package,cpu,30\n"


def written(directory: Path, text: str) -> Path:
    path = directory / "trace.csv"
    path.write_text(text)
    return path


def after(mark: Mark, seconds: float) -> Mark:
    return Mark(mark.time_s + seconds)


def test_a_counter_is_played_from_entering(tmp_path: Path) -> None:
    """50 W for ten seconds: two of them are 100 J, measured, between the rows around them."""
    with ReplayCollector(ReplayOptions(written(tmp_path, ENERGY))) as collector:
        now = collector.mark()
        (reading,) = collector.read(after(now, 2.5), after(now, 4.5)).readings
    assert reading.energy_j == pytest.approx(100.0)
    assert reading.bounds_j.low <= 100.0 <= reading.bounds_j.high <= 150.0
    assert (reading.provenance, reading.device.id, reading.device.component) == ("measured", "board", "gpu")


def test_power_is_integrated(tmp_path: Path) -> None:
    """A ramp from 10 to 30 W over ten seconds holds 200 J."""
    with ReplayCollector(ReplayOptions(written(tmp_path, POWER))) as collector:
        begin_s = collector.samples().series[0].before_s[0]
        (reading,) = collector.read(Mark(begin_s), Mark(begin_s + 10.0)).readings
    assert reading.energy_j == pytest.approx(200.0)
    assert (reading.bounds_j.low, reading.bounds_j.high) == (pytest.approx(100.0), pytest.approx(300.0))
    assert reading.provenance == "integrated"


def test_the_word_is_as_recorded(tmp_path: Path) -> None:
    """Whoever recorded the trace knows how its figures came about."""
    with ReplayCollector(ReplayOptions(written(tmp_path, ENERGY), provenance="modelled")) as collector:
        (reading,) = collector.read(collector.mark(), collector.mark()).readings
    assert reading.provenance == "modelled"


def test_a_trace_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    """Nothing is made up beyond its end."""
    with ReplayCollector(ReplayOptions(written(tmp_path, ENERGY))) as collector:
        now = collector.mark()
        with pytest.raises(CollectorError, match="board ended"):
            collector.read(now, after(now, 11.0))


def test_parquet_is_the_same_as_csv(tmp_path: Path) -> None:
    """Both formats give the same figures."""
    csv = written(tmp_path, ENERGY)
    polars.read_csv(csv).write_parquet(tmp_path / "trace.parquet")
    with ReplayCollector(ReplayOptions(tmp_path / "trace.parquet")) as collector:
        now = collector.mark()
        (reading,) = collector.read(after(now, 1.0), after(now, 3.0)).readings
    assert reading.energy_j == pytest.approx(100.0)


def test_samples_are_what_has_been_played_so_far(tmp_path: Path) -> None:
    """A live meter cannot know the future either."""
    with ReplayCollector(ReplayOptions(written(tmp_path, ENERGY))) as collector:
        assert list(collector.samples().series[0].values) == [0.0]
        assert collector.samples().series[0].before_s[0] <= time.perf_counter()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "columns"),
        ("time_s,device,component\n0,board,gpu\n", "columns"),
        ("time_s,device,component,energy_j\n0,board,fridge,1\n", "row 1"),
        ("time_s,device,component,energy_j\n0,board,gpu,much\n", "row 1"),
        ("time_s,device,component,energy_j\n0,board,gpu,nan\n", "row 1"),
        ("time_s,device,component,energy_j\n0,board,gpu,5\n1,board,gpu,4\n", "row 2"),
        ("time_s,device,component,power_w\n1,board,gpu,5\n1,board,gpu,5\n", "row 2"),
    ],
)
def test_a_bad_trace_is_refused_with_its_place(tmp_path: Path, text: str, match: str) -> None:
    """Missing columns, unknown components, numbers that are none, time or energy that runs backwards."""
    with pytest.raises(CollectorError, match=match), ReplayCollector(ReplayOptions(written(tmp_path, text))):
        pass


@pytest.mark.parametrize("path", [None, Path("no/such/trace.csv"), Path("no/such/trace.parquet")])
def test_no_trace_is_an_error_with_a_cure(path: Path | None) -> None:
    """The message names the option to set."""
    with pytest.raises(CollectorError) as caught, ReplayCollector(ReplayOptions(path)):
        pass
    assert "options.path" in str(caught.value)


@pytest.mark.parametrize(
    ("workload", "counted"),
    [
        (Workload((), ("gpu-3",)), {"gpu-3"}),
        (Workload((), device_ids=(3,)), {"gpu-3"}),
        (Workload((), ("GPU-of-another-machine",), device_ids=(3,)), {"gpu-3"}),
        (Workload((), ()), set()),
        (Workload(()), set()),
    ],
)
def test_one_gpu_of_eight_counts(tmp_path: Path, workload: Workload, counted: set[str]) -> None:
    """The GPUs of a trace are named, indexed or unknown as those of any meter; the CPU counts in any case."""
    rows = [f"{time_s},cpu,cpu,50" for time_s in (0, 9)]
    rows += [f"{time_s},gpu-{n},gpu,{650 if n == 3 else 140}" for n in range(8) for time_s in (0, 9)]
    trace = tmp_path / "trace.csv"
    trace.write_text("time_s,device,component,power_w\n" + "\n".join(rows) + "\n")
    with ReplayCollector(ReplayOptions(trace)) as collector:
        collector.attach(workload)
        start = collector.mark()
        measurement = collector.read(start, Mark(start.time_s + 1))
    used = [each for each in measurement.readings if each.counted and each.device.component == "gpu"]
    assert {each.device.id for each in used} == counted
    assert sum(each.energy_j for each in used) == pytest.approx(650.0 * len(counted), rel=1e-6)
    assert [each.counted for each in measurement.readings if each.device.component == "cpu"] == [True]
    assert ("gpu" in measurement.absent) is (workload.board_ids is None and not counted)
