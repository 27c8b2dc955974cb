"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from array import array
from pathlib import Path

import pytest

from ai_energy_benchmarks.machine.memory import give_back


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_between_pieces_in_use_goes_back() -> None:
    """Of 64 MB in small pieces every second eighth stays in use; most of the others leave the process."""
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("this C library has no malloc_trim")
    pieces = [array("d", bytes(32_000)) for _ in range(2000)]
    kept = pieces[::8]
    del pieces
    before_bytes = _resident_bytes()
    give_back()
    assert before_bytes - _resident_bytes() > 20e6
    assert len(kept) == 250
