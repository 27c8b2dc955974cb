"""Laws of what is written: it survives, and it stays true to what was measured."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reading import load_results
from ai_energy_benchmarks.results.table import append_row
from tests.factories import CPU, DRAM, GPU, OTHER_GPU, completion, failure, reading, result, step, trial

# What a cell may hold: everything but NUL, which CSV readers before Python 3.11 refuse, and lone surrogates.
CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
ROWS = st.dictionaries(NAMES, CELLS, min_size=1, max_size=5)
# The runner lets no reading through that is not finite; larger ones would overflow in any sum of squares.
ANY_FLOAT = st.floats(-1e100, 1e100)
ENERGY_J = st.floats(1e-3, 1e9)


@st.composite
def trials(draw: st.DrawFn, energies_j: st.SearchStrategy[float] = ANY_FLOAT) -> Trial:
    devices = draw(st.sets(st.sampled_from([GPU, OTHER_GPU, CPU, DRAM])))
    readings = [
        reading(
            each,
            draw(energies_j),
            draw(energies_j),
            counted=draw(st.booleans()),
            peak_power_w=draw(st.none() | ENERGY_J),
        )
        for each in sorted(devices, key=lambda each: each.id)
    ]
    outcomes = [
        completion(i, output_tokens=tokens, text="t") if tokens is not None else failure(i, "because")
        for i, tokens in enumerate(draw(st.lists(st.none() | st.integers(0, 5), max_size=4)))
    ]
    return trial(
        draw(st.integers(1, 99)),
        *readings,
        outcomes=outcomes,
        duration_s=draw(st.floats(0, 1e6)),
        measured=draw(st.booleans()),
        complete=draw(st.booleans()),
    )


@st.composite
def results(draw: st.DrawFn) -> BenchmarkResult:
    idle = [step(name, reading(GPU, draw(ANY_FLOAT))) for name in draw(st.lists(st.sampled_from(["load", "hot idle"])))]
    found = result(draw(st.lists(trials(), max_size=3)), idle, ending=draw(st.sampled_from(["completed", "stopped"])))
    return evolve(found, subject=evolve(found.subject, name=draw(st.text(max_size=5)), model=draw(CELLS)))


@given(results())
@settings(deadline=None)
def test_the_document_survives_json(found: BenchmarkResult):
    """Whatever a meter returned, the document is JSON without NaN and comes back equal."""
    document = report_document(found)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@given(results())
@settings(deadline=None)
def test_a_row_has_the_same_columns_whatever_was_seen(found: BenchmarkResult):
    """The columns of the table do not depend on the run."""
    assert list(result_row(found)) == list(result_row(result([])))


@given(st.lists(ROWS, min_size=1, max_size=6))
@settings(deadline=None, max_examples=50)
def test_no_row_changes_an_earlier_cell(rows: list[dict[str, str]]):
    """After rows with any columns in any order, every cell is under its own name, and the rest is empty."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "table.csv"
        for row in rows:
            append_row(path, row)
        with path.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
    assert [{key: value for key, value in row.items() if value} for row in found] == [
        {key: value for key, value in row.items() if value} for row in rows
    ]


@given(st.lists(trials(ENERGY_J), min_size=1, max_size=4))
@settings(deadline=None)
def test_the_total_lies_where_its_components_do(passes: list[Trial]):
    """The total's energy is the sum of the components that it names; without a total there is a reason."""
    summary = summarise(passes, [])
    energies_j = {energy.component: energy.energy_j for energy in summary.components}
    assert energies_j.keys().isdisjoint(summary.absent)
    if summary.total is None:
        assert summary.total_absent
        return
    sum_j = sum(energies_j[component] for component in summary.total_components)
    assert abs(summary.total.energy_j - sum_j) <= 1e-9 * sum_j


@given(st.binary(max_size=60), ROWS)
@settings(deadline=None, max_examples=50)
def test_a_row_joins_a_table_or_leaves_the_file_alone(content: bytes, row: dict[str, str]):
    """Whatever bytes stand where the table should be: the row is its last, or the file is refused and unchanged."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "table.csv"
        path.write_bytes(content)
        try:
            append_row(path, row)
        except ReporterError:
            assert path.read_bytes() == content
            return
        with path.open(encoding="utf-8", newline="") as file:
            last = list(csv.DictReader(file))[-1]
    assert {key: value for key, value in last.items() if value} == {key: value for key, value in row.items() if value}


@given(results())
@settings(deadline=None, max_examples=30)
def test_a_result_survives_its_directory(found: BenchmarkResult):
    """What the JSON reporter writes is loaded again as the document that the runner returned."""
    with tempfile.TemporaryDirectory() as directory:
        JsonReporter.from_settings(ReporterSettings(Path(directory))).report(found)
        assert load_results(directory) == (report_document(found),)
