"""Packages that are installed and disturb one another or a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from ai_energy_benchmarks.environment.boards import Boards
from ai_energy_benchmarks.environment.conflicts import RequirementsOf, engine_conflicts, installed_requirements
from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.machine.packages import VersionOf, installed_version


def package_hints(
    seen: Boards,
    version_of: VersionOf = installed_version,
    requirements_of: RequirementsOf = installed_requirements,
) -> tuple[Line, ...]:
    """Packages that are installed and disturb a measurement."""
    return tuple(_hints(seen, version_of, requirements_of))


def _hints(seen: Boards, version_of: VersionOf, requirements_of: RequirementsOf) -> Iterator[Line]:
    if pynvml_shadows():
        yield Line(
            "pynvml",
            "limited",
            f"the package pynvml {version_of('pynvml')} brings a module of the same name as nvidia-ml-py",
            "pip uninstall pynvml && pip install --force-reinstall nvidia-ml-py",
        )
    torch = version_of("torch")
    if seen.boards and torch and "+cpu" in torch:
        yield Line(
            "torch",
            "limited",
            f"torch {torch} is a build without CUDA, so the {len(seen.boards)} NVIDIA GPU(s) stay idle",
            "pip install --force-reinstall torch from the index for your CUDA version (see pytorch.org)",
        )
    yield from engine_conflicts(version_of, requirements_of)
    if torch and version_of("transformers") and not version_of("accelerate"):
        yield Line(
            "accelerate",
            "limited",
            "without accelerate, transformers reads no GGUF file and cannot spread a model over devices",
            "pip install accelerate",
        )


def pynvml_shadows() -> bool:
    """Whether the distribution ``pynvml`` brings its own ``pynvml`` package, as it did before version 12."""
    try:
        files = distribution("pynvml").files or ()
    except PackageNotFoundError:
        return False
    return any(file.as_posix() in ("pynvml/__init__.py", "pynvml.py") for file in files)
