"""Files that anyone may have written are read or refused in one error: pipes, deep nesting, numbers without bound."""

from __future__ import annotations

import json
import os
import sys
from itertools import product
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.backends.model.context import read_config
from ai_energy_benchmarks.config.model import ReporterConfig
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.control_group import group_members
from ai_energy_benchmarks.results.foreign.reading import read_foreign
from ai_energy_benchmarks.results.pictures import load_pictures
from ai_energy_benchmarks.results.reading import load_document, result_files
from ai_energy_benchmarks.results.reanalysis.recompute import reanalyse
from ai_energy_benchmarks.results.run_directory import left_journals
from ai_energy_benchmarks.results.submission import verify
from ai_energy_benchmarks.runner.recovering import recover
from ai_energy_benchmarks.study.manifest import read_manifest
from ai_energy_benchmarks.study.runners.handshake import MARK, read_answer
from ai_energy_benchmarks.study.running.judging import completed_document
from ai_energy_benchmarks.study.view import open_result
from ai_energy_benchmarks.text import json_text
from ai_energy_benchmarks.text.moments import moment
from tests.unit.test_runner_order import Bench, config
from tests.unit.test_survival import killed

DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000
LOG = "timestamp,index,power.draw\n" + "".join(f"{second},0,100\n" for second in range(1, 10))
RECORD = (
    '{{"metadata": {{"request_start_ns": {start}, "request_end_ns": {end}}}, '
    '"metrics": {{"output_sequence_length": {{"value": {count}}}}}}}\n'
)


def saved(directory: Path) -> Path:
    """A result on fakes with all its files."""
    wanted = evolve(
        config(), output_dir=directory / "result", reporters=tuple(map(ReporterConfig, ("json", "parquet")))
    )
    bench = Bench(wanted)
    bench.runner._reporters = None
    bench.runner.run()
    return directory / "result"


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes as files here")
@pytest.mark.parametrize("name", ["report.json", "log.csv", "log"])
def test_a_pipe_is_refused(tmp_path: Path, name: str) -> None:
    """As the file to import and as the requests beside it; nothing waits for a writer."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError, match="it is a pipe"):
        read_foreign(tmp_path / name)
    with pytest.raises(ConfigError, match="it is a pipe"):
        read_foreign(written(tmp_path / "power.csv", LOG), requests=tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/zero")
def test_a_device_is_refused() -> None:
    """It has no end."""
    with pytest.raises(ConfigError, match="it is a device"):
        read_foreign(Path("/dev/zero"))


def test_deep_nesting_is_one_error(tmp_path: Path) -> None:
    """Wherever JSON is read: reports of other tools, requests, documents, configs of models."""
    deep = written(tmp_path / "result.json", DEEP)
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_foreign(deep)
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_foreign(written(tmp_path / "power.csv", LOG), requests=deep)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_document(deep)
    assert completed_document(tmp_path) is None
    written(tmp_path / "config.json", DEEP)
    assert read_config(tmp_path) is None
    written(tmp_path / "manifest.jsonl", f"{DEEP}\n")
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_manifest(tmp_path)


def test_json_that_is_larger_than_any_report_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is parsed, which takes ten times its size."""
    monkeypatch.setattr(json_text, "LARGEST_JSON_BYTES", 1000)
    with pytest.raises(ConfigError, match="it has more than"):
        load_document(written(tmp_path / "result.json", json.dumps("x" * 1000)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f'timestamp,index,power.draw\n"{"x" * 99_000}\n{"x" * 99_000}",0,1\n', "line 2 has a quote that"),
        ('timestamp,index,power.draw\n1,0,50\n"2,0,50\n3,0,50\n', "line 3 has a quote that"),
        ("x" * 200_000, "a line of more than 100,000 characters"),
        ("timestamp,index,power.draw\n1,0,1e308\n", "'1e308' is not a power"),
        ("timestamp,index,power.draw\n1e300,0,1\n", "'1e300' is not a time"),
        ("timestamp,index,power.draw\nnan,0,1\n", "'nan' is not a time"),
    ],
)
def test_a_log_that_no_tool_wrote_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """By what is wrong with it."""
    with pytest.raises(ConfigError, match=reason):
        read_foreign(written(tmp_path / "log.csv", text))


