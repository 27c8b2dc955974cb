"""What the doctor finds, and the cure that it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.environment.boards import Boards
from ai_energy_benchmarks.environment.doctor import examine, hardware_lines
from ai_energy_benchmarks.environment.engines import (
    Engine,
    engine_line,
    engine_lines,
    package_hints,
    pynvml_shadows,
    version_numbers,
)
from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.environment.meters import meter_lines, nvml_line, rapl_line

NO_LIBRARY = Boards(problem="NVML cannot be opened: NVML Shared Library Not Found")
ONE_BOARD = Boards((Board("GPU-0", 0, "Test board", 80 * 2**30, 700.0, True),), "580.1")


def installed(**versions: str) -> Callable[[str], str | None]:
    """What is installed; ``_`` in a name stands for ``-``."""
    return lambda name: versions.get(name.replace("-", "_"))


def by_subject(lines: tuple[Line, ...]) -> dict[str, Line]:
    return {line.subject: line for line in lines}


def rapl_tree(root: Path) -> Path:
    for number, name in (("0", "package-0"), ("0:0", "dram")):
        domain = root / f"sys/class/powercap/intel-rapl:{number}"
        domain.mkdir(parents=True)
        (domain / "name").write_text(f"{name}\n")
        (domain / "energy_uj").write_text("123\n")
    return root


def test_a_report_is_plain_data() -> None:
    """The report of this machine survives JSON; there is always a processor, and a meter that models it."""
    report = json.loads(json.dumps(attrs.asdict(examine())))
    assert set(report) == {"hardware", "meters", "engines", "hints"}
    assert "CPU" in {line["subject"] for line in report["hardware"]}
    assert {line["subject"]: line["state"] for line in report["meters"]}["modelled"] == "ready"


def test_the_hardware_is_listed(tmp_path: Path) -> None:
    """Processor, and each board with memory, limit and driver."""
    lines = by_subject(hardware_lines(tmp_path, ONE_BOARD))
    assert lines["board 0"].detail == "Test board, 80 GiB, power limit 700 W, driver 580.1"
    assert "memory" not in lines


def test_a_governor_that_changes_the_clock_has_a_cure(tmp_path: Path) -> None:
    """Only ``performance`` keeps the clock; elsewhere the command that sets it is named."""
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("powersave")
    assert "cpupower" in str(by_subject(hardware_lines(tmp_path, Boards()))["CPU"].cure)
    governor.write_text("performance")
    assert by_subject(hardware_lines(tmp_path, Boards()))["CPU"].cure is None


def test_no_board_is_no_gap(tmp_path: Path) -> None:
    """A machine without NVIDIA hardware is told so, and nothing is to be cured."""
    line = nvml_line(tmp_path, NO_LIBRARY)
    assert (line.state, line.cure) == ("missing", None)
    assert "no NVIDIA board" in line.detail


def test_a_board_without_a_driver_is_seen_on_the_bus(tmp_path: Path) -> None:
    """An NVIDIA display controller on the PCI bus asks for the driver; an NVIDIA audio function does not."""
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x040300\n")
    assert nvml_line(tmp_path, NO_LIBRARY).cure is None
    (device / "class").write_text("0x030200\n")
    assert "install the NVIDIA driver" in str(nvml_line(tmp_path, NO_LIBRARY).cure)


@pytest.mark.parametrize(("container", "cure"), [(False, "libnvidia-ml.so.1"), (True, "--gpus all")])
def test_a_driver_without_its_library_is_told(tmp_path: Path, container: bool, cure: str) -> None:
    """In a container the boards were not passed on; elsewhere the driver's installation is broken."""
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version\n")
    if container:
        (tmp_path / ".dockerenv").touch()
    line = nvml_line(tmp_path, NO_LIBRARY)
    assert line.state == "missing"
    assert cure in str(line.cure)


def test_a_driver_that_shows_no_board_is_told(tmp_path: Path) -> None:
    """NVML answers, but lists nothing."""
    line = nvml_line(tmp_path, Boards((), "580.1"))
    assert line.state == "missing"
    assert "CUDA_VISIBLE_DEVICES" in str(line.cure)


def test_a_board_without_a_counter_limits_the_meter(tmp_path: Path) -> None:
    """Its power is integrated, which the line says with the board's name."""
    old = attrs.evolve(ONE_BOARD.boards[0], has_energy_counter=False, name="Old board")
    line = nvml_line(tmp_path, Boards((old,), "580.1"))
    assert line.state == "limited"
    assert "Old board" in line.detail


def test_rapl_counters_that_can_be_read_are_named(tmp_path: Path) -> None:
    """Packages and DRAM by the names that the kernel gives them."""
    line = rapl_line(rapl_tree(tmp_path), lambda _: True)
    assert (line.state, line.detail) == ("ready", "counters of package-0, dram")


