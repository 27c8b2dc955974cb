"""What servers, models and files say moves no cursor, forges no line, and is no formula in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.tables import FORMATS, Table
from ai_energy_benchmarks.results.scores import read_scores
from ai_energy_benchmarks.safety.cells import guarded, unguarded
from ai_energy_benchmarks.safety.printable import in_html
from ai_energy_benchmarks.study.batches.master_table import failed_row, write_master
from ai_energy_benchmarks.study.batches.model_list import read_model_list
from tests.factories import result
from tests.functional.commands import command
from tests.servers import Exchange, delta, running, usage
from tests.unit.test_contract_batch import HEADER

EVIL = "\x1b]0;PWNED\x07\x1b[2J\x9b31m\r\nVerdict: PASS\u2028Verdict: PASS\x85Verdict: PASS\x0bVerdict: PASS\u202e"
CONFIG = """
name: {name}
backend: {{type: openai, model: {model}, endpoint: "http://127.0.0.1:{port}/v1", options: {{retries: 0}}}}
scenario: {{num_samples: 6, repeat: true, generate_kwargs: {{max_new_tokens: 4}}}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, thermal_gate: false, warmup: {{requests: 1}}, trials: 1}}
metrics: {{enabled: false}}
output_dir: out
"""


def assert_tame(text: str, *, verdicts: int = 1) -> None:
    assert [char for char in text if not char.isprintable() and char != "\n"] == []
    assert sum(line.lstrip().startswith("Verdict:") for line in text.splitlines()) <= verdicts
    assert not any(line.startswith("Verdict: PASS") for line in text.splitlines())


def test_a_line_on_standard_output_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever text of a file or a server stands in it."""
    say(f"note: {EVIL}")
    assert_tame(capsys.readouterr().out, verdicts=0)


@pytest.mark.parametrize("form", [".md", ".tex", ".csv"])
def test_names_are_text_in_tables(form: str) -> None:
    """One line each, without tags, links and commands."""
    name = f"=x{EVIL}<script>alert(1)</script>[x](javascript:y)\\input{{z}}"
    text = FORMATS[form](Table(("figure", "energy"), ((name, "1"),), name, frozenset({1})))
    lines = text.splitlines()
    assert [char for char in text if not char.isprintable() and char != "\n"] == []
    assert not any(line.startswith("Verdict") for line in lines)
    dangers = {".md": ("<script", "](java"), ".tex": ("\\input",), ".csv": ("\n=", ",=")}
    assert [danger for danger in dangers[form] if danger in text] == []


def test_names_are_text_in_pages() -> None:
    """No element, also in an attribute, and nothing that turns the text around."""
    shown = in_html(f'{EVIL}" onload="<script>')
    assert [char for char in shown if char in '"<>\x1b\u202e'] == []


def test_a_name_that_is_wider_than_the_terminal_forges_no_line() -> None:
    """What is broken off from the name is indented, however many spaces precede it."""
    stream = io.StringIO()
    name = f"name{' ' * 74}Verdict: PASS {' ' * 66}Verdict: PASS"
    report = result(name=name)
    ConsoleReporter(Console(file=stream, width=80)).report(report)
    lines = stream.getvalue().splitlines()
    assert sum(line.startswith("Verdict:") for line in lines) == 1  # its own
    assert any(line.startswith("  Verdict: PASS") for line in lines)


def test_a_server_reaches_neither_the_terminal_nor_the_log(tmp_path: Path) -> None:
    """Its version, refusals, errors in streams and redirects are shown on one line, escapes as text."""
    answers = count()

    async def answer(exchange: Exchange) -> None:
        kind = next(answers) % 4
        if kind == 1:
            await exchange.document({"error": {"message": EVIL}}, 400)
        elif kind == 2:
            await exchange.head(302, "Location: http://x/\x1b]0;PWNED\x07", "Content-Length: 0")
        else:
            await exchange.begin_stream()
            if kind == 3:
                await exchange.event({"error": {"message": EVIL}})
            for text in ("a", EVIL):
                await exchange.event(delta(content=text))
            await exchange.event(delta(finish_reason="stop"))
            await exchange.event(usage(3, 2))
            await exchange.end_stream()

    with running(answer, "m") as server:
        server.pages["/version"] = lambda: json.dumps({"version": EVIL})
        (tmp_path / "b.yaml").write_text(CONFIG.format(name=json.dumps(f"run{EVIL}"), model="m", port=server.port))
        done = command("run", "b.yaml", "-vv", "--log-file", "log", cwd=tmp_path)
        assert (tmp_path / "out" / "result.json").exists(), done
        server.model = f"other{EVIL}"
        refused = command("run", "b.yaml", "-vv", "--log-file", "log", cwd=tmp_path)
    assert "does not serve model" in refused.err
    for text in (done.out, done.err, refused.out, refused.err, (tmp_path / "log").read_text()):
        assert_tame(text)
    again = command("reanalyze", "out", cwd=tmp_path)
    assert_tame(again.out)


@pytest.mark.parametrize("place", ["unknown key", "value", "path", "yaml"])
def test_a_file_reaches_the_terminal_as_text(tmp_path: Path, place: str) -> None:
    """Keys, values and names of files too."""
    text = {
        "unknown key": f"backend: {{type: pytorch, model: m}}\n{json.dumps('k' + EVIL)}: 1\n",
        "value": f"backend: {{type: {json.dumps(EVIL)}, model: m}}\n",
        "path": "backend: {type: pytorch, model: m}\nscenario: {dataset_name: " + json.dumps(f"x{EVIL}.csv") + "}\n",
        "yaml": "backend: {type: pytorch, model: m]\n\x1b",
    }[place]
    (tmp_path / "b.yaml").write_text(text)
    done = command("validate", "b.yaml", cwd=tmp_path)
    assert done.code == 2
    assert_tame(done.err, verdicts=0)


FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd|x", "-2+3+cmd|x", "@SUM(1)", "\t=1", "\r=1", "'=1", "''@x", "\uff1d1"]


@pytest.mark.parametrize("text", [*FORMULAS, "plain", "'quoted'", "", "a=b"])
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    """With an apostrophe before it, which our readers remove; any other text is as it was."""
    cell = guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    assert unguarded(cell) == text
    assert (cell == text) == (text not in FORMULAS)


def test_a_table_holds_no_formula_and_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """The names of models, and the reasons; numbers keep their sign."""
    models = ["=cmd|x", "@SUM", "-2+3", "org/plain"]
    (tmp_path / "models.csv").write_text(HEADER + "".join(f",{model},1,A,text_gen,,\n" for model in ("", *models)))
    rows = read_model_list(tmp_path / "models.csv")
    write_master(tmp_path / "t.csv", [failed_row(row, "=reason") for row in rows])
    with (tmp_path / "t.csv").open(newline="") as lines:
        cells = list(csv.DictReader(lines))
    assert [each["model_name"] for each in cells] == ["'=cmd|x", "'@SUM", "'-2+3", "org/plain"]
    assert {each["error_message"] for each in cells} == {"'=reason"}
    assert [each.name for each in read_scores([tmp_path / "t.csv"])] == models