def test_a_row_with_numbers_that_nothing_has_gives_no_figure(tmp_path: Path) -> None:
    """In CSV files of 0.0.x, where it once overflowed in joules."""
    file = written(tmp_path / "old.csv", "energy_energy_wh,summary_total_completion_tokens\n1e305,1\n2,1\n")
    assert [figure.name for figure in read_foreign(file).figures] == ["line 3 energy"]


@pytest.mark.parametrize("count", ["1e400", "NaN", "-5", '"x"', "true"])
def test_a_count_that_is_none_leaves_the_tokens_unknown(tmp_path: Path, count: str) -> None:
    """As one that is missing."""
    record = RECORD.format(start=2 * 10**9, end=7 * 10**9, count=count)
    imported = read_foreign(
        written(tmp_path / "log.csv", LOG), requests=written(tmp_path / "profile_export.jsonl", record)
    )
    assert "1 requests have no count of output tokens" in {finding.message for finding in imported.findings}
    assert all(figure.output_tokens is None for figure in imported.figures)


def test_a_time_of_hundreds_of_digits_is_none(tmp_path: Path) -> None:
    """It is no whole number of nanoseconds of this age."""
    record = RECORD.format(start=10**400, end=10**400, count=1)
    with pytest.raises(ConfigError, match="no request_start_ns and request_end_ns"):
        read_foreign(written(tmp_path / "log.csv", LOG), requests=written(tmp_path / "r.jsonl", record))


def test_times_are_finite() -> None:
    """As numbers too."""
    assert [moment(text) for text in ("nan", "inf", "1e400", "12.5")] == [None, None, None, 12.5]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes as files here")
@pytest.mark.parametrize("name", ["requests.parquet", "timeline.parquet", "config.yaml"])
def test_a_pipe_in_a_result_is_refused(tmp_path: Path, name: str) -> None:
    """By whoever recomputes it, draws it or opens it in a notebook."""
    result = saved(tmp_path)
    (result / name).unlink()
    os.mkfifo(result / name)
    with pytest.raises(ConfigError, match=f"{name}.*it is a pipe|it is a pipe.*{name}"):
        reanalyse(result)
    if name != "config.yaml":
        with pytest.raises(ConfigError, match="it is a pipe"):
            load_pictures(result)
        with pytest.raises(ConfigError, match="it is a pipe"):
            open_result(result)


def test_a_damaged_table_is_one_error(tmp_path: Path) -> None:
    """Also where the frame library ends with what is no ``Exception``."""
    result = saved(tmp_path)
    whole, refused = (result / "requests.parquet").read_bytes(), 0
    for place in range(4, len(whole), 97):
        damaged = bytes([*whole[:place], whole[place] ^ 0x55, *whole[place + 1 :]])
        (result / "requests.parquet").write_bytes(damaged)
        try:
            load_pictures(result)
        except ConfigError:
            refused += 1
    assert refused


def test_hashes_that_are_no_text_fit_no_file(tmp_path: Path) -> None:
    """What is not UTF-8 in SHA256SUMS names nothing that is there."""
    result = saved(tmp_path)
    (result / "SHA256SUMS").write_bytes(b"\xff\xfe  result.json\n")
    assert not verify(result, "0").holds


def test_results_are_found_while_runs_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is removed while they are looked for costs nothing."""
    result = saved(tmp_path)
    for number in range(3):
        (tmp_path / "runs" / str(number)).mkdir(parents=True)
    scandir = os.scandir

    def removing(path: str) -> object:
        if str(path).endswith("1"):
            Path(path).rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", removing)
    assert result_files(tmp_path) == (result / "result.json",)


def test_journals_are_looked_for_while_the_last_run_removes_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there are none; the same of a control group whose members leave."""
    (tmp_path / "runs").mkdir()
    listdir = os.listdir

    def removing(path: Path) -> list[str]:
        Path(path).rmdir()
        return listdir(path)

    monkeypatch.setattr(os, "listdir", removing)
    assert left_journals(tmp_path) == ()
    assert group_members(tmp_path / "gone") == frozenset()


@pytest.mark.parametrize("text", ["{", DEEP, "[]", "{}", '{"obstacles": {"pytorch": [[]]}}'])
def test_an_answer_of_another_environment_that_cannot_be_read_is_none(text: str) -> None:
    """The engine's own program may print anything."""
    assert read_answer(f"noise\n{MARK}{text}\n") is None


