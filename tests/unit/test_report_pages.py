"""The pages of a result and of a study: whole, without a network, and safe to open whatever a run was called."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.html.charts import energy_by_step, latencies
from ai_energy_benchmarks.reporters.html.page import page
from ai_energy_benchmarks.reporters.html.result_page import page_of, result_page
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.pictures import load_pictures
from ai_energy_benchmarks.results.reading import load_document
from ai_energy_benchmarks.study.pages.page import answer as headline
from ai_energy_benchmarks.study.pages.page import charts_of_study, study_page
from ai_energy_benchmarks.study.pages.rows import report_rows
from ai_energy_benchmarks.study.report import charts_of, table_of
from tests.factories import ENGINE, completion, reading, result, series, trial, verdict

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> {body} \"'"


def written(run: BenchmarkResult, directory: Path) -> Path:
    """The result directory of a run."""
    for reporter in (ParquetReporter, JsonReporter):
        reporter.from_settings(ReporterSettings(output_dir=directory)).report(run)
    return directory


def data_of(text: str) -> dict[str, Any]:
    """What the page's script unpacks."""
    packed = re.search(r'id="data">([^<]*)<', text)
    assert packed
    return dict(json.loads(gzip.decompress(base64.b64decode(packed[1]))))


def without_scripts(text: str) -> str:
    """The page as it is read, without its own scripts, style and data."""
    return re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with power readings of a GPU."""
    run = result(samples=Samples((series(),)))
    return written(run, tmp_path_factory.mktemp("run"))


def test_the_verdict_comes_before_the_figures(directory: Path) -> None:
    """Title, verdict, its reasons, then the table, as a reader should meet them."""
    text = without_scripts(result_page(directory))
    order = [
        text.index(part) for part in ("<h1>", 'class="level', 'class="findings"', "<h2>Energy</h2>", "chart-power")
    ]
    assert order == sorted(order)


def test_the_figure_and_its_interval_are_those_of_the_result(directory: Path) -> None:
    """100 J over 20 tokens are 5 J per output token; ± 1 J of the meter and 2.9 % of the sensor's gain make ± 0.29."""
    text = result_page(directory)
    assert "5.00 ± 0.29 J per output token, GPU, measured" in text
    assert "<td>nvml</td>" in text


def test_every_chart_has_its_data_and_its_place(directory: Path) -> None:
    """Power, energy by component and step, latencies and requests."""
    text = result_page(directory)
    charts = data_of(text)["charts"]
    assert charts.keys() == {"power", "energy", "steps", "latency", "requests"}
    assert set(re.findall(r'id="chart-([\w-]+)"', text)) == charts.keys()
    assert all(spec["$schema"].endswith("/vega-lite/v6.json") for spec in charts.values())


def test_a_page_needs_no_network(directory: Path) -> None:
    """Nothing in it is fetched from another place, and its policy would forbid it."""
    text = result_page(directory)
    assert not re.search(r"<(link|img|iframe)|(src|href)=", without_scripts(text))
    assert "<script src" not in text
    assert "default-src 'none'" in text
    assert len(text) < 2_500_000


def test_what_a_run_is_called_is_shown_and_not_run(tmp_path: Path) -> None:
    """Names, models, reasons and texts of servers are escaped, and no place of the template is filled by them."""
    outcomes = [evolve(completion(0, sent_s=20.0, text=EVIL), finish_reason="length")]
    run = result([trial(1, reading(), outcomes=outcomes)], name=EVIL, engine=evolve(ENGINE, model=EVIL))
    text = result_page(written(run, tmp_path))
    shown = without_scripts(text)
    assert "<script>alert" not in text.replace("\\/", "/")
    assert "<img" not in shown
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in shown
    assert "{body}" in shown


def test_a_withheld_figure_stays_withheld(tmp_path: Path) -> None:
    """Of a run that was interrupted the page has the reason in the place of the figure, and no bar."""
    text = result_page(written(result(ending="interrupted"), tmp_path))
    assert "no J per output token to quote (GPU): the run was interrupted" in text
    assert "energy" not in data_of(text)["charts"]
    assert "5.00 ±" not in without_scripts(text)


def test_doubtful_tokens_leave_no_figure_that_they_are_in(tmp_path: Path) -> None:
    """The rate of output tokens and the time per output token are withheld on the page as in the report."""
    directory = written(result(), tmp_path)
    document = load_document(directory / "result.json")
    document["tokens"]["in_doubt"] = "the server and the texts differ"
    document["latency_ms"]["tpot"] = None
    text = without_scripts(page_of(document, load_pictures(directory)))
    assert "withheld: token counts are in doubt: the server and the texts differ" in text
    chart = latencies(load_pictures(directory), document)
    assert chart is not None
    assert "TPOT" not in str(chart.spec)


