"""The simulated library, compiled once and loaded by the real binding."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from tests.nvml.simulated import Board, Machine, compile_library

Simulate = Callable[..., Machine]


@pytest.fixture(scope="session")
def simulated_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library, already in this process: the loader gives it to whoever asks for its name."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the simulated NVML needs Linux and a C compiler")
    if pynvml.nvmlLib is not None:
        pytest.skip("a real NVML is already loaded into this process")
    library = compile_library(compiler, tmp_path_factory.mktemp("nvml"))
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    return library


def _forget() -> None:
    """Some users of the library never close it, and it reads its file only when it is opened."""
    with contextlib.suppress(pynvml.NVMLError):
        gc.collect()  # some close it when they are collected, which would be in the middle of the next test
        gc.freeze()  # once PyTorch is imported, each of these walks would take half a second over what stays anyway
        while True:
            pynvml.nvmlShutdown()


def simulating(library: Path, directory: Path, patch: pytest.MonkeyPatch) -> Simulate:
    """The function that makes a machine of the given GPUs, whose time starts now.

    Args:
        library: the fixture ``simulated_library``.
        directory: where the files of the simulation go.
        patch: takes the simulation away at its end; a fixture of a module enters ``pytest.MonkeyPatch.context()``.
    """

    def make(*boards: Board, gone_at_s: float = math.inf, permitted: bool = True) -> Machine:
        _forget()
        files = [directory / name for name in ("work", "draw", "settings")]
        files[2].unlink(missing_ok=True)  # another machine
        machine = Machine(boards, time.perf_counter(), gone_at_s, *files, permitted=permitted)
        machine.write(directory / "boards")
        patch.setenv("SIMULATED_NVML", str(directory / "boards"))
        patch.setenv("AEB_STATE_DIR", str(directory / "state"))  # of the notes on GPUs that are set otherwise
        patch.setenv("LD_LIBRARY_PATH", str(library.parent))  # for child processes
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return machine

    return make


@pytest.fixture
def simulate(simulated_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """Make a machine of the given GPUs for one test; see ``simulating`` for many tests that read one run."""
    return simulating(simulated_library, tmp_path, monkeypatch)
