"""NVML through NVIDIA's own binding: what opens it and ends its use."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ai_energy_benchmarks.errors import CollectorError

# Whatever NVML is asked for by its own names; the binding has no types, and neither have its handles.
Nvml = Any
Handle = Any


def open_nvml() -> Nvml:
    """The binding, initialised; the caller shuts it down.

    Raises:
        CollectorError: no binding, no driver library, no driver, or no permission.
    """
    try:
        import pynvml as nvml
    except ImportError as error:
        raise CollectorError("the Python binding of NVML is missing", remedy="pip install nvidia-ml-py") from error
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise CollectorError(f"NVML cannot be opened: {error}", remedy=_remedy(nvml, error)) from error
    return nvml


def shut_down(nvml: Nvml) -> None:
    """End its use; a driver that has died has ended it already."""
    with suppress(nvml.NVMLError):
        nvml.nvmlShutdown()


def _remedy(nvml: Nvml, error: Any) -> str:
    if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return "install the NVIDIA driver, or give the container its boards (docker run --gpus all)"
    if error.value == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return "the driver was updated under a running kernel module: reboot"
    if error.value == nvml.NVML_ERROR_NO_PERMISSION:
        return "run as a user who may open /dev/nvidiactl"
    return "check that `nvidia-smi` works on this machine"
