"""What this machine can measure and run, and a fix for each gap."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.environment.boards import Boards, look_for_boards
from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.environment.package_hints import package_hints
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.machine import hardware
from ai_energy_benchmarks.machine.container_engines import engines_readiness


@frozen
class DoctorReport:
    """The answer of ``ai-energy-benchmark doctor``; ``attrs.asdict`` gives it as plain data.

    Attributes:
        hardware: processor, memory, container and GPUs.
        meters: what can be seen of energy.
        engines: what can generate.
        container_engines: what can run the cells of a study in containers.
        executors: what can run the cells of a study.
        hints: packages that disturb one another.
    """

    hardware: tuple[Line, ...]
    meters: tuple[Line, ...]
    engines: tuple[Line, ...]
    container_engines: tuple[Line, ...]
    executors: tuple[Line, ...]
    hints: tuple[Line, ...]


def examine(root: Path = hardware.ROOT) -> DoctorReport:
    """Look at the machine: enter each meter briefly, and ask each backend what is in its way. Loads no engine.

    Args:
        root: where the hardware's ``/proc``, ``/sys`` and ``/dev`` are.
    """
    boards, environment = look_for_boards(), take_snapshot(root)
    return DoctorReport(
        hardware=hardware_lines(root, boards),
        meters=member_lines("collectors", environment),
        engines=member_lines("backends", environment),
        container_engines=container_lines(boards),
        executors=member_lines("executors", environment),
        hints=package_hints(boards),
    )


def member_lines(kind: registry.Kind, environment: Environment) -> tuple[Line, ...]:
    """One line per member of the registry, plugins included."""
    found = ((name, registry.readiness(kind, name, environment)) for name in registry.names(kind))
    return tuple(Line(name, ready.state, ready.detail, ready.remedy) for name, ready in found)


def container_lines(seen: Boards) -> tuple[Line, ...]:
    """One line per container engine; a study needs one of them only where its file names a container."""
    found = engines_readiness(gpus=bool(seen.boards))
    return tuple(Line(name, ready.state, ready.detail, ready.remedy) for name, ready in found.items())


def hardware_lines(root: Path, seen: Boards) -> tuple[Line, ...]:
    """Processor, memory, container, and one line per GPU."""
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
        lines.append(Line("container", "ready", f"this machine is one, of {kind}"))
    for board in seen.boards:
        facts = [board.name]
        facts += [f"{board.memory_bytes / 2**30:.0f} GiB"] if board.memory_bytes else []
        facts += [f"power limit {board.power_limit_w:.0f} W"] if board.power_limit_w else []
        facts += [f"driver {seen.driver_version}"] if seen.driver_version else []
        lines.append(Line(f"GPU {board.index}", "ready", ", ".join(facts)))
    return tuple(lines)


def _governor_cure(governor: str | None) -> str | None:
    if governor is None or governor == "performance":
        return None
    return "for repeatable figures on the CPU: sudo cpupower frequency-set -g performance"
