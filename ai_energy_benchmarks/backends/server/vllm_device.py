"""Whether a vLLM server runs on a CPU: by its version, the log of a launched one, or what its processes have loaded."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from ai_energy_benchmarks.machine.processes import PROC, processes, tree
from ai_energy_benchmarks.machine.programs import mapped_files

# Builds for CPUs add it to the version that /version returns (get_vllm_version in vLLM's setup.py); wheels that were
# renamed for a package index may have lost it.
_CPU_VERSION = re.compile(r"[+.]cpu\b")
# The first is in the line "Initializing a V1 LLM engine", which every engine logs; the second is an older version's.
_CPU_LOG = ("device_config=cpu", "Automatically detected platform cpu")
# Its compiled kernels, which every engine process loads, and the libraries through which PyTorch reaches a GPU.
_KERNELS = "/vllm/_C"
_GPU_LIBRARIES = ("libcuda.so", "libtorch_cuda.so", "libamdhip64.so", "libtorch_hip.so", "libtorch_xpu.so")


def on_cpu(version: str | None, log: Path | None, process_ids: Collection[int], proc: Path = PROC) -> bool:
    """Whether the server is known to run on a CPU; false where nothing says so.

    Args:
        version: as the server reports it; more around it does no harm.
        log: of a launched server.
        process_ids: its first processes on this machine.
    """
    if version is not None and _CPU_VERSION.search(version):
        return True
    if log is not None and _says_cpu(log):
        return True
    pids = tree(process_ids, processes(proc)) if process_ids else ()
    mapped = "\n".join(mapped_files(pid, proc) for pid in pids)
    return _KERNELS in mapped and not any(name in mapped for name in _GPU_LIBRARIES)


def _says_cpu(log: Path) -> bool:
    try:
        with log.open(errors="replace") as lines:
            return any(sign in line for line in lines for sign in _CPU_LOG)
    except OSError:
        return False
