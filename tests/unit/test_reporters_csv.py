"""A row a run, in a table whose earlier cells never move."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.result import Carbon, Tariff
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.csv import CsvReporter, result_row
from ai_energy_benchmarks.results.table import append_row
from tests.factories import CPU, GPU, reading, result, trial


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_one_row_a_run_under_one_header(tmp_path: Path):
    """Two runs give one header and two rows."""
    reporter = CsvReporter.from_settings(ReporterSettings(tmp_path))
    assert reporter.report(result(name="first")) == (tmp_path / "benchmark_results.csv",)
    reporter.report(result(name="second"))
    header, first, second = table(tmp_path / "benchmark_results.csv")
    name = header.index("name")
    assert (first[name], second[name]) == ("first", "second")


def test_the_columns_are_always_the_same():
    """A run that measured nothing has the columns of one that measured all, so that tables stay narrow."""
    assert result_row(result([])).keys() == result_row(result(carbon=Carbon(300, 1, "grid"))).keys()


def test_absent_is_an_empty_cell():
    """What no meter saw is empty with the word absent beside it; zero is never written for it."""
    row = result_row(result([trial(1, reading(GPU, 3600))]))
    assert (row["gpu_energy_wh"], row["gpu_source"], row["gpu_meter"]) == ("1.0", "measured", "nvml")
    assert (row["cpu_energy_wh"], row["cpu_source"], row["cpu_meter"]) == ("", "absent", "")
    assert (row["emissions_g_co2eq"], row["carbon_source"]) == ("", "")


def test_an_unresolved_window_leaves_only_its_bounds():
    """No bare figure of an unresolved window stands in the table, only its bounds."""
    row = result_row(result([trial(1, reading(GPU, 3600, 1800))], carbon=Carbon(300, 1, "grid")))
    assert (row["gpu_energy_low_wh"], row["gpu_energy_high_wh"]) == ("0.5", "1.5")
    for column in ("gpu_energy_wh", "gpu_j_per_output_token", "gpu_wh_per_1000_queries", "emissions_g_co2eq"):
        assert row[column] == ""


def test_the_energy_at_the_wall_has_columns():
    """Empty without a factor; 1.5 Wh at a factor of 1.2 are 1.8 Wh, and no bare figure of an unresolved window."""
    trials = [trial(1, reading(GPU, 3600), reading(CPU, 1800))]
    assert {result_row(result(trials))[name] for name in ("wall_energy_wh", "wall_factor")} == {""}
    row = result_row(evolve(result(trials), wall_factor=1.2))
    assert (float(row["wall_energy_wh"]), row["wall_factor"]) == (pytest.approx(1.8), "1.2")
    assert result_row(evolve(result([trial(1, reading(GPU, 3600, 1800))]), wall_factor=1.2))["wall_energy_wh"] == ""


def test_the_interval_includes_the_gain_and_repeatability_has_its_own_column():
    """The ± of a GPU holds the sensor's gain, whose limit stands next to it; RAPL's has none and leads alone."""
    trials = [trial(i, reading(GPU, 100), reading(CPU, 50, 1.0, meter="rapl")) for i in (1, 2)]
    row, name = result_row(result(trials)), "j_per_output_token"
    wide, narrow = float(row[f"gpu_{name}_half_width_95"]), float(row[f"gpu_{name}_repeatability_95"])
    assert narrow == pytest.approx(0.05)
    assert wide == pytest.approx((0.05**2 + (1.959964 * 0.05 / 3**0.5 * 5) ** 2) ** 0.5)
    assert row[f"gpu_{name}_sensor_gain_limit"] == "0.05"
    assert row[f"cpu_{name}_half_width_95"] == row[f"cpu_{name}_repeatability_95"]
    assert row[f"cpu_{name}_sensor_gain_limit"] == ""


def test_the_cost_has_columns():
    """0.5 of whatever a kWh costs, for 3.6 MJ; empty without a price."""
    trials = [trial(1, reading(GPU, 3.6e6))]
    row = result_row(evolve(result(trials), tariff=Tariff(0.5, "EUR", 1.0)))
    assert (row["cost_per_pass"], row["currency"]) == ("0.5", "EUR")
    assert {result_row(result(trials))[name] for name in ("cost_per_pass", "currency")} == {""}


def test_figures_of_a_row():
    """3600 J over 20 tokens and 5 requests in 10 s, on the board and as the sum with the CPU."""
    row = result_row(result([trial(1, reading(GPU, 3600), reading(CPU, 1800))]))
    assert row["gpu_j_per_output_token"] == "180.0"
    assert row["total_j_per_output_token"] == "270.0"
    assert row["gpu_wh_per_1000_queries"] == "200.0"
    assert row["gpu_average_power_w"] == "360.0"
    assert float(row["ttft_p50_ms"]) == pytest.approx(100)
    assert (row["requests"], row["output_tokens"]) == ("5", "20")


def test_a_table_with_other_columns_is_widened(tmp_path: Path):
    """Columns are matched by name whatever their order; new ones go to the right, and no cell moves."""
    path = tmp_path / "table.csv"
    path.write_text("model,score,note\nbig,1,keep\n", encoding="utf-8")
    append_row(path, {"energy_wh": "7", "model": "small"})
    assert table(path) == [
        ["model", "score", "note", "energy_wh"],
        ["big", "1", "keep", ""],
        ["small", "", "", "7"],
    ]


def test_a_missing_last_newline_is_no_seam(tmp_path: Path):
    """A table that ends without a newline does not run into the next row."""
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n1,2")
    append_row(path, {"a": "3", "b": "4"})
    assert table(path) == [["a", "b"], ["1", "2"], ["3", "4"]]


def test_commas_quotes_and_newlines_survive(tmp_path: Path):
    """A cell may hold anything; it comes back as it was after another row was added."""
    path = tmp_path / "table.csv"
    hard = 'a, "b"\r\nc\nd\re'
    append_row(path, {"text": hard})
    append_row(path, {"text": "plain"})
    assert table(path) == [["text"], [hard], ["plain"]]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path):
    """A table saved by a spreadsheet begins with a mark; its first column is still found."""
    path = tmp_path / "table.csv"
    path.write_bytes("a,b\r\n1,2\r\n".encode("utf-8-sig"))
    append_row(path, {"a": "3"})
    assert table(path) == [["a", "b"], ["1", "2"], ["3", ""]]


def test_cells_beyond_the_header_get_a_name(tmp_path: Path):
    """A row longer than its header keeps its cells, and new columns stand beyond them."""
    path = tmp_path / "table.csv"
    path.write_text("a\n1,lost\n", encoding="utf-8")
    append_row(path, {"a": "2", "b": "3"})
    assert table(path) == [["a", "unnamed_2", "b"], ["1", "lost", ""], ["2", "", "3"]]


def test_of_two_columns_with_one_name_the_first_is_meant(tmp_path: Path):
    """A doubled column is not a reason to lose either."""
    path = tmp_path / "table.csv"
    path.write_text("a,a\n1,2\n", encoding="utf-8")
    append_row(path, {"a": "3"})
    assert table(path) == [["a", "a"], ["1", "2"], ["3", ""]]


@pytest.mark.parametrize("content", [b'a,b\n"1,2\n', b"a\n\xff\xfe\n"], ids=["open quote", "not UTF-8"])
def test_what_is_no_table_is_left_alone(tmp_path: Path, content: bytes):
    """A file that cannot be read as CSV is not overwritten; the error names it and says what to do."""
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ReporterError, match=r"table\.csv") as caught:
        append_row(path, {"a": "1"})
    assert caught.value.remedy
    assert path.read_bytes() == content


def test_a_directory_in_its_place_is_named(tmp_path: Path):
    """A path that cannot be opened is one error with its name."""
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(ReporterError, match=r"table\.csv"):
        append_row(tmp_path / "table.csv", {"a": "1"})


def test_rows_of_processes_that_write_at_once_are_all_there(tmp_path: Path):
    """Four processes that add ten rows each, with columns of their own, lose none."""
    path = tmp_path / "table.csv"
    program = (
        "import sys; from pathlib import Path; from ai_energy_benchmarks.results.table import append_row\n"
        "for i in range(10): append_row(Path(sys.argv[1]), {'who': sys.argv[2], f'own{sys.argv[2]}': str(i)})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), str(who)]) for who in range(4)]
    assert [each.wait(60) for each in writers] == [0] * 4
    header, *rows = table(path)
    seen = sorted((row[header.index("who")], row[header.index(f"own{row[header.index('who')]}")]) for row in rows)
    assert seen == sorted((str(who), str(i)) for who in range(4) for i in range(10))
    assert list(tmp_path.iterdir()) == [path]
