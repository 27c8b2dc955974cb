"""The snapshot of a machine."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import attrs
import pytest

from ai_energy_benchmarks.environment import software
from ai_energy_benchmarks.environment.boards import look_for_boards
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.environment.work_tree import git_revision

SECRET = "aeb-test-secret-3f9c"


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one\n")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "Test")
    return tmp_path


def test_a_clean_repository_is_its_commit(repository: Path) -> None:
    """Forty digits, also where a tag would give a shorter name."""
    git(repository, "tag", "v1")
    assert git_revision(repository) == git(repository, "rev-parse", "HEAD")


def test_changes_are_told(repository: Path) -> None:
    """A changed file makes the revision dirty; one that git does not know does not."""
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "new").write_text("")
    assert git_revision(repository) == commit
    (repository / "file").write_text("two\n")
    assert git_revision(repository) == f"{commit}+dirty"


@pytest.mark.parametrize(
    "settings",
    [
        {"core.fsmonitor": "{program}"},
        {"core.hooksPath": "{hooks}", "core.untrackedCache": "true"},
        {"filter.evil.clean": "{program}", "filter.evil.required": "true"},
        {"filter.evil.process": "{program}"},
        {"core.pager": "{program}", "pager.status": "true", "core.editor": "{program}", "core.sshCommand": "{program}"},
        {"status.submoduleSummary": "true", "alias.status": "!{program}", "alias.rev-parse": "!{program}"},
        {"extensions.partialClone": "origin", "remote.origin.url": "ext::{program}", "protocol.ext.allow": "always"},
    ],
)
def test_settings_of_the_work_tree_start_no_program(repository: Path, settings: dict[str, str]) -> None:
    """Whoever made the directory would otherwise decide what runs here; the commit is known all the same."""
    hooks = repository / "hooks"
    hooks.mkdir()
    program, trace = hooks / "post-index-change", repository / "trace"
    program.write_text(f"#!/bin/sh\necho run >> {trace}\ncat\n")
    program.chmod(0o755)
    (repository / ".gitattributes").write_text("* filter=evil\n")
    for name, value in settings.items():
        git(repository, "config", name, value.format(program=program, hooks=hooks))
    (repository / "file").write_text("ONE\n")
    revision = git_revision(repository)
    assert not trace.exists(), trace.read_text()
    assert revision is not None
    assert revision.endswith("+dirty")


def test_outside_a_repository_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor without git, nor where git takes too long."""
    assert git_revision(tmp_path) is None
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    started_s = time.perf_counter()
    assert git_revision(tmp_path) is None
    assert time.perf_counter() - started_s < 10
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert git_revision(tmp_path) is None


def test_versions_are_those_of_the_metadata() -> None:
    """Installed libraries are listed with their versions, others are left out."""
    found = software.library_versions()
    assert found["polars"] == version("polars")
    assert set(found) <= set(software.LIBRARIES)
    assert software.installed_version("no-such-distribution-as-this") is None


def test_a_distribution_without_a_version_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that was cut short leaves metadata without a version behind."""
    (tmp_path / "zeus-1.0.dist-info").mkdir()
    (tmp_path / "zeus-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: zeus\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "zeus" not in software.library_versions()


def test_no_library_is_imported() -> None:
    """A snapshot loads none of the libraries whose versions it tells, except the binding of NVML."""
    code = (
        "import sys; from ai_energy_benchmarks.environment.snapshot import take_snapshot; take_snapshot();"
        "print(sorted({'torch', 'transformers', 'numpy', 'polars', 'datasets', 'vllm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_this_machine_can_be_described() -> None:
    """What every machine tells is there."""
    seen = take_snapshot()
    assert seen.platform == platform.platform()
    assert seen.python == platform.python_version()
    assert seen.package_version == version("ai_energy_benchmarks")
    assert seen.cpu_threads


def test_nothing_secret_or_personal_is_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No value of an environment variable, no home directory, no user, no host name."""
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "KUBERNETES_SERVICE_HOST", "HOME"):
        monkeypatch.setenv(name, f"/{SECRET}/{name}")
    monkeypatch.chdir(tmp_path)
    text = json.dumps(attrs.asdict(take_snapshot()))
    assert SECRET not in text
    assert str(tmp_path) not in text
    words = {getpass.getuser(), socket.gethostname()} - {"root", "localhost"}
    assert not {word for word in words if len(word) > 3 and f'"{word}"' in text}


def test_another_package_in_the_place_of_the_binding_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module ``pynvml`` without NVML's functions gives a reason, not an exception."""
    (tmp_path / "pynvml.py").write_text("smi = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    seen = look_for_boards()
    assert seen.boards == ()
    assert "shadows" in str(seen.problem)
    monkeypatch.delitem(sys.modules, "pynvml")


def test_variables_that_change_clocks_and_speed_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With their values; others, empty ones, and values that could be a path or a secret are not repeated."""
    for name in software.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert take_snapshot().variables == {}
    monkeypatch.setenv("CUDA_DISABLE_PERF_BOOST", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aaaa1111-0000,3")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "")
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", f"/home/{SECRET}")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    seen = take_snapshot().variables
    assert seen == {
        "CUDA_DISABLE_PERF_BOOST": "1",
        "CUDA_VISIBLE_DEVICES": "GPU-aaaa1111-0000,3",
        "PYTORCH_CUDA_ALLOC_CONF": "set",
    }