@pytest.mark.parametrize(
    "line",
    [
        '{"run": {}}',
        '{"run": null}',
        json.dumps({"run": {"run_id": "x", "started_utc": "x", "clock_offset_s": "x", "environment": {}}}),
    ],
)
def test_a_journal_that_another_program_wrote_is_refused(tmp_path: Path, line: str) -> None:
    """Whatever its lines lack."""
    journal = tmp_path / "runs" / "x" / "journal"
    journal.mkdir(parents=True)
    written(journal / "run.jsonl", f"null\n{line}\n")
    written(journal / "config.yaml", "backend: {type: pytorch, model: m}\n")
    with pytest.raises(ConfigError, match="that this package wrote"):
        list(recover(tmp_path))


def test_a_journal_names_no_file_outside_of_its_directory(tmp_path: Path) -> None:
    """Neither by a path, nor by a link: another program wrote it, and the error has the name and the fix."""
    directory, _ = killed(tmp_path, at=7)
    [lines] = directory.glob("runs/*/journal/run.jsonl")
    piece = next(lines.parent.glob("*.parquet"))
    (directory / "secret.parquet").write_bytes(piece.read_bytes())
    (lines.parent / "link.parquet").symlink_to(directory / "secret.parquet")
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    outside = ("../../../secret.parquet", f"{directory}/secret.parquet", "link.parquet", "..", "", 7, "a/../b")
    for kind, name in product(("requests", "fillers", "samples"), outside):
        changed = [
            {**row, kind: [*row.get(kind, ()), name]} if "trial" in row or kind == "samples" else row for row in rows
        ]
        lines.write_text("".join(json.dumps(row) + "\n" for row in changed))
        with pytest.raises(ConfigError, match=r"run\.jsonl names the file .* which is not in ") as error:
            list(recover(directory))
        assert repr(str(name)) in str(error.value)
        assert "remove " in (error.value.remedy or "")


def test_a_journal_names_its_own_files(tmp_path: Path) -> None:
    """A run that this package left is recovered, also through a link to its directory."""
    directory, _ = killed(tmp_path, at=7)
    (tmp_path / "link").symlink_to(directory)
    [run] = recover(tmp_path / "link")
    assert len(run.result.trials) >= 1


DOCUMENTS = (
    ({"environment": {}}, r"environment of .*result\.json holds no Environment .*'platform' is missing"),
    ({"environment": []}, r"environment of .*result\.json holds no Environment"),
    ({"backend_info": {"backend": [], "engine": "e", "model": "m"}}, r"backend_info of .*'\[\]' is no str"),
    ({"backend_info": "x"}, r"backend_info of .*result\.json holds no EngineFacts"),
    ({"reasoning": {"asked": "perhaps"}}, r"reasoning of .*'perhaps' is no bool"),
    ({"verdict": None}, r"the files of .* are not those that this package wrote: TypeError"),
    ({"config": {}}, r"the files of .* are not those that this package wrote: KeyError"),
)
WINDOWS = (
    ('"start_s": ', '"start_s": "soon", "was": ', "'soon' is no float"),
    ('"energy_low_j": ', '"energy_low": ', "'energy_low_j' is missing"),
    ('"complete": true', '"complete": 1', "'1' is no bool"),
    ('"trial": {', '"trial": [], "was": {', "Trial"),
    ("{", "[", "not those that this package wrote"),
)


def test_a_result_that_was_changed_is_one_error(tmp_path: Path) -> None:
    """Re-analysis names the file, the part of it and the value, in the document as in the marks of the timeline."""
    import polars

    result = saved(tmp_path)
    text = (result / "result.json").read_text()
    for changed, message in DOCUMENTS:
        written(result / "result.json", json.dumps({**json.loads(text), **changed}))
        with pytest.raises(ConfigError, match=message) as error:
            reanalyse(result)
        assert "measure again" in (error.value.remedy or "")
    written(result / "result.json", text)
    file = result / "timeline.parquet"
    timeline = polars.read_parquet(file)
    for before, after, message in WINDOWS:
        timeline.with_columns(polars.col("detail").str.replace(before, after, literal=True)).write_parquet(file)
        with pytest.raises(ConfigError, match=message) as error:
            reanalyse(result)
        assert str(result) in str(error.value)
