"""What users were told that works, each tried on the built wheel in a clean environment; rows of the rehearsal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import field, frozen
from packaging.version import Version

ENGINES = ("pytorch", "vllm", "tensorrt")
Environment = Callable[..., Path]


class BrokenPromiseError(Exception):
    """Something does not work as users were told."""


class SkippedRowError(Exception):
    """Something cannot be tried on this machine; the message says why."""


@frozen
class Promises:
    """Everything that can be tried of one wheel.

    Attributes:
        copy: a repository with its scripts.
        environment: makes a clean environment of a Python and packages and returns its Python.
        source: pip's arguments for an index that has the wheel, and the pins.
        kept: the Pythons of environments that later rows go on with, by extra.
    """

    wheel: Path
    copy: Path
    work: Path
    environment: Environment
    source: tuple[str | Path, ...]
    kept: dict[str, Path] = field(factory=dict)

    def rows(self, pythons: Sequence[str], *, core_only: bool) -> Iterator[tuple[str, Callable[[], str]]]:
        """The name and the trial of every promise; without those that bring torch if ``core_only``.

        Args:
            pythons: each gets a row with torch, but for the one that runs this, which tries it anyway.
        """
        yield "promise: unzip -l shows what is there and no tests", self.listing
        yield "promise: run without an engine names three", self.without_an_engine
        yield "promise: test_installation.sh on the wheel", self.test_installation
        yield "promise: build_wheel.sh without an active venv", lambda: self.build_wheel(active=False)
        yield "promise: build_wheel.sh in an active venv", lambda: self.build_wheel(active=True)
        for extra in ("dev",) if core_only else ("dev", "pytorch", "all"):
            yield f"promise: pip install FILE[{extra}]", lambda extra=extra: self.with_extra(extra)  # type: ignore[misc] # bound now
        for python in pythons:
            if Path(python).name != f"python3.{sys.version_info[1]}":
                yield f"promise: FILE[pytorch] with {Path(python).name}", lambda python=python: self.with_torch(python)  # type: ignore[misc] # bound now

    def listing(self) -> str:
        """The wheel as ``unzip -l`` lists it."""
        command = ["unzip", "-l"] if shutil.which("unzip") else [sys.executable, "-m", "zipfile", "-l"]
        listed = _run([*command, self.wheel])
        for name in ("ai_energy_benchmarks/config/reasoning_formats.yaml", "ai_energy_benchmarks/py.typed"):
            _need(name in listed, f"{name} is not in the wheel; see package-data in pyproject.toml")
        strays = [line.split()[-1] for line in listed.splitlines() if "tests/" in line]
        _need(not strays, f"{strays} belong into no wheel; exclude them in pyproject.toml")
        return f"{len(listed.splitlines())} lines"

    def without_an_engine(self) -> str:
        """``pip install FILE`` alone; ``run`` then fails and says what to install."""
        program = self.environment(sys.executable, *self.source, self.wheel).with_name("ai-energy-benchmark")
        done = subprocess.run(
            [program, "run", "--model", "Qwen/Qwen3-0.6B"], cwd=self.work, capture_output=True, text=True, check=False
        )
        _need(done.returncode == 2, f"exit code {done.returncode}, not 2: {done.stderr}")
        for extra in ENGINES:
            _need(f'pip install "ai_energy_benchmarks[{extra}]"' in done.stderr, f"{extra} is not named: {done.stderr}")
        return f"{len(ENGINES)} install lines"

    def test_installation(self) -> str:
        """The script that users have for it."""
        lines = _run([self.copy / "scripts" / "test_installation.sh", self.wheel], cwd=self.work).splitlines()
        done = [line for line in lines if line.startswith("ok ")]
        _need(len(done) >= 4, f"too few trials: {lines}")
        return f"{len(done)} trials"

    def build_wheel(self, *, active: bool) -> str:
        """From a directory that is not the repository; its last line is the wheel's path."""
        path = os.environ["PATH"].split(os.pathsep)
        variables = os.environ | {"VIRTUAL_ENV": sys.prefix}
        if not active:
            del variables["VIRTUAL_ENV"]
            path = [each for each in path if Path(each) != Path(sys.executable).parent]
        built = _run([self.copy / "build_wheel.sh"], cwd="/", env=variables | {"PATH": os.pathsep.join(path)})
        [line] = built.splitlines()
        _need(Path(line).is_file(), f"{line} is not there")
        return Path(line).name

    def with_extra(self, extra: str) -> str:
        """The file with an extra, or for PyTorch the requirement line that projects write."""
        wanted = f"{self.wheel}[{extra}]"
        if extra == "pytorch":
            version = Version(self.wheel.name.split("-")[1])
            line = f"ai-energy-benchmarks[pytorch]>={version},<{version.major}.{version.minor + 1}.0"
            (self.work / "requirements.txt").write_text(line + "\n", encoding="utf-8")
            found = self.environment(sys.executable, *self.source, "--requirement", self.work / "requirements.txt")
            wanted = line
        else:
            found = self.environment(sys.executable, *self.source, wanted)
        self._tried(found)
        if extra == "pytorch":
            self.kept[extra] = found
        else:
            shutil.rmtree(found.parents[1])
        return Path(wanted).name

    def with_torch(self, python: str) -> str:
        """The file with PyTorch, with a Python for which pip finds a build of the pinned torch for processors.

        Raises:
            SkippedRowError: there is none, and the default build would bring gigabytes of CUDA.
        """
        pins = (self.copy / "constraints.txt").read_text(encoding="utf-8")
        [torch] = re.findall(r"^torch==\S+", pins, re.MULTILINE)
        inside = self.environment(python)
        probe: list[str | Path] = [inside, "-m", "pip", "install", "--dry-run", "--no-deps", f"{torch}+cpu"]
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            shutil.rmtree(inside.parents[1])
            raise SkippedRowError(f"pip knows no {torch}+cpu for this Python; PIP_EXTRA_INDEX_URL can name an index")
        _run([inside, "-m", "pip", "install", "--quiet", *self.source, f"{torch}+cpu", f"{self.wheel}[pytorch]"])
        self._tried(inside)
        shutil.rmtree(inside.parents[1])
        return f"{torch}+cpu"

    def _tried(self, python: Path) -> None:
        """Neither pip nor the smoke tests find a fault."""
        _run([python, "-m", "pip", "check"])
        script = self.copy / "scripts" / "release" / "smoke.py"
        _run([python, "-I", script, self.wheel.name.split("-")[1]], cwd=self.work)


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenPromiseError(what)


def _run(command: list[str | Path], cwd: str | Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    _need(done.returncode == 0, f"{Path(command[0]).name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
