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
        while True:
            pynvml.nvmlShutdown()


@pytest.fixture
def simulate(simulated_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """Make a machine of the given boards, whose time starts now."""

    def make(*boards: Board, gone_at_s: float = math.inf) -> Machine:
        _forget()
        machine = Machine(boards, time.perf_counter(), gone_at_s, tmp_path / "work")
        machine.write(tmp_path / "boards")
        monkeypatch.setenv("SIMULATED_NVML", str(tmp_path / "boards"))
        monkeypatch.setenv("LD_LIBRARY_PATH", str(simulated_library.parent))  # for child processes
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return machine

    return make
