"""Names to classes. The only place that imports by string, so that nothing is loaded before it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from ai_energy_benchmarks.errors import ConfigError

Kind = Literal["backends", "collectors", "datasets", "reporters"]

BUILTIN: dict[Kind, dict[str, str]] = {
    "backends": {
        "pytorch": "ai_energy_benchmarks.backends.pytorch:PyTorchBackend",
        "vllm": "ai_energy_benchmarks.backends.vllm:VllmBackend",
        "vllm_offline": "ai_energy_benchmarks.backends.vllm_offline:VllmOfflineBackend",
        "tensorrt": "ai_energy_benchmarks.backends.tensorrt_llm:TensorRTBackend",
        "openai": "ai_energy_benchmarks.backends.openai_server:OpenAIServerBackend",
    },
    "collectors": {
        "auto": "ai_energy_benchmarks.metrics.auto:AutoCollector",
        "nvml": "ai_energy_benchmarks.metrics.nvml:NvmlCollector",
        "rapl": "ai_energy_benchmarks.metrics.rapl:RaplCollector",
        "modelled": "ai_energy_benchmarks.metrics.modelled:ModelledCpuCollector",
        "replay": "ai_energy_benchmarks.metrics.replay:ReplayCollector",
    },
    "datasets": {
        "builtin": "ai_energy_benchmarks.datasets.builtin:BuiltinDataset",
        "local": "ai_energy_benchmarks.datasets.local:LocalDataset",
        "huggingface": "ai_energy_benchmarks.datasets.huggingface:HuggingFaceDataset",
        "synthetic": "ai_energy_benchmarks.datasets.synthetic:SyntheticDataset",
    },
    "reporters": {
        "console": "ai_energy_benchmarks.reporters.console:ConsoleReporter",
        "json": "ai_energy_benchmarks.reporters.json:JsonReporter",
        "csv": "ai_energy_benchmarks.reporters.csv:CsvReporter",
        "parquet": "ai_energy_benchmarks.reporters.parquet:ParquetReporter",
    },
}


def _foreign(kind: Kind) -> dict[str, EntryPoint]:
    """Members that other distributions offer under ``ai_energy_benchmarks.<kind>``."""
    return {point.name: point for point in entry_points(group=f"ai_energy_benchmarks.{kind}")}


def names(kind: Kind) -> tuple[str, ...]:
    """All names of one kind, ours first; a foreign member cannot replace one of ours."""
    ours = BUILTIN[kind]
    return (*ours, *sorted(name for name in _foreign(kind) if name not in ours))


def load(kind: Kind, name: str) -> type:
    """The class behind a name.

    Raises:
        ConfigError: no member has that name; the message lists the nearest and all others.
    """
    target = BUILTIN[kind].get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        found = getattr(import_module(module), attribute)
    else:
        point = _foreign(kind).get(name)
        if point is None:
            raise ConfigError(unknown_name(kind, name))
        found = point.load()
    if not isinstance(found, type):
        raise ConfigError(f"{kind} {name!r}: its entry point gives {found!r}, which is not a class")
    return found


def unknown_name(kind: Kind, name: str) -> str:
    """The sentence for a name that nobody registered."""
    known = names(kind)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind[:-1]} {name!r}{hint} Known: {', '.join(known)}"
