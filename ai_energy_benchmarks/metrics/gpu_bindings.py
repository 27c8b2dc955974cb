"""What identifies a GPU of a library such as Zeus: its UUID, its processes, and the index that this process uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from attrs import define

from ai_energy_benchmarks.domain.power import Device
from ai_energy_benchmarks.machine.nvml import binding
from ai_energy_benchmarks.metrics.gpu_choice import Gpu
from ai_energy_benchmarks.metrics.nvml.visible import visible

# Objects of these libraries, each around a handle of the vendor's binding, have no types.
LibraryGpu = Any


def is_nvidia(gpu: LibraryGpu) -> bool:
    """Whether it is NVIDIA's: both Zeus and CodeCarbon name the maker in their classes."""
    return "nvidia" in type(gpu).__name__.lower()


def described(gpu: LibraryGpu, device_id: str, label: str) -> Gpu:
    """The GPU with what the vendor's binding reports of it.

    A UUID is taken of NVIDIA's GPUs only: AMD's binding and torch write AMD's differently, so those are matched by
    their index.
    """
    handle = gpu.handle
    if is_nvidia(gpu):
        return _nvidia(handle, device_id, label)
    return Gpu(device_id, label, process_ids=lambda: _amd_processes(handle))


def _nvidia(handle: object, device_id: str, label: str) -> Gpu:
    nvml = binding()

    def process_ids() -> frozenset[int] | None:
        try:
            return frozenset(process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        except nvml.NVMLError:
            return None

    try:
        uuid = nvml.nvmlDeviceGetUUID(handle)
    except nvml.NVMLError:
        uuid = None
    return Gpu(device_id, label, uuid, process_ids)


def _amd_processes(handle: object) -> frozenset[int] | None:
    """Processes by ``amdsmi_get_gpu_process_list`` (AMD SMI's Python API); None where it cannot be asked."""
    try:
        amdsmi = import_module("amdsmi")
    except (ImportError, OSError, KeyError):  # KeyError: it looks for its library in variables that may be unset
        return None
    try:
        return frozenset(process["pid"] for process in amdsmi.amdsmi_get_gpu_process_list(handle))
    except (amdsmi.AmdSmiException, KeyError, TypeError):
        return None


@define
class _NamedBoard:
    """A GPU of which only the UUID matters here."""

    device: Device

    def mig_slices(self) -> tuple[str, ...]:
        return ()


def cuda_visible(gpus: Mapping[int, Gpu], environment: Mapping[str, str]) -> tuple[str | None, ...]:
    """Device id of the GPU at each index as CUDA in this process counts them, None for one that is not read.

    Args:
        gpus: index in the order of the PCI bus → GPU.
        environment: the environment variables.
    """
    places = range(max(gpus, default=-1) + 1)
    boards = [_NamedBoard(Device("gpu", gpus[i].uuid or "" if i in gpus else "", "")) for i in places]
    return tuple(gpus[i].id if i in gpus else None for i in visible(boards, environment).indices)


def hip_visible(gpus: Mapping[int, Gpu], environment: Mapping[str, str]) -> tuple[str | None, ...]:
    """Device id of the GPU at each index as HIP in this process counts them, None for one that is not read.

    ``ROCR_VISIBLE_DEVICES`` hides GPUs from HIP, and an index in ``HIP_VISIBLE_DEVICES`` (or in
    ``CUDA_VISIBLE_DEVICES``, which HIP takes in its place) is one of what is left (ROCm documentation, "GPU isolation
    techniques"). Zeus applies only the latter two, to the GPUs of the whole machine.

    Args:
        gpus: index in the machine → GPU.
        environment: the environment variables.

    Returns:
        Empty where GPUs are named by UUID, which these libraries do not report.
    """
    rocr = environment.get("ROCR_VISIBLE_DEVICES")
    chosen = environment.get("HIP_VISIBLE_DEVICES", environment.get("CUDA_VISIBLE_DEVICES"))
    shown = list(range(max(gpus, default=-1) + 1)) if rocr is None else _indices(rocr)
    if rocr is None and chosen is not None:
        return _at(gpus, _indices(chosen))
    places = list(range(len(shown))) if chosen is None else _indices(chosen)
    return _at(gpus, [shown[place] if place < len(shown) else -1 for place in places])


def _at(gpus: Mapping[int, Gpu], places: Sequence[int]) -> tuple[str | None, ...]:
    return tuple(gpus[place].id if place in gpus else None for place in places)


def _indices(text: str) -> list[int]:
    """Indices of a list such as ``0,2``; empty if it names GPUs in another way."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [int(part) for part in parts] if all(part.isdecimal() for part in parts) else []
