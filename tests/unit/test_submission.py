"""A submitted result can be checked by others: every byte, and every figure from its raw series."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.reading import load_document
from ai_energy_benchmarks.results.submission import SUMS_FILE, submit, verify
from tests.unit.test_survival import asked, bench


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A completed run on fakes, with all files."""
    directory = tmp_path_factory.mktemp("run")
    bench(asked(directory)).runner.run()
    return directory


@pytest.fixture
def submission(run: Path, tmp_path: Path) -> Path:
    """The run as submitted."""
    submit(run, tmp_path / "submission")
    return tmp_path / "submission"


def version_of(directory: Path) -> str:
    """The version that measured a result."""
    return str(load_document(directory / "result.json")["environment"]["package_version"])


def test_a_submission_holds(submission: Path) -> None:
    """Hashes and figures are confirmed, by this package and by sha256sum alone."""
    assert verify(submission, version_of(submission)).holds
    subprocess.run(["sha256sum", "--check", "--strict", SUMS_FILE], cwd=submission, check=True, capture_output=True)


def test_a_submission_has_what_is_needed_and_nothing_else(submission: Path) -> None:
    """The journal, logs and other runs of the directory stay where they are."""
    assert {path.name for path in submission.iterdir()} == {
        *("result.json", "config.yaml", "requests.parquet", "timeline.parquet", "benchmark_results.csv"),
        *("README.md", SUMS_FILE),
    }


@pytest.mark.parametrize(
    "name",
    ["result.json", "config.yaml", "requests.parquet", "timeline.parquet", "benchmark_results.csv", "README.md"],
)
def test_one_changed_byte_in_any_file_is_found(submission: Path, name: str) -> None:
    """The file is named, and nothing is recomputed from it."""
    version = version_of(submission)
    content = bytearray((submission / name).read_bytes())
    content[len(content) // 2] ^= 1
    (submission / name).write_bytes(content)
    found = verify(submission, version)
    assert found.changed == (f"{name} has changed",)
    assert not found.holds


def test_a_changed_figure_with_a_new_hash_is_found(submission: Path) -> None:
    """Whoever changes a figure and its hash together is found by the raw series."""
    file = submission / "result.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    document["trials"][0]["duration_s"] *= 1 + 1e-6
    file.write_text(json.dumps(document), encoding="utf-8")
    sums = submission / SUMS_FILE
    after = hashlib.sha256(file.read_bytes()).hexdigest()
    sums.write_text(sums.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    found = verify(submission, version_of(submission))
    assert found.changed == ()
    assert found.figures == ("trials[0].duration_s",)


def test_missing_and_added_files_are_found(submission: Path) -> None:
    """A file that was taken away or put there is named; one outside of the directory is no file of it."""
    (submission / "config.yaml").unlink()
    (submission / "extra.txt").touch()
    with (submission / SUMS_FILE).open("a", encoding="utf-8") as sums:
        sums.write("0" * 64 + "  ../outside\n")
    changed = verify(submission, version_of(submission)).changed
    assert set(changed) == {"config.yaml is missing", "extra.txt was added", "../outside is missing"}


def test_another_version_does_not_recompute(submission: Path) -> None:
    """It checks the bytes and names the version that can check the figures."""
    found = verify(submission, "99.0")
    assert found.changed == ()
    assert "pip install ai_energy_benchmarks==" in (found.not_recomputed or "")
    assert not found.holds


def test_a_run_that_cannot_be_checked_is_not_submitted(run: Path, tmp_path: Path) -> None:
    """A result without its raw series is refused with what is missing."""
    (tmp_path / "result.json").write_bytes((run / "result.json").read_bytes())
    with pytest.raises(ConfigError) as caught:
        submit(tmp_path, tmp_path / "submission")
    assert "has no config.yaml, requests.parquet, timeline.parquet" in caught.value.message
    assert not (tmp_path / "submission").exists()
