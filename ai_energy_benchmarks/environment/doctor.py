"""What this machine can measure and run, and a cure for each gap."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.environment.boards import Boards, look_for_boards
from ai_energy_benchmarks.environment.engines import engine_lines, package_hints
from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.environment.meters import meter_lines
from ai_energy_benchmarks.machine import hardware


@frozen
class DoctorReport:
    """The answer of ``ai-energy-benchmark doctor``; ``attrs.asdict`` gives it as plain data.

    Attributes:
        hardware: processor, memory, container and boards.
        meters: what can be seen of energy.
        engines: what can generate.
        hints: packages that disturb one another.
    """

    hardware: tuple[Line, ...]
    meters: tuple[Line, ...]
    engines: tuple[Line, ...]
    hints: tuple[Line, ...]


def examine(root: Path = hardware.ROOT) -> DoctorReport:
    """Look at the machine; loads no engine and opens NVML only briefly.

    Args:
        root: where ``/proc``, ``/sys`` and ``/dev`` stand.
    """
    boards = look_for_boards()
    return DoctorReport(
        hardware=hardware_lines(root, boards),
        meters=meter_lines(root, boards),
        engines=engine_lines(),
        hints=package_hints(boards),
    )


def hardware_lines(root: Path, seen: Boards) -> tuple[Line, ...]:
    """Processor, memory, container, and one line per board."""
    threads = hardware.cpu_threads()
    cpu = [hardware.cpu_model(root) or "unknown processor"]
    cpu += [f"{threads} threads usable"] if threads else []
    governor = hardware.cpu_governor(root)
    cpu += [f"governor {governor}"] if governor else []
    cpu += ["in a virtual machine"] if hardware.virtual(root) else []
    lines = [Line("CPU", "ready", ", ".join(cpu), _governor_cure(governor))]
    size_bytes = hardware.memory_bytes(root)
    if size_bytes:
        lines.append(Line("memory", "ready", f"{size_bytes / 2**30:.1f} GiB usable"))
    kind = hardware.container(root)
    if kind:
        lines.append(Line("container", "ready", kind))
    for board in seen.boards:
        facts = [board.name]
        facts += [f"{board.memory_bytes / 2**30:.0f} GiB"] if board.memory_bytes else []
        facts += [f"power limit {board.power_limit_w:.0f} W"] if board.power_limit_w else []
        facts += [f"driver {seen.driver_version}"] if seen.driver_version else []
        lines.append(Line(f"board {board.index}", "ready", ", ".join(facts)))
    return tuple(lines)


def _governor_cure(governor: str | None) -> str | None:
    if governor is None or governor == "performance":
        return None
    return "for repeatable figures on the CPU: sudo cpupower frequency-set -g performance"
