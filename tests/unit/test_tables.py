"""Tables for papers: every form has the same cells, and none breaks on what a run is called."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ai_energy_benchmarks import compare_results
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.figures import change, with_bounds, with_half_width
from ai_energy_benchmarks.reporters.result_table import citation, result_table
from ai_energy_benchmarks.reporters.tables import Table, comma_separated, latex, markdown
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.study.pages.page import charts_of_study, study_page
from ai_energy_benchmarks.study.pages.rows import report_rows
from ai_energy_benchmarks.study.report import table_of, write_picture
from tests.factories import reading, result, trial
from tests.unit.test_report_pages import written

ODD = Table(
    ("name", "J"), (("a|b_c & 50 % $x$ #1 {y}\nz", "-1.5 ± 0.1"), ("=cmd()", "2")), "100 % of it.", frozenset({1})
)


def test_markdown_keeps_every_row_on_its_line() -> None:
    """A pipe is escaped, a line break is a space, numbers are right-aligned."""
    lines = markdown(ODD).splitlines()
    assert lines[:3] == ["| name | J |", "|---|---:|", "| a\\|b_c & 50 % $x$ #1 {y} z | -1.5 ± 0.1 |"]
    assert lines[-1] == "100 % of it."


def test_latex_escapes_what_it_would_obey() -> None:
    """Every special character is the character; ± is mathematics."""
    text = latex(ODD)
    assert r"a|b\_c \& 50 \% \$x\$ \#1 \{y\}" in text
    assert r"-1.5 $\pm$ 0.1" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert r"\caption{100 \% of it.}" in text


@pytest.mark.heavy
@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex (apt-get install texlive-latex-recommended)"
)
def test_latex_compiles(tmp_path: Path) -> None:
    """A real LaTeX takes it."""
    body = latex(ODD).replace("\n", "\n")
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + body + r"\end{document}"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


def test_csv_runs_no_formula_and_keeps_negative_numbers() -> None:
    """Text that begins like a formula gets an apostrophe; a number is left as it is."""
    rows = list(csv.reader(io.StringIO(comma_separated(ODD))))
    assert rows[2] == ["'=cmd()", "2"]
    assert rows[1][1] == "-1.5 ± 0.1"


def test_a_result_has_one_row_for_each_component(tmp_path: Path) -> None:
    """Figures have as many digits as their intervals allow, next to method and meter; the caption can be pasted."""
    document = json.loads(json.dumps(report_document(result())))
    table = result_table(document)
    assert table.rows[0] == ("GPU", "5.00 ± 0.29", "5.56", "100.0", "measured", "nvml")
    assert table.caption == citation(document)
    assert "verdict PASS" in table.caption


def test_a_withheld_figure_is_its_reason(tmp_path: Path) -> None:
    """A table never holds a number that the report withholds."""
    table = result_table(json.loads(json.dumps(report_document(result(ending="interrupted")))))
    assert set(table.rows[0][1:4]) == {"the run was interrupted"}


def test_modelled_energy_has_no_interval(tmp_path: Path) -> None:
    """The error of a model is not known, so no ± stands next to it, in a study neither."""
    for name in ("a", "b"):
        passes = [trial(number, reading(provenance="modelled", meter="modelled")) for number in range(1, 4)]
        written(result(passes, name=name), tmp_path / name)
    assert all("±" not in row[1] for row in table_of(tmp_path).rows)


def test_an_order_of_magnitude_has_two_digits_and_says_so() -> None:
    """Digits that a guess does not have are neither in the table nor in the sentence to paste."""
    document = json.loads(json.dumps(report_document(result())))
    document["components"]["gpu"] |= {"source": "modelled", "order_of_magnitude": True}
    table = result_table(document)
    assert table.rows[0][1] == "5.0"
    assert table.caption.startswith("5.0 J per output token, GPU, modelled, an order of magnitude.")


def guessed(directory: Path, energy_j: float) -> Path:
    """A result whose energy is good to an order of magnitude."""
    passes = [trial(number, reading(provenance="modelled", meter="modelled", energy_j=energy_j)) for number in (1, 2)]
    file = written(result(passes, name=directory.name), directory) / "result.json"
    document = json.loads(file.read_text())
    document["components"]["gpu"]["order_of_magnitude"] = True
    file.write_text(json.dumps(document))
    return directory


def test_a_guess_has_two_digits_wherever_cells_are_shown(tmp_path: Path) -> None:
    """In the tables of a study, on its page with its tooltips, and on both sides of a comparison."""
    first, second = guessed(tmp_path / "a", 123.456), guessed(tmp_path / "b", 234.567)
    table, page = table_of(tmp_path), study_page(tmp_path).partition("<tbody>")[2].partition("</tbody>")[0]
    assert [row[1] for row in table.rows] == ["6.2", "12"]
    for text in (markdown(table), comma_separated(table), latex(table), page):
        assert "6.2" in text
        assert "6.17" not in text
    values = charts_of_study(report_rows(tmp_path))[-1].spec["data"]
    assert '"energy": "6.2"' in json.dumps(values)
    shown = str(compare_results(first, [second]))
    assert "a: 6.2 J/output token" in shown
    assert "b: 12 J/output token" in shown


def test_digits_follow_the_distance_of_the_bounds() -> None:
    """Two digits of it, in a ratio and in the percent that it is; a figure above 10,000 has no exponent."""
    assert with_bounds(1.10049, 1.0862, 1.1143) == "1.100 [1.086, 1.114]"
    assert with_bounds(0.90049, 0.5, 1.6) == "0.9 [0.5, 1.6]"
    assert with_bounds(0.90049, None, None) == "0.9005"
    assert with_bounds(123_456.7, 120_001.0, 127_001.0) == "123,500 [120,000, 127,000]"
    assert with_half_width(5.1, 0.29) == "5.10 ± 0.29"
    assert with_half_width(5.1, 12.0) == "5 ± over 100 %"
    assert change(1.10049, 1.0862, 1.1143) == "10.0% more"
    assert change(0.90049, 0.5, 1.6) == "10% less"
    assert change(0.90049) == "10.0% less"


def test_a_chart_that_is_not_there_is_refused_with_the_others(tmp_path: Path) -> None:
    """The error lists the names that would do."""
    with pytest.raises(ConfigError) as caught:
        write_picture(written(result(), tmp_path), "pwoer", tmp_path / "x.svg")
    assert "no chart 'pwoer'" in caught.value.message
    assert "choose from: energy, steps" in (caught.value.remedy or "")


@pytest.mark.parametrize(("ending", "begins"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_a_chart_becomes_a_picture(tmp_path: Path, ending: str, begins: bytes) -> None:
    """Without a browser, in the forms that papers take."""
    pytest.importorskip("vl_convert")
    write_picture(written(result(), tmp_path), "energy", tmp_path / f"x{ending}")
    assert (tmp_path / f"x{ending}").read_bytes().startswith(begins)
