"""What scripts/perf/metering.py stands on: the simulated library, the peers' environments, meters in processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from platformdirs import user_cache_path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))  # for the simulated boards, which are the tests'

from tests.nvml.simulated import Board, Machine, compile_library  # noqa: E402

PEERS = {"zeus": "zeus==0.16.0", "codecarbon": "codecarbon==3.3.2"}


def environments(given: Mapping[str, Path | None]) -> tuple[dict[str, Path], dict[str, str]]:
    """An interpreter for each meter, made once where none is given; and why a peer has none."""
    pythons, missing = {"ours": Path(sys.executable)}, {}
    for name, requirement in PEERS.items():
        directory = user_cache_path("ai_energy_benchmarks") / f"perf-{name}"
        python = given.get(name) or directory / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        if not _has(python, name):
            command = [str(python), "-m", "pip", "install", "--quiet", requirement]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                missing[name] = f"{requirement} cannot be installed: {done.stderr.strip()[-200:]}"
                continue
        pythons[name] = python
    return pythons, missing


def _has(python: Path, module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


@frozen
class Simulation:
    """The compiled library and a place for the files that describe boards."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Simulation:
        """Compile the library; with an ``nvidia-smi`` beside it, which CodeCarbon looks for.

        Raises:
            SystemExit: there is no C compiler.
        """
        compiler = shutil.which("cc")
        if compiler is None:
            raise SystemExit("the simulated boards need a C compiler, cc")
        compile_library(compiler, directory)
        tool = directory / "nvidia-smi"
        tool.write_text("#!/bin/sh\nexit 0\n")
        tool.chmod(0o755)
        return cls(directory)

    def machine(self, boards: Sequence[Board]) -> Machine:
        """Boards whose time starts now, for all meters opened from now on."""
        machine = Machine(tuple(boards), time.perf_counter())
        machine.write(self.directory / "boards")
        return machine

    @contextmanager
    def meter(self, name: str, python: Path, **environment: str) -> Iterator[Meter]:
        """A meter's process, not yet opened."""
        path = f"{self.directory}{os.pathsep}{os.environ.get('PATH', '')}"
        settings = {"SIMULATED_NVML": str(self.directory / "boards"), "LD_LIBRARY_PATH": str(self.directory)}
        # A home of its own: no meter finds settings or locks of another run.
        settings |= {"PATH": path, "HOME": str(self.directory), "TMPDIR": str(self.directory)} | environment
        kept = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        command = [str(python), str(HERE / "metering_child.py"), name]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=kept | settings
        ) as process:
            try:
                yield Meter(name, process)
            finally:
                assert process.stdin is not None
                process.stdin.close()


@frozen
class Meter:
    """The controlling end of a meter's process."""

    name: str
    process: subprocess.Popen[str]

    def send(self, *command: object) -> None:
        """Give a command; the answer is fetched later."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The answer to the oldest command; an error if the process has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {"error": "the process died"}
        return found

    def ask(self, *command: object) -> dict[str, Any]:
        """Give a command and wait for its answer."""
        self.send(*command)
        return self.answer()
