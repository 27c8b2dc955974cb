"""What would hang or eat the memory is one clear error: huge texts, pipes, devices, locks, forks, threads."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.alone import running_alone
from ai_energy_benchmarks.backends.server.file_limit import too_few_files
from ai_energy_benchmarks.cli.logs import set_up
from ai_energy_benchmarks.config.loading import config_from_yaml, load_config
from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.local import LocalDataset, LocalOptions
from ai_energy_benchmarks.errors import BackendError, ConfigError, DatasetError, ReporterError
from ai_energy_benchmarks.machine.forks import forked_with_threads
from ai_energy_benchmarks.results import table
from ai_energy_benchmarks.results.reading import load_document
from ai_energy_benchmarks.results.scores import read_scores
from ai_energy_benchmarks.study.batches.model_list import read_model_list
from ai_energy_benchmarks.text.yaml_limits import MOST_NODES
from tests.unit.test_runner_order import Bench, config

fcntl = pytest.importorskip("fcntl", reason="no locks and no pipes as files here")

HEAD = "backend: {type: pytorch, model: m}\n"


def bomb(kind: str) -> str:
    """Twelve levels of nine aliases each: 9¹² values in a kilobyte."""
    lines = ["a0: &b0 {l: 1}" if kind == "mapping" else "a0: &b0 [1]"]
    for level in range(1, 13):
        items = [f"k{n}: *b{level - 1}" if kind == "mapping" else f"*b{level - 1}" for n in range(9)]
        inside = ", ".join(items)
        lines.append(f"a{level}: &b{level} " + (f"{{{inside}}}" if kind == "mapping" else f"[{inside}]"))
    return "\n".join(lines) + "\nbackend: {type: pytorch, model: *b12}\n"


TOO_MUCH = {
    "aliases of mappings": (bomb("mapping"), "by its YAML aliases"),
    "aliases of lists": (bomb("list"), "by its YAML aliases"),
    "keys": (HEAD + "".join(f"k{n}: {n}\n" for n in range(100_000)), "at most|more than"),
    "a long list": (HEAD + f"x: [{', '.join(map(str, range(MOST_NODES)))}]", "more than 10,000"),
    "characters": (HEAD + f"name: {'x' * 2**20}", "at most 1,048,576"),
    **{
        f"{depth} levels": (f"{HEAD}x: {'[' * depth}{']' * depth}", "levels deep")
        for depth in (101, 300, 450, 700, 9999)
    },
    **{
        f"{depth} blocks": (HEAD + "".join(f"{' ' * n}a:\n" for n in range(depth)), "levels deep")
        for depth in (150, 450)
    },
}


@pytest.mark.parametrize(("text", "message"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_text_without_measure_is_one_short_error(text: str, message: str) -> None:
    """Before anything is copied or checked."""
    with pytest.raises(ConfigError, match=message) as caught:
        config_from_yaml(text)
    assert len(str(caught.value)) < 500


def test_thousands_of_unknown_keys_are_counted_not_listed() -> None:
    """The first ones by name, with their lines."""
    with pytest.raises(ConfigError, match=r"has 3,950 further keys that are not known") as caught:
        config_from_yaml(HEAD + "".join(f"k{n}: {n}\n" for n in range(4000)))
    assert "line 51: k49: is not a key" in str(caught.value)
    assert len(str(caught.value)) < 20_000


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.csv"
    os.mkfifo(path)
    return path


def prompts_of(path: Path) -> object:
    return LocalDataset(DatasetSettings(str(path), "text", 0, LocalOptions())).prompts(1, None)


@pytest.mark.parametrize(
    "read", [load_config, prompts_of, read_model_list, lambda path: read_scores([path]), load_document]
)
def test_pipes_and_devices_are_refused_as_inputs(read: object, pipe: Path, tmp_path: Path) -> None:
    """A pipe would wait for ever, and a device may never end; what a link leads to counts."""
    assert callable(read)
    link = tmp_path / "zero.csv"
    link.symlink_to("/dev/zero")
    for path in (pipe, link):
        with pytest.raises((ConfigError, DatasetError), match=r"a pipe|a device"):
            read(path)


def test_a_log_file_that_is_a_pipe_is_refused(pipe: Path) -> None:
    """It would wait for a reader."""
    logger = logging.getLogger("ai_energy_benchmarks")
    level, handlers = logger.level, list(logger.handlers)
    try:
        with pytest.raises(ConfigError, match="it is a pipe") as caught:
            set_up(0, pipe)
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)
    assert str(caught.value).count("fix:") == 1


def test_a_lock_that_another_holds_is_waited_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And then named; the table stays as it was."""
    monkeypatch.setattr(table, "_LOCK_PATIENCE_S", 0.1)
    file = tmp_path / "t.csv"
    table.append_row(file, {"a": "1"})
    before = file.read_bytes()
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ReporterError, match="another process has held its lock"):
            table.append_row(file, {"a": "2"})
    assert file.read_bytes() == before
    table.append_row(file, {"a": "2"})


def test_a_load_beyond_the_limit_of_open_files_is_refused_with_the_number_that_would_do() -> None:
    """Beforehand, not in the middle of the first trial."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert too_few_files(1) == ()
    (problem,) = too_few_files(soft)
    needed = int(problem.split("limit of ")[1].split()[0])
    assert soft < needed < soft + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        assert "ulimit -n" in too_few_files(256)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_benchmarks_in_two_threads_run_one_after_the_other() -> None:
    """Each would count the other's energy; with a server as engine they run side by side."""
    inside, most = 0, 0

    def run(in_process: bool) -> None:
        nonlocal inside, most
        with running_alone(in_process=in_process):
            inside += 1
            most = max(most, inside)
            time.sleep(0.05)
            inside -= 1

    for in_process, expected in ((True, 1), (False, 3)):
        most = 0
        threads = [threading.Thread(target=run, args=(in_process,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == expected


def _checked(answers: object) -> None:
    try:
        Bench(config()).runner.check()
    except BackendError as error:
        answers.send(str(error))  # type: ignore[attr-defined] # a connection
    else:
        answers.send("")  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux", reason="threads are seen in /proc")
def test_a_fork_after_nothing_but_an_import_is_none_of_ours(tmp_path: Path) -> None:
    """The frame library's threads of that moment are not those that a frame waits for."""
    code = """
import multiprocessing, sys
import polars
from ai_energy_benchmarks.machine.forks import forked_with_threads

def write():
    polars.DataFrame({"a": range(1000)}).write_parquet(sys.argv[1])
    assert polars.scan_parquet(sys.argv[1]).filter(polars.col("a") > 1).collect().height == 998
    assert not forked_with_threads()

child = multiprocessing.get_context("fork").Process(target=write)
child.start()
child.join(60)
sys.exit(child.exitcode)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=False, timeout=120)
    assert done.returncode == 0


def test_a_fork_of_a_process_with_frames_is_refused() -> None:
    """Its first Parquet file would never be written; the parent goes on."""
    import polars

    polars.DataFrame({"a": range(100_000)}).lazy().filter(polars.col("a") > 1).collect()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_checked, args=(theirs,))
    child.start()
    assert "was forked after its parent" in ours.recv()
    child.join()
    assert not forked_with_threads()
