"""A directory that somebody else has made: nothing in it is run because a command is started there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ai_energy_benchmarks.machine.interpreter import module_command
from tests.functional.commands import command

EVIL = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()\n"
NAMES = ("attrs", "click", "yaml", "rich", "polars", "json", "sitecustomize", "csv")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Modules with the names of what this package imports, and git settings that name a program."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(EVIL)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand"):
        subprocess.run(["git", "config", name, f"touch {tmp_path}/git.ran; false"], cwd=tmp_path, check=True)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "core.fsmonitor=false"]
    subprocess.run(["git", *identity, "add", "csv.py"], cwd=tmp_path, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "Test"], cwd=tmp_path, check=True)
    (tmp_path / "b.yaml").write_text(
        "backend: {type: openai, model: m, endpoint: 'http://127.0.0.1:9/v1'}\nmetrics: {enabled: false}\n"
        "protocol: {bare_idle_s: 0}\n"
    )
    return tmp_path


def test_validate_and_run_start_nothing_of_it(tree: Path) -> None:
    """Neither its git settings nor its modules."""
    assert command("validate", "b.yaml", cwd=tree).code == 0
    assert command("run", "b.yaml", cwd=tree).code == 1
    assert [each.name for each in tree.glob("*.ran")] == []


def test_processes_that_the_package_starts_import_nothing_of_it(tree: Path) -> None:
    """Though the interpreter is started there."""
    done = subprocess.run(
        module_command("ai_energy_benchmarks", "list"), cwd=tree, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "pytorch" in done.stdout) == (0, True), done
    assert [each.name for each in tree.glob("*.ran")] == []
    assert module_command("a.b", "c")[0] == sys.executable