def test_the_whole_system_is_drawn_next_to_its_parts() -> None:
    """Its energy holds theirs, so it is a bar of its own and never on top of them."""
    energy = {name: {"energy_j": 10.0} for name in ("gpu", "cpu")}
    alone = energy_by_step({"trials": [{"number": 1, "energy": energy}]})
    both = energy_by_step({"trials": [{"number": 1, "energy": {**energy, "system": {"energy_j": 30.0}}}]})
    assert alone is not None
    assert both is not None
    assert "yOffset" not in str(alone.spec)
    spec: dict[str, Any] = dict(both.spec)
    assert spec["encoding"]["yOffset"]["field"] == "of"
    bars = {(row["component"], row["of"]) for row in spec["data"]["values"]}
    assert bars == {("gpu", "parts"), ("cpu", "parts"), ("system", "system")}


def test_equal_results_give_equal_pages(directory: Path) -> None:
    """A page can be compared byte by byte, and kept under version control."""
    assert result_page(directory) == result_page(directory)


def test_the_end_of_a_script_inside_a_script_ends_nothing() -> None:
    """Every script that the page opens is closed once."""
    text = page("title", "<p>body</p>", ())
    assert len(re.findall(r"<script\b", text)) == len(re.findall(r"</script>", text))


def test_a_study_names_the_cheapest_cell_whose_verdict_is_no_fail(tmp_path: Path) -> None:
    """Rows with a FAIL are listed and drawn, and never recommended."""
    for name, energy_j in (("a", 300.0), ("b", 200.0)):
        passes = [trial(number, reading(energy_j=energy_j)) for number in range(1, 6)]
        written(result(passes, name=name), tmp_path / name)
    broken = [trial(number, reading(energy_j=1.0), outcomes=[completion(0)]) for number in range(1, 6)]
    written(result(broken, name="c", ending="interrupted"), tmp_path / "c")
    text = study_page(tmp_path)
    assert "Least energy: b, 10.000 ± 0.050 J per output token (measured) over 1 cycle, verdict PASS" in text
    assert "of one cycle those bounds alone. The gain of a sensor that all cells share is not in them" in text
    assert "withheld: the run was interrupted" in text
    cells = data_of(text)["cells"]
    assert [cell["label"] for cell in cells] == ["a", "b", "c"]
    assert cells[2]["energy_j"] is None


def test_a_page_ranks_no_cell_that_failed_and_says_so_of_a_model(tmp_path: Path) -> None:
    """However little it used: the headline names one that did not fail, and charts have no front through one."""
    for name, energy_j in (("a", 300.0), ("b", 200.0), ("c", 250.0)):
        passes = [trial(number, reading(energy_j=energy_j)) for number in range(1, 6)]
        found = result(passes, name=name)
        if name == "b":
            found = evolve(found, verdict=verdict(passes, extra=(Finding("FAIL", "other work", "m"),)))
        written(found, tmp_path / "study" / name)
    text = study_page(tmp_path / "study")
    assert "Least energy: c, " in text
    assert "; 1 of 3 cells are not ranked, for their verdict is FAIL" in text
    cells = {cell["label"]: cell["ranked"] for cell in data_of(text)["cells"]}
    assert cells == {"a": "yes", "b": "no: verdict FAIL", "c": "yes"}
    (front,) = [chart for chart in charts_of(tmp_path / "study") if chart.name == "front-output-tokens-per-s"]
    points = front.spec["data"]["values"]  # type: ignore[index, call-overload] # as Vega-Lite has them
    drawn = json.dumps(front.spec)
    assert '"title": "verdict", "scale": {"domain": ["PASS", "FAIL"], "range": ["circle", "cross"]}' in drawn
    assert '"title": "J per output token (measured)"' in drawn
    assert "<td>measured</td><td>" in text
    assert {point["cell"]: point["front"] for point in points}["b"] is False  # type: ignore[index, union-attr]
    rows = report_rows(tmp_path / "study")
    assert [row[-1] for row in table_of(tmp_path / "study").rows] == ["yes", "no: verdict FAIL", "yes"]
    said = headline([evolve(row, method="modelled") for row in rows])
    assert said.startswith("Modelled energy cannot be ranked: ")
    assert " By the model the least: c, " in said
    assert evolve(rows[0], method="modelled").ranked == "by a model only"


def test_a_picture_of_a_study_carries_its_method_and_failures_along(tmp_path: Path) -> None:
    """A guess is named in the unit of the axis; shapes differ only where a verdict is FAIL, and the legend says so."""
    for name in ("a", "b"):
        passes = [trial(number, reading()) for number in range(1, 6)]
        written(result(passes, name=name), tmp_path / name)
    rows = [evolve(row, axes={"x": row.label}) for row in report_rows(tmp_path)]
    assert all('"shape"' not in json.dumps(chart.spec) for chart in charts_of_study(rows))
    guesses = [evolve(row, method="modelled", guessed=True, verdict="FAIL") for row in rows]
    for chart in charts_of_study(guesses):
        drawn = json.dumps(chart.spec)
        assert '"title": "J per output token (modelled, an order of magnitude)"' in drawn
        assert '"scale": {"domain": ["FAIL"], "range": ["cross"]}' in drawn
    assert headline(guesses).endswith("each is withheld or its verdict is FAIL (see `study report`).")