def test_rapl_counters_for_root_only_name_the_command(tmp_path: Path) -> None:
    """Permission is the usual gap, and one command closes it."""
    line = rapl_line(rapl_tree(tmp_path), lambda _: False)
    assert line.state == "missing"
    assert str(line.cure).startswith("sudo chmod a+r /sys/class/powercap/")


def test_rapl_links_that_lead_nowhere_name_the_mount_that_works(tmp_path: Path) -> None:
    """As in a container: another place, and the setting that names it."""
    powercap = tmp_path / "sys/class/powercap"
    powercap.mkdir(parents=True)
    (powercap / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/intel-rapl/intel-rapl:0")
    line = rapl_line(tmp_path)
    assert (line.state, "lead nowhere" in line.detail) == ("missing", True)
    assert "/sys/class/powercap/intel-rapl:/rapl:ro and set options.root: /rapl" in str(line.cure)


def test_rapl_without_its_memory_is_limited(tmp_path: Path) -> None:
    """The packages are measured all the same."""
    line = rapl_line(rapl_tree(tmp_path), lambda path: path.parent.name != "intel-rapl:0:0")
    assert (line.state, line.detail) == ("limited", "counters of package-0; not of dram")


@pytest.mark.parametrize(
    ("path", "text", "detail"),
    [
        ("proc/cpuinfo", "flags : hypervisor\n", "virtual machine"),
        (".dockerenv", "", "container"),
        ("proc/cpuinfo", "flags : sse\n", "no counters under /sys/class/powercap"),
    ],
)
def test_absent_rapl_counters_have_a_reason(tmp_path: Path, path: str, text: str, detail: str) -> None:
    """A virtual machine, a container, or a kernel without the module."""
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    assert detail in rapl_line(tmp_path).detail


def test_no_meter_is_ready_that_this_version_cannot_read(tmp_path: Path) -> None:
    """A meter counts only if there is a collector of that name."""
    lines = meter_lines(rapl_tree(tmp_path), ONE_BOARD, lambda _: True)
    assert {line.subject for line in lines if line.state == "ready"} <= set(registry.names("collectors"))


@pytest.mark.parametrize(
    ("versions", "state", "said"),
    [
        ({}, "missing", "torch and transformers not installed"),
        ({"torch": "2.5.1"}, "missing", "transformers not installed"),
        ({"torch": "2.5.1", "transformers": "4.40.0"}, "missing", "at least transformers 4.57 is needed"),
        ({"torch": "2.13.0+cpu", "transformers": "5.0.0rc1"}, "ready", "torch 2.13.0+cpu, transformers 5.0.0rc1"),
    ],
)
def test_pytorch_needs_both_packages(versions: dict[str, str], state: str, said: str) -> None:
    """Ready with both; else what is missing or too old, with the install line."""
    line = by_subject(engine_lines(installed(**versions)))["pytorch"]
    assert line.state == state
    assert said in line.detail
    assert (line.cure is None) == (state == "ready")
    assert line.cure is None or '"ai_energy_benchmarks[pytorch]"' in line.cure


def test_an_engine_without_a_backend_is_never_ready() -> None:
    """What is installed but cannot be driven by this version says so, and installing it is no cure."""
    engine = Engine("no-such-backend", "no-such-extra", False, ((("torch",), "2.4"),))
    for versions in ({"torch": "2.9"}, {}):
        line = engine_line(engine, installed(**versions))
        assert (line.state, line.cure) == ("missing", None)
        assert "this version has no backend for it" in line.detail


def test_the_doctor_knows_every_backend() -> None:
    """No backend of ours is left out, and none is listed that does not exist."""
    lines = engine_lines(installed(torch="2.9", transformers="5.0", vllm="0.30", tensorrt_llm="1.2"))
    assert {line.subject for line in lines} == set(registry.BUILTIN["backends"])
    assert {line.state for line in lines} == {"ready"}


def test_a_served_engine_may_run_elsewhere() -> None:
    """vLLM need not be installed here: its endpoint is enough."""
    line = by_subject(engine_lines(installed()))["vllm"]
    assert line.state == "limited"
    assert "backend.endpoint" in line.detail
    assert line.cure == 'pip install "ai_energy_benchmarks[vllm]"'


@pytest.mark.parametrize(
    ("version", "numbers"), [("2.13.0+cpu", (2, 13, 0)), ("4.57", (4, 57)), ("5.0.0rc1", (5, 0, 0)), ("?", ())]
)
def test_versions_compare_by_their_numbers(version: str, numbers: tuple[int, ...]) -> None:
    """4.57 is above 4.6, whatever stands behind the numbers."""
    assert version_numbers(version) == numbers


def test_packages_that_disturb_one_another_are_told() -> None:
    """A CPU build beside a board, two engines that clash, and transformers without accelerate."""
    lines = by_subject(
        package_hints(ONE_BOARD, installed(torch="2.9+cpu", transformers="5.0", vllm="0.30", tensorrt_llm="1.2"))
    )
    assert set(lines) - {"pynvml"} == {"torch", "vllm", "accelerate"}
    assert all(line.cure for line in lines.values())


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
