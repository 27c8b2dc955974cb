"""What people look at from Python: frames, charts and pages of a result or a study."""

from __future__ import annotations

import io
from html import unescape
from pathlib import Path

import pytest

from ai_energy_benchmarks import open_result, open_study
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.html.notebook import inline, register
from ai_energy_benchmarks.reporters.html.result_page import page_of_run
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.runner.bar_progress import BarProgress
from tests.factories import reading, result, series, trial


@pytest.fixture
def run() -> BenchmarkResult:
    """Two trials with power readings of a GPU."""
    return result([trial(1, reading()), trial(2, reading())], samples=Samples((series(),)))


@pytest.fixture
def directory(run: BenchmarkResult, tmp_path: Path) -> Path:
    """The same run on disk."""
    for reporter in (ParquetReporter, JsonReporter):
        reporter.from_settings(ReporterSettings(output_dir=tmp_path / "run")).report(run)
    return tmp_path / "run"


def test_a_result_in_memory_and_on_disk_show_the_same(run: BenchmarkResult, directory: Path) -> None:
    """Frames, document, charts and page are equal."""
    here, there = open_result(run), open_result(directory)
    assert here.document == there.document
    for name in ("requests", "samples", "trials"):
        assert getattr(here, name).equals(getattr(there, name)), name
    assert here.plots == there.plots
    assert here._repr_html_() == there._repr_html_()


def test_frames_hold_every_request_reading_and_trial(run: BenchmarkResult) -> None:
    """One row each, with units in the names."""
    shown = open_result(run)
    assert len(shown.requests) == 10
    assert shown.samples["value"].to_list() == [90.0, 200.0, 95.0]
    assert shown.trials["energy.gpu.energy_j"].to_list() == [100.0, 100.0]


def test_a_plot_is_the_chart_of_the_page(run: BenchmarkResult, tmp_path: Path) -> None:
    """Power over time is first; an unknown name lists the known ones; a notebook gets a page of its own."""
    shown = open_result(run)
    plot = shown.plot()
    assert (plot.chart.name, shown.plot("power").spec) == ("power", plot.spec)
    assert 'id="chart-power"' in unescape(plot._repr_html_())
    with pytest.raises(ConfigError, match="no chart 'nothing'") as refused:
        shown.plot("nothing")
    assert "power" in str(refused.value)
    with pytest.raises(ConfigError, match="no picture"):
        plot.save(tmp_path / "power.gif")


def test_a_study_shows_its_page_and_its_frame(directory: Path) -> None:
    """A directory of results counts as one; where nothing varies there is no chart of it."""
    shown = open_study(directory)
    assert len(shown.frame) == 1
    assert shown._repr_html_().startswith("<iframe srcdoc=")
    assert shown.plots == ()
    with pytest.raises(ConfigError, match="no chart"):
        shown.plot()
    with pytest.raises(ConfigError, match="cannot read"):
        open_study(directory / "nowhere")


def test_a_page_inside_another_stays_whole_and_shut_in() -> None:
    """Quotes and references of the page survive; its frame may run scripts but not reach what is around it."""
    page = '<p title="a &amp; b">&quot;</p>'
    text = inline(page)
    assert unescape(text.split('"')[1]) == page
    assert "allow-same-origin" not in text


def test_ipython_shows_a_result_as_its_page(run: BenchmarkResult) -> None:
    """The display formatter of the running shell knows the type; without a shell nothing happens."""
    interactive = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    register()
    shell = interactive.instance()
    try:
        register()
        shown, _ = shell.display_formatter.format(run, include=["text/html"])
        assert shown["text/html"] == inline(page_of_run(run))
    finally:
        interactive.clear_instance()


def test_bars_are_rewritten_and_flushed() -> None:
    """A stage takes one line; each drawing begins at its margin and covers the one before."""
    stream, now_s = io.StringIO(), iter(range(100))
    progress = BarProgress(stream, lambda: float(next(now_s)))
    progress.begin("trials", 2)
    progress.advance()
    progress.advance()
    progress.end()
    first, *drawn = stream.getvalue().split("\r")
    assert first == ""
    assert "1/2" in drawn[1]
    assert "left" in drawn[1]
    assert [line.endswith("\n") for line in drawn] == [False, False, False, True]
    assert len(drawn[2]) >= len(drawn[1])
