"""What a path becomes as a page, a table or a picture, whether it is one result or many."""

from __future__ import annotations

import json
from pathlib import Path

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.reporters.html.charts import Chart, charts_of_run
from ai_energy_benchmarks.reporters.html.result_page import result_page
from ai_energy_benchmarks.reporters.result_table import result_table
from ai_energy_benchmarks.reporters.tables import Table
from ai_energy_benchmarks.results.pictures import load_pictures
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document
from ai_energy_benchmarks.results.writing import replacing
from ai_energy_benchmarks.study.pages.page import charts_of_study, study_page
from ai_energy_benchmarks.study.pages.rows import report_rows
from ai_energy_benchmarks.study.pages.table import study_table

# Charts fill the width of a page; a picture has one of its own.
_WIDTH_PIXELS, _SCALE = 640, 2.0
PICTURES = (".svg", ".png", ".pdf")


def page_of(path: str | Path) -> str:
    """The HTML page of a result directory, a study, or a directory of results."""
    place = Path(path)
    return result_page(place) if _is_result(place) else study_page(place)


def table_of(path: str | Path) -> Table:
    """Its table: one row for each component of a result, or for each cell."""
    place = Path(path)
    return result_table(load_document(place / RESULT_FILE)) if _is_result(place) else study_table(report_rows(place))


def charts_of(path: str | Path) -> tuple[Chart, ...]:
    """Its charts, as the page has them."""
    place = Path(path)
    if _is_result(place):
        return charts_of_run(load_pictures(place), load_document(place / RESULT_FILE))
    return charts_of_study(report_rows(place))


def write_picture(path: Path, name: str | None, target: Path) -> None:
    """Write one chart as SVG, PNG or PDF, by the ending of the target.

    Args:
        name: of the chart; None for the first.

    Raises:
        ConfigError: there is no such chart, or the package that draws without a browser is not installed.
    """
    charts = {chart.name: chart for chart in charts_of(path)}
    if not charts or (name is not None and name not in charts):
        wanted = f"no chart {name!r}" if name else "no chart"
        raise ConfigError(
            f"{path} has {wanted}", remedy=f"choose from: {', '.join(charts) or 'nothing, it has no figures'}"
        )
    write_chart(charts[name or next(iter(charts))], target)


def write_chart(chart: Chart, target: Path) -> None:
    """Write a chart as SVG, PNG or PDF, by the ending of the target.

    Raises:
        ConfigError: the ending is another one, or the package that draws without a browser is not installed.
    """
    if target.suffix.lower() not in PICTURES:
        raise ConfigError(f"{target} is no picture", remedy=f"let it end in {', '.join(PICTURES)}")
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError("pictures need the package vl-convert-python", remedy=install_line("report")) from error
    spec = chart.spec
    sized = {**spec, "background": "white", **({"width": _WIDTH_PIXELS} if spec.get("width") else {})}
    text = json.dumps(sized, allow_nan=False, default=str)
    with replacing(target) as temporary:
        if target.suffix.lower() == ".svg":
            temporary.write_text(vl_convert.vegalite_to_svg(text), encoding="utf-8")
        elif target.suffix.lower() == ".png":
            temporary.write_bytes(vl_convert.vegalite_to_png(text, scale=_SCALE))
        else:
            temporary.write_bytes(vl_convert.vegalite_to_pdf(text))


def _is_result(path: Path) -> bool:
    return (path / RESULT_FILE).is_file()
