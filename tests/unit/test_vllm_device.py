"""How a vLLM server is known to run on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.server.vllm_device import on_cpu
from tests.fake_proc import FakeProc

KERNELS = "7f00 r-xp 0 08:01 1 /venv/lib/python3.12/site-packages/vllm/_C_AVX512.abi3.so\n"
CUDA = "7f01 r-xp 0 08:01 2 /venv/lib/python3.12/site-packages/torch/lib/libtorch_cuda.so\n"


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.11.0+cpu", True), ("0.11.1rc6.dev158+gc3ee80a01.d20251106.cpu", True), ("0.11.0", False), (None, False)],
)
def test_a_build_for_cpus_names_them_in_its_version(version: str | None, expected: bool) -> None:
    """A release with CPU kernels, one built from source, one for CUDA, and a server without a version."""
    assert on_cpu(version, None, ()) is expected


@pytest.mark.parametrize(("device", "expected"), [("cpu", True), ("cuda", False)])
def test_the_engine_of_a_launched_server_logs_its_device(device: str, expected: bool, tmp_path: Path) -> None:
    """Wheels for a package index have no CPU in their version; the log has the engine's whole config."""
    log = tmp_path / "server.log"
    log.write_text(
        f"INFO [core.py:134] Initializing a V1 LLM engine (v0.32.0) with config: device_config={device}, x\n"
    )
    assert on_cpu("0.32.0", log, ()) is expected


@pytest.mark.parametrize(("mapped", "expected"), [(KERNELS, True), (KERNELS + CUDA, False), (CUDA, False), ("", False)])
def test_a_running_server_shows_what_it_has_loaded(mapped: str, expected: bool, tmp_path: Path) -> None:
    """Its kernels without a library of a GPU are a CPU's; a process that is no engine says nothing."""
    proc = FakeProc(tmp_path / "proc")
    proc.add(10, 1, "vllm")
    engine = proc.add(11, 10, "VLLM::EngineCore")
    (engine / "maps").write_text(mapped)
    assert on_cpu("0.32.0", None, (10,), proc.root) is expected
