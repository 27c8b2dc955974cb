"""The manifest of a study: events that are only added, and what they come to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import ConfigError, ReporterError
from ai_energy_benchmarks.study.cells import Cell, cell_id, config_hash, read_cells, write_cells
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE, has_begun, read_manifest
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter

OPENED = {"schema_version": 1, "study_sha256": "ab", "seed": 7, "environment": {"python": "3"}}


def start(writer: ManifestWriter, cell: str, cycle: int = 1, attempt: int = 1) -> None:
    writer.add("started", cell=cell, cycle=cycle, position=0, attempt=attempt, directory=f"cells/{cell}/{cycle}",
               gap_s=1.5, gate="", gpus=["GPU-1"])  # fmt: skip


def end(writer: ManifestWriter, cell: str, state: str = "completed", attempt: int = 1) -> None:
    writer.add("ended", cell=cell, cycle=1, position=0, attempt=attempt, directory=f"cells/{cell}/1", state=state,
               verdict="PASS", reason="", exit_code=0, wall_s=2.0)  # fmt: skip


def test_events_come_back_as_attempts(tmp_path: Path) -> None:
    """The last attempt of a cell counts; one that was killed has no state."""
    with ManifestWriter(tmp_path) as writer:
        writer.add("opened", **OPENED)
        writer.add("cycle", cycle=1, seed=3, order=["b", "a"])
        start(writer, "b")
        end(writer, "b", "failed")
        start(writer, "b", attempt=2)
        end(writer, "b", attempt=2)
        start(writer, "a")
    manifest = read_manifest(tmp_path)
    assert (manifest.orders, manifest.order_seeds, manifest.seed) == ({1: ("b", "a")}, {1: 3}, 7)
    assert [(each.cell, each.number, each.state) for each in manifest.attempts] == [
        ("b", 1, "failed"),
        ("b", 2, "completed"),
        ("a", 1, None),
    ]
    assert manifest.latest["b", 1].wall_s == 2.0
    assert [each.gap_s for each in manifest.completed("b")] == [1.5]
    assert (manifest.completed("a"), manifest.closed) == ((), None)


def test_a_line_that_a_crash_cut_short_is_no_event(tmp_path: Path) -> None:
    """At whatever byte it ends, all before it is read, and the next event begins a line of its own."""
    with ManifestWriter(tmp_path) as writer:
        writer.add("opened", **OPENED)
        start(writer, "a")
    file = tmp_path / MANIFEST_FILE
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        file.write_bytes(whole[:length])
        assert read_manifest(tmp_path).attempts == ()
        with ManifestWriter(tmp_path) as writer:
            start(writer, "a")
        assert len(read_manifest(tmp_path).attempts) == 1


def test_a_full_disk_leaves_no_part_of_an_event(tmp_path: Path) -> None:
    """The file may not grow any more (setrlimit(2), RLIMIT_FSIZE): what was written is whole, and more fits later."""
    code = f"""
import resource, signal
from pathlib import Path
from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with ManifestWriter(Path({str(tmp_path)!r})) as writer:
    writer.add("opened", schema_version=1, study_sha256="ab", seed=7, environment={{}})
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
    try:
        writer.add("closed", reason="x" * 200)
    except ReporterError as error:
        print(error.message)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.add("closed", reason="disk")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "manifest.jsonl: " in done.stdout
    assert read_manifest(tmp_path).closed == "disk"


def test_a_study_has_begun_with_its_first_whole_event(tmp_path: Path) -> None:
    """Killed before that, it is begun once more."""
    assert not has_begun(tmp_path)
    (tmp_path / MANIFEST_FILE).write_text('{"event": "opened"')
    assert not has_begun(tmp_path)
    with ManifestWriter(tmp_path) as writer:
        writer.add("opened", **OPENED)
    assert has_begun(tmp_path)


@pytest.mark.parametrize("line", ["{", '{"event": "started"}', "[]", '{"event": "ended", "cell": "x"}'])
def test_another_broken_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    """A crash breaks the last line alone, so anything else is damage."""
    with ManifestWriter(tmp_path) as writer:
        writer.add("opened", **OPENED)
    with (tmp_path / MANIFEST_FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigError, match=r"manifest\.jsonl, line 2 is not an event"):
        read_manifest(tmp_path)


def test_a_study_runs_once_at_a_time(tmp_path: Path) -> None:
    """A second process on the same directory is refused."""
    with (
        ManifestWriter(tmp_path),
        pytest.raises(ReporterError, match="is running already"),
        ManifestWriter(tmp_path),
    ):
        pass


def test_a_newer_manifest_is_refused(tmp_path: Path) -> None:
    """It may hold what this version misreads."""
    with ManifestWriter(tmp_path) as writer:
        writer.add("opened", **{**OPENED, "schema_version": 99})
    with pytest.raises(ConfigError, match="schema_version 99"):
        read_manifest(tmp_path)


def test_cells_survive_a_round_trip(tmp_path: Path) -> None:
    """With settings of every plain type."""
    cells = (
        Cell("a", "x=1", {"x": 1, "y": None, "z": [1.5, "ä"], "w": {"k": True}}, "pytorch", "ff"),
        Cell("b", "", {}, "vllm", "ee"),
    )
    write_cells(tmp_path, cells)
    assert read_cells(tmp_path) == cells


def test_an_id_is_a_file_name_and_depends_on_the_config() -> None:
    """Whatever the label holds; name and output directory change nothing."""
    one = config_hash({"backend": {"type": "pytorch", "model": "org/x"}, "name": "a", "output_dir": "o"})
    same = config_hash({"output_dir": "p", "backend": {"model": "org/x", "type": "pytorch"}})
    assert one == same != config_hash({"backend": {"type": "pytorch", "model": "org/y"}})
    assert cell_id("model=org/x, batch_size=4", "0123456789") == "model=org_x_batch_size=4-01234567"
    assert cell_id("", "0123456789") == "01234567"
    assert len(cell_id("x" * 999, "0123456789")) < 150


def test_a_directory_may_be_given_as_text(tmp_path: Path) -> None:
    """The documented calls take ``str`` as they take ``Path``."""
    with ManifestWriter(tmp_path) as writer:
        writer.add("opened", **OPENED)
    write_cells(tmp_path, [Cell("a", "x=1", {"x": 1}, "fake", "0")])
    assert read_manifest(str(tmp_path)) == read_manifest(tmp_path)
    assert read_cells(str(tmp_path)) == read_cells(tmp_path)


def test_a_directory_without_a_study_is_named_with_the_studies_in_it(tmp_path: Path) -> None:
    """What does not exist, what holds nothing, and the parent of a study each have their own sentence and fix."""
    with pytest.raises(ConfigError, match=r"there is no directory .*nowhere") as absent:
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds no study"):
        read_manifest(tmp_path)
    with ManifestWriter(tmp_path / "mine") as writer:
        writer.add("opened", **OPENED)
    with pytest.raises(ConfigError) as parent:
        read_manifest(tmp_path)
    assert "give the directory of a study" in str(absent.value.remedy)
    assert parent.value.remedy == f"give one of the studies in it: {tmp_path / 'mine'}"


def test_a_study_that_never_began_is_named_as_such(tmp_path: Path) -> None:
    """Its manifest is there and empty: what was in its way, such as a missing cluster, came before the first event."""
    (tmp_path / "manifest.jsonl").touch()
    with pytest.raises(ConfigError, match="never began") as caught:
        read_manifest(tmp_path)
    assert caught.value.remedy == "run its file again"
