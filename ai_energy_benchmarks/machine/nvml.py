"""NVML through NVIDIA's own binding: what opens it and ends its use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.hardware import ROOT, container, read_text

# Whatever NVML is asked for by its own names; the binding has no types, and neither have its handles.
Nvml = Any
Handle = Any

_NVIDIA_VENDOR = "0x10de"
_DISPLAY_CLASS = "0x03"  # PCI base class of display controllers, which accelerators without a screen share


def binding() -> Nvml:
    """The binding as it is: who has opened NVML already uses it so.

    Raises:
        CollectorError: it is not installed, or another package has taken its name.
    """
    try:
        import pynvml as nvml
    except ImportError as error:
        raise CollectorError("the Python binding of NVML is missing", remedy="pip install nvidia-ml-py") from error
    if not hasattr(nvml, "nvmlInit") or not hasattr(nvml, "NVMLError"):
        raise CollectorError(
            "another package shadows the module pynvml of nvidia-ml-py",
            remedy="pip uninstall pynvml && pip install --force-reinstall nvidia-ml-py",
        )
    return nvml


def open_nvml() -> Nvml:
    """The binding, initialised; the caller shuts it down.

    Raises:
        CollectorError: no binding, no driver library, no driver, or no permission.
    """
    nvml = binding()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise _refusal(nvml, error) from error
    return nvml


def shut_down(nvml: Nvml) -> None:
    """End its use; a driver that has died has ended it already."""
    with suppress(nvml.NVMLError):
        nvml.nvmlShutdown()


def _refusal(nvml: Nvml, error: Any) -> CollectorError:
    if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return library_missing(str(error))
    remedies = {
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the driver was updated under a running kernel module: reboot",
        nvml.NVML_ERROR_NO_PERMISSION: "run as a user who may open /dev/nvidiactl",
    }
    remedy = remedies.get(error.value, "check that `nvidia-smi` works on this machine")
    return CollectorError(f"NVML cannot be opened: {error}", remedy=remedy)


def library_missing(problem: str, root: Path = ROOT) -> CollectorError:
    """Why the driver's library is not found, as precisely as files show it.

    Args:
        problem: what NVML reports.
        root: where ``/proc``, ``/sys`` and ``/dev`` are.
    """
    if (root / "proc/driver/nvidia/version").exists() or (root / "dev/nvidiactl").exists():
        remedy = (
            "start the container with the GPUs and their utilities: docker run --gpus all …"
            if container(root)
            else "reinstall the driver's libraries (libnvidia-ml.so.1), or reboot if the driver was just updated"
        )
        return CollectorError(f"the NVIDIA driver is loaded, but NVML cannot be opened: {problem}", remedy=remedy)
    if _nvidia_on_bus(root):
        remedy = "install the NVIDIA driver, then check with nvidia-smi"
        return CollectorError("there is an NVIDIA GPU, but no driver for it", remedy=remedy)
    return CollectorError(
        f"no NVIDIA GPU is seen (NVML cannot be opened: {problem})",
        remedy="start a container with --gpus all; without an NVIDIA GPU name another meter in metrics.collectors",
    )


def _nvidia_on_bus(root: Path) -> bool:
    return any(
        read_text(device / "vendor") == _NVIDIA_VENDOR
        and (read_text(device / "class") or "").startswith(_DISPLAY_CLASS)
        for device in (root / "sys/bus/pci/devices").glob("*")
    )
