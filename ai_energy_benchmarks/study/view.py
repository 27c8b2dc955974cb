"""A result or a study to look at from Python: its rows as frames, its charts, and its page in a notebook."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.html.charts import Chart, charts_of_run
from ai_energy_benchmarks.reporters.html.notebook import inline, inline_chart
from ai_energy_benchmarks.reporters.html.result_page import page_of
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.pictures import REQUESTS_FILE, TIMELINE_FILE, pictures
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document
from ai_energy_benchmarks.results.requests import requests_frame
from ai_energy_benchmarks.results.stored_tables import read_requests, read_timeline, whole_table
from ai_energy_benchmarks.results.timeline import timeline_frame
from ai_energy_benchmarks.study.frame import load_frame
from ai_energy_benchmarks.study.pages.page import charts_of_study, study_page
from ai_energy_benchmarks.study.pages.rows import report_rows

if TYPE_CHECKING:
    import polars

_SAMPLE_COLUMNS = ("name", "subject", "component", "meter", "value", "before_s", "after_s", "unix_s")


@frozen(eq=False)
class Plot:
    """One chart; a notebook draws it without a network.

    Attributes:
        chart: its name, title and note, and the Vega-Lite 6 specification as ``chart.spec``.
    """

    chart: Chart

    @property
    def spec(self) -> dict[str, JsonValue]:
        """The Vega-Lite 6 specification with its data, for ``altair.Chart.from_dict`` or another tool."""
        return self.chart.spec

    def save(self, target: str | Path) -> Path:
        """Write the chart as SVG, PNG or PDF, by the ending of ``target``, and return the path.

        Args:
            target: path of the picture.

        Raises:
            ConfigError: the ending is another one, or the extra ``report`` is not installed.
        """
        from ai_energy_benchmarks.study.report import write_chart

        file = Path(target)
        write_chart(self.chart, file)
        return file

    def __repr__(self) -> str:
        return f"Plot({self.chart.name!r}: {self.chart.title})"

    def _repr_html_(self) -> str:
        return inline_chart(self.chart)


@frozen(eq=False)
class ResultView:
    """One result, as ``open_result`` returns it. As the last value of a notebook's cell it shows its page.

    Attributes:
        document: the report document, as ``result.json`` has it.
        requests: one row per request and trial; columns as in ``requests.parquet``, times in seconds.
        timeline: samples and marks in order of time, as in ``timeline.parquet``.
    """

    document: dict[str, Any]
    requests: polars.DataFrame
    timeline: polars.DataFrame

    @property
    def samples(self) -> polars.DataFrame:
        """Raw readings of the meters.

        ``name`` is the quantity with its unit (``power_w``, ``energy_j``, …), ``subject`` the device's id, ``before_s``
        and ``after_s`` the monotonic clock around the reading, ``unix_s`` seconds since the epoch.
        """
        import polars

        return self.timeline.filter(polars.col("kind") == "sample").select(_SAMPLE_COLUMNS)

    @property
    def trials(self) -> polars.DataFrame:
        """One row per trial of the report document, its blocks as dotted columns (``energy.gpu.energy_j`` in joules).

        The document holds 30 trials at most; ``document["trials_left_out"]`` is the number of the others. An energy
        that is withheld is null next to its bounds.
        """
        import polars

        rows = self.document.get("trials") or []
        return polars.json_normalize(rows, infer_schema_length=None) if rows else polars.DataFrame()

    @property
    def plots(self) -> tuple[str, ...]:
        """Names of the charts that ``plot`` knows."""
        return tuple(chart.name for chart in self._charts())

    def plot(self, name: str | None = None) -> Plot:
        """One chart: power over time unless another is named.

        Args:
            name: of one of ``plots``; the first by default.

        Raises:
            ConfigError: there is no such chart; the message lists those that there are.
        """
        return _chosen(self._charts(), name)

    def __repr__(self) -> str:
        level = (self.document.get("verdict") or {}).get("level", "unknown")
        return f"ResultView({self.document.get('name')!r}, verdict {level}, {len(self.requests)} requests)"

    def _repr_html_(self) -> str:
        return inline(page_of(self.document, pictures(self.timeline, self.requests)))

    def _charts(self) -> tuple[Chart, ...]:
        return charts_of_run(pictures(self.timeline, self.requests), self.document)


@frozen(eq=False)
class StudyView:
    """A study or a directory of results, as ``open_study`` returns it. In a notebook it shows its page.

    Attributes:
        path: the directory.
    """

    path: Path

    @property
    def frame(self) -> polars.DataFrame:
        """One row per cell and cycle, or per result, as ``load_frame`` describes it."""
        return load_frame(self.path)

    @property
    def plots(self) -> tuple[str, ...]:
        """Names of the charts that ``plot`` knows."""
        return tuple(chart.name for chart in charts_of_study(report_rows(self.path)))

    def plot(self, name: str | None = None) -> Plot:
        """One chart: energy along the first axis unless another is named.

        Args:
            name: of one of ``plots``; the first by default.

        Raises:
            ConfigError: there is no such chart; the message lists those that there are.
        """
        return _chosen(charts_of_study(report_rows(self.path)), name)

    def _repr_html_(self) -> str:
        return inline(study_page(self.path))


def open_result(source: BenchmarkResult | str | Path) -> ResultView:
    """One result as frames, charts and a page.

    Args:
        source: what ``BenchmarkRunner.measure`` returned (or its ``result``), or the directory of a finished run.

    Raises:
        ConfigError: the directory holds no result, or a file of it cannot be read.
    """
    if isinstance(source, BenchmarkResult):
        # Through JSON, so that it has the same types as one that was read from a file.
        document = json.loads(json.dumps(report_document(source)))
        return ResultView(document, requests_frame(source), timeline_frame(source))
    directory = Path(source)
    document = load_document(directory / RESULT_FILE)
    requests = whole_table(directory / REQUESTS_FILE, read_requests)
    timeline = whole_table(directory / TIMELINE_FILE, read_timeline)
    return ResultView(document, requests, timeline)


def open_study(path: str | Path) -> StudyView:
    """A study, or every result under a directory, as a frame, charts and a page.

    Args:
        path: a study, or a directory with results somewhere under it.

    Raises:
        ConfigError: there is no result under the path.
    """
    directory = Path(path)
    report_rows(directory)
    return StudyView(directory)


def _chosen(charts: Sequence[Chart], name: str | None) -> Plot:
    known = {chart.name: chart for chart in charts}
    if not known or (name is not None and name not in known):
        what = f"there is no chart {name!r}" if name else "there is no chart"
        raise ConfigError(what, remedy=f"choose from: {', '.join(known) or 'nothing, there are no figures'}")
    return Plot(known[name or next(iter(known))])
