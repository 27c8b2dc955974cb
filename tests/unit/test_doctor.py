"""What the doctor finds, and the fix that it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.domain.environment import Board, Environment
from ai_energy_benchmarks.environment.boards import Boards
from ai_energy_benchmarks.environment.doctor import examine, hardware_lines, member_lines
from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.environment.package_hints import package_hints, pynvml_shadows
from ai_energy_benchmarks.machine.installing import arguments, install_line
from ai_energy_benchmarks.machine.nvml import library_missing
from ai_energy_benchmarks.machine.packages import Package, packages_readiness, version_numbers
from ai_energy_benchmarks.metrics.rapl.zones import POWERCAP, no_packages
from tests.foreign_members import install

NO_LIBRARY = "NVML Shared Library Not Found"
HERE = Environment("test", "3.12", "0")
PYTORCH = (
    Package("torch", ("torch",), "pytorch", "2.4"),
    Package("transformers", ("transformers",), "pytorch", "4.57"),
)
ONE_BOARD = Boards((Board("GPU-0", 0, "Test board", 80 * 2**30, 700.0, True),), "580.1")


def installed(**versions: str) -> Callable[[str], str | None]:
    """What is installed; ``_`` in a name stands for ``-``."""
    return lambda name: versions.get(name.replace("-", "_"))


def by_subject(lines: tuple[Line, ...]) -> dict[str, Line]:
    return {line.subject: line for line in lines}


def test_a_report_is_plain_data() -> None:
    """The report of this machine survives JSON; there is always a processor, and a meter that models it."""
    report = json.loads(json.dumps(attrs.asdict(examine())))
    assert set(report) == {"hardware", "meters", "engines", "container_engines", "executors", "hints"}
    assert "CPU" in {line["subject"] for line in report["hardware"]}
    assert {line["subject"]: line["state"] for line in report["meters"]}["modelled"] == "ready"


def test_a_meter_that_wants_a_setting_is_not_missing() -> None:
    """Replay is there without a path, and CodeCarbon where it is installed without a country: limited, with the key."""
    lines = by_subject(member_lines("collectors", HERE))
    assert lines["replay"] == Line(
        "replay", "limited", "installed; replay has no trace to play", "set options.path of the collector `replay`"
    )
    pytest.importorskip("codecarbon")
    assert lines["codecarbon"].state == "limited"
    assert "metrics.country_iso_code" in str(lines["codecarbon"].fix)


def test_the_hardware_is_listed(tmp_path: Path) -> None:
    """Processor, and each board with memory, limit and driver."""
    lines = by_subject(hardware_lines(tmp_path, ONE_BOARD))
    assert lines["GPU 0"].detail == "Test board, 80 GiB, power limit 700 W, driver 580.1"
    assert "memory" not in lines


def test_a_governor_that_changes_the_clock_has_a_cure(tmp_path: Path) -> None:
    """Only ``performance`` keeps the clock; elsewhere the command that sets it is named."""
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("powersave")
    assert "cpupower" in str(by_subject(hardware_lines(tmp_path, Boards()))["CPU"].fix)
    governor.write_text("performance")
    assert by_subject(hardware_lines(tmp_path, Boards()))["CPU"].fix is None


def test_every_member_is_listed_and_a_plugin_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor knows backends and meters from the registry alone; a broken plugin has a line and breaks nothing."""
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    engines = by_subject(member_lines("backends", HERE))
    assert set(engines) == {*registry.BUILTIN["backends"], "test-server", "test-engine", "test-broken"}
    assert (engines["test-server"].state, engines["test-server"].detail) == ("limited", "it needs options: token")
    assert "cannot be imported" in engines["test-broken"].detail
    assert "is not a backend as its contract requires" in engines["test-engine"].detail


def test_a_machine_without_a_gpu_needs_no_driver(tmp_path: Path) -> None:
    """A machine without NVIDIA hardware is described as such, and no driver is recommended."""
    error = library_missing(NO_LIBRARY, tmp_path)
    assert "install" not in str(error.remedy)
    assert "no NVIDIA GPU is seen" in error.message


def test_a_gpu_without_a_driver_is_seen_on_the_bus(tmp_path: Path) -> None:
    """An NVIDIA display controller on the PCI bus asks for the driver; an NVIDIA audio function does not."""
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x040300\n")
    assert "no NVIDIA GPU is seen" in library_missing(NO_LIBRARY, tmp_path).message
    (device / "class").write_text("0x030200\n")
    assert "install the NVIDIA driver" in str(library_missing(NO_LIBRARY, tmp_path).remedy)


