"""Files are written whole or not at all, and read back whichever version wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_energy_benchmarks.domain.result import SCHEMA_VERSION
from ai_energy_benchmarks.errors import ConfigError, ReporterError
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reading import load_results
from ai_energy_benchmarks.results.writing import check_directory, replacing, write_text
from tests.factories import result


def test_a_file_is_made_with_its_directories(tmp_path: Path):
    """Missing directories are no error."""
    write_text(tmp_path / "a" / "b" / "file.txt", "±\n")
    assert (tmp_path / "a" / "b" / "file.txt").read_text(encoding="utf-8") == "±\n"


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path):
    """Ctrl-C while writing keeps what was there and leaves no half file."""
    place = tmp_path / "file.txt"
    place.write_text("old")

    def interrupted() -> None:
        with replacing(place) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert place.read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path):
    """The file behind a link is replaced, not the link."""
    (tmp_path / "shared").mkdir()
    link = tmp_path / "file.txt"
    link.symlink_to(tmp_path / "shared" / "file.txt")
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "shared" / "file.txt").read_text() == "new"


def test_what_cannot_be_written_is_named_with_a_cure(tmp_path: Path):
    """A file where a directory should be gives one error that names the file wanted."""
    (tmp_path / "taken").write_text("")
    place = tmp_path / "taken" / "result.json"
    with pytest.raises(ReporterError) as caught:
        write_text(place, "text")
    assert str(place) in caught.value.message
    assert caught.value.remedy


def test_a_full_disk_is_named(tmp_path: Path):
    """What the system says of a full disk reaches the user."""

    def full() -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_bytes(b"x" * 100_000)

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(ReporterError, match="No space left"):
        full()
    assert list(tmp_path.iterdir()) == []


def test_a_lone_surrogate_does_not_cost_the_file(tmp_path: Path):
    """A text that UTF-8 cannot hold is written with a question mark."""
    write_text(tmp_path / "file.txt", "a\ud800b")
    assert (tmp_path / "file.txt").read_text() == "a?b"


def test_the_json_reporter_writes_document_and_config(tmp_path: Path):
    """``result.json`` is the report document, ``config.yaml`` the config as resolved."""
    found = result()
    files = JsonReporter.from_settings(ReporterSettings(tmp_path / "run")).report(found)
    assert files == (tmp_path / "run" / "result.json", tmp_path / "run" / "config.yaml")
    assert json.loads(files[0].read_text(encoding="utf-8")) == report_document(found)
    assert files[1].read_text(encoding="utf-8") == found.config_yaml


def test_the_json_reporter_takes_a_file_of_the_users_choice(tmp_path: Path):
    """``output_file`` names the document; the config goes beside it."""
    settings = ReporterSettings(tmp_path, tmp_path / "elsewhere" / "mine.json")
    assert JsonReporter.from_settings(settings).report(result()) == (
        tmp_path / "elsewhere" / "mine.json",
        tmp_path / "elsewhere" / "config.yaml",
    )


def write_run(directory: Path, **changes: object) -> Path:
    document = {**report_document(result()), **changes}
    write_text(directory / "result.json", json.dumps(document))
    return directory


def test_results_load_from_file_directory_and_directory_of_directories(tmp_path: Path):
    """The same documents come back however they are pointed at, in the order of their start."""
    late = write_run(tmp_path / "a", started_utc="2025-02-01T00:00:00+00:00", name="late")
    write_run(tmp_path / "b", started_utc="2025-01-01T00:00:00+00:00", name="early")
    assert [each["name"] for each in load_results(late / "result.json")] == ["late"]
    assert [each["name"] for each in load_results(str(late))] == ["late"]
    assert [each["name"] for each in load_results(tmp_path)] == ["early", "late"]


def test_version_1_loads(tmp_path: Path):
    """The first published version of the document still loads."""
    (document,) = load_results(write_run(tmp_path, schema_version=1))
    assert document["schema_version"] == 1


def test_a_newer_version_is_refused_with_a_cure(tmp_path: Path):
    """A document of a later package is not half understood; the error names file and version and how to upgrade."""
    directory = write_run(tmp_path, schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(ConfigError) as caught:
        load_results(directory)
    assert str(directory / "result.json") in caught.value.message
    assert f"schema_version {SCHEMA_VERSION + 1}" in caught.value.message
    assert "upgrade" in (caught.value.remedy or "")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema_version": "1"}', '{"schema_version": true}'])
def test_what_is_no_report_document_is_refused(tmp_path: Path, text: str):
    """Broken JSON and JSON of another kind are one clear error that names the file."""
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ConfigError, match=r"result\.json"):
        load_results(tmp_path)


def test_no_result_is_an_error(tmp_path: Path):
    """An empty directory and a missing file are told apart from a broken one."""
    with pytest.raises(ConfigError, match=r"holds no result\.json"):
        load_results(tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        load_results(tmp_path / "missing.json")


def test_a_directory_is_tried_before_anything_is_measured(tmp_path: Path) -> None:
    """One that can be made is not left behind; one below a file is refused by name."""
    check_directory(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ReporterError, match="file"):
        check_directory(tmp_path / "file" / "out")