@pytest.mark.parametrize(("container", "remedy"), [(False, "libnvidia-ml.so.1"), (True, "--gpus all")])
def test_a_driver_without_its_library_is_reported(tmp_path: Path, container: bool, remedy: str) -> None:
    """In a container the GPUs were not passed on; elsewhere the driver's installation is broken."""
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version\n")
    if container:
        (tmp_path / ".dockerenv").touch()
    assert remedy in str(library_missing(NO_LIBRARY, tmp_path).remedy)


@pytest.mark.parametrize(
    ("path", "text", "detail", "remedy"),
    [
        ("proc/cpuinfo", "flags : hypervisor\n", "virtual machine", "on the host"),
        (".dockerenv", "", "container", "options: {root: /rapl}"),
        ("proc/cpuinfo", "flags : sse\n", "no RAPL counter of a package in /sys/class/powercap", "modprobe"),
    ],
)
def test_absent_rapl_counters_have_a_reason(tmp_path: Path, path: str, text: str, detail: str, remedy: str) -> None:
    """A virtual machine, a container, or a kernel without the module, each with what helps."""
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    error = no_packages(POWERCAP, tmp_path)
    assert detail in error.message
    assert remedy in str(error.remedy)


@pytest.mark.parametrize(
    ("versions", "state", "detail"),
    [
        ({}, "missing", "torch and transformers not installed"),
        ({"torch": "2.5.1"}, "missing", "transformers not installed"),
        ({"torch": "2.5.1", "transformers": "4.40.0"}, "missing", "at least transformers 4.57 is required"),
        ({"torch": "2.13.0+cpu", "transformers": "5.0.0rc1"}, "ready", "torch 2.13.0+cpu, transformers 5.0.0rc1"),
    ],
)
def test_a_member_needs_all_its_packages(versions: dict[str, str], state: str, detail: str) -> None:
    """Ready with all; else what is missing or too old, with the install line."""
    found = packages_readiness(PYTORCH, installed(**versions))
    assert found.state == state
    assert detail in found.detail
    assert (found.remedy is None) == (state == "ready")
    assert found.remedy is None or arguments(["pytorch"]) in found.remedy


def test_a_served_engine_may_run_elsewhere() -> None:
    """vLLM need not be installed here: its endpoint is enough."""
    line = by_subject(member_lines("backends", HERE))["vllm"]
    if line.state == "ready":
        pytest.skip("vLLM is installed here")
    assert line.state == "limited"
    assert "backend.endpoint" in line.detail
    assert line.fix == install_line("vllm")


@pytest.mark.parametrize(
    ("version", "numbers"), [("2.13.0+cpu", (2, 13, 0)), ("4.57", (4, 57)), ("5.0.0rc1", (5, 0, 0)), ("?", ())]
)
def test_versions_compare_by_their_numbers(version: str, numbers: tuple[int, ...]) -> None:
    """4.57 is above 4.6, whatever stands behind the numbers."""
    assert version_numbers(version) == numbers


def test_packages_that_disturb_one_another_are_told() -> None:
    """A CPU build next to a GPU, two engines that clash, and transformers without accelerate."""
    versions = installed(torch="2.9+cpu", transformers="5.0", vllm="0.30", tensorrt_llm="1.2")
    required = {"vllm": ["torch==2.14.0"], "tensorrt-llm": ["torch<2.10"]}
    lines = by_subject(package_hints(ONE_BOARD, versions, lambda name: required.get(name, [])))
    assert set(lines) - {"pynvml"} == {"torch", "vllm", "accelerate"}
    assert all(line.fix for line in lines.values())


def test_a_clean_installation_has_no_hints() -> None:
    """Nothing is said where nothing disturbs."""
    clean = installed(torch="2.9+cu128", transformers="5.0", accelerate="1.0")
    assert [line for line in package_hints(ONE_BOARD, clean) if line.subject != "pynvml"] == []


@pytest.mark.parametrize(
    ("file", "shadows"), [("pynvml/__init__.py", True), ("pynvml.py", True), ("pynvml_utils/__init__.py", False)]
)
def test_the_old_pynvml_package_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, shadows: bool
) -> None:
    """Up to version 11 it brought a module of its own under the same name; later ones do not."""
    record = tmp_path / "pynvml-11.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: pynvml\nVersion: 11.0\n")
    (record / "RECORD").write_text(f"{file},,\n")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()  # from Python 3.12 on, files that are not there are not listed
    monkeypatch.syspath_prepend(str(tmp_path))
    assert pynvml_shadows() == shadows
