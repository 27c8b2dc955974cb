"""Names to classes. The only place that imports by string, so that nothing is loaded before it is asked for."""

from __future__ import annotations

import difflib
import os
import re
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from ai_energy_benchmarks.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ai_energy_benchmarks.domain.environment import Environment
    from ai_energy_benchmarks.domain.readiness import Readiness
    from ai_energy_benchmarks.machine.packages import Package

Kind = Literal["backends", "collectors", "datasets", "reporters", "executors"]

BUILTIN: dict[Kind, dict[str, str]] = {
    "backends": {
        "pytorch": "ai_energy_benchmarks.backends.pytorch.backend:PyTorchBackend",
        "vllm": "ai_energy_benchmarks.backends.server.vllm:VllmBackend",
        "vllm_offline": "ai_energy_benchmarks.backends.offline.vllm:VllmOfflineBackend",
        "tensorrt": "ai_energy_benchmarks.backends.server.tensorrt_llm:TensorRTBackend",
        "tensorrt_llm_offline": "ai_energy_benchmarks.backends.offline.tensorrt_llm:TensorRTOfflineBackend",
        "openai": "ai_energy_benchmarks.backends.server.openai:OpenAIServerBackend",
    },
    "collectors": {
        "auto": "ai_energy_benchmarks.metrics.auto:AutoCollector",
        "nvml": "ai_energy_benchmarks.metrics.nvml.collector:NvmlCollector",
        "rapl": "ai_energy_benchmarks.metrics.rapl.collector:RaplCollector",
        "modelled": "ai_energy_benchmarks.metrics.cpu.modelled:ModelledCpuCollector",
        "cpu_share": "ai_energy_benchmarks.metrics.cpu.share:CpuShareCollector",
        "zeus": "ai_energy_benchmarks.metrics.zeus:ZeusCollector",
        "codecarbon": "ai_energy_benchmarks.metrics.codecarbon:CodeCarbonCollector",
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
        "html": "ai_energy_benchmarks.reporters.html.reporter:HtmlReporter",
        "aienergyscore": "ai_energy_benchmarks.reporters.aienergyscore:AIEnergyScoreReporter",
    },
    "executors": {
        "local": "ai_energy_benchmarks.study.executors.local:LocalExecutor",
        "ray": "ai_energy_benchmarks.study.executors.ray:RayExecutor",
        "slurm": "ai_energy_benchmarks.study.executors.slurm:SlurmExecutor",
    },
}


# How the rooms find out whether one of their members works here.
_READINESS: dict[Kind, str] = {
    "backends": "ai_energy_benchmarks.backends.readiness:readiness",
    "collectors": "ai_energy_benchmarks.metrics.readiness:readiness",
    "executors": "ai_energy_benchmarks.study.executors.readiness:readiness",
}
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
BY_SHAPE = ("local", "huggingface")  # chosen by what a dataset's name looks like, never by these words


# Names of distributions, separated by commas, whose members are offered; all if it is unset, none if it is empty.
PLUGINS_VARIABLE = "AEB_PLUGINS"


def _foreign(kind: Kind) -> dict[str, EntryPoint]:
    """Members that other distributions offer under ``ai_energy_benchmarks.<kind>``."""
    return _foreign_on(kind, tuple(sys.path), os.environ.get(PLUGINS_VARIABLE))


@cache
def _foreign_on(kind: Kind, path: tuple[str, ...], allowed: str | None) -> dict[str, EntryPoint]:
    """Reading the metadata of all that is installed takes tens of milliseconds, so it is done once for each path."""
    from importlib.metadata import entry_points

    points = entry_points(group=f"ai_energy_benchmarks.{kind}")
    wanted = None if allowed is None else {_normal(name) for name in allowed.split(",")}
    return {
        point.name: point for point in points if wanted is None or (point.dist and _normal(point.dist.name) in wanted)
    }


def _normal(distribution: str) -> str:
    """A name as package indexes compare them (Python packaging specifications, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def names(kind: Kind) -> tuple[str, ...]:
    """All names of one kind, built-in ones first; a foreign member cannot replace one of them."""
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
            raise ConfigError(unknown_name(kind, name), remedy="correct the name; `ai-energy-benchmark list` shows all")
        found = point.load()
    if not isinstance(found, type):
        raise ConfigError(
            f"{kind} {name!r}: its entry point gives {found!r}, which is not a class",
            remedy=f"update or remove the distribution that offers {name!r}; {PLUGINS_VARIABLE} names those to use",
        )
    return found


def readiness(kind: Kind, name: str, environment: Environment) -> Readiness:
    """Whether the member works on this machine, as its room finds out; never an exception.

    ``doctor`` and ``list`` show it, of built-in members and of plugins alike.
    """
    from ai_energy_benchmarks.domain.readiness import Readiness
    from ai_energy_benchmarks.machine.packages import packages_readiness

    try:
        member = load(kind, name)
    except (ConfigError, ImportError, AttributeError) as error:
        return Readiness("missing", f"it cannot be imported: {error}")
    required = required_options(member)
    if required:
        return Readiness("limited", f"it needs options: {', '.join(required)}", "set them in the config")
    if kind in _READINESS:
        module, _, attribute = _READINESS[kind].partition(":")
        ask = getattr(import_module(module), attribute)
        try:
            found: Readiness = ask(member, environment)
        except (AttributeError, TypeError, ValueError) as error:  # a plugin that lacks a part of its contract
            return Readiness("missing", f"{member.__qualname__} is not a {kind[:-1]} as its contract requires: {error}")
        return found
    return packages_readiness(getattr(member, "REQUIRES", ()))


def required_packages(kind: Kind) -> tuple[Package, ...]:
    """What the members of one kind need, as they list it in ``REQUIRES``."""
    found: dict[Package, None] = {}
    for name in names(kind):
        try:
            found |= dict.fromkeys(getattr(load(kind, name), "REQUIRES", ()))
        except (ConfigError, ImportError, AttributeError):
            continue  # ``readiness`` reports a member that cannot be imported
    return tuple(found)


def required_options(member: type) -> tuple[str, ...]:
    """Options of a member that have no default."""
    import attrs

    options = getattr(member, "Options", None)
    fields = attrs.fields(options) if options is not None and attrs.has(options) else ()
    return tuple(field.name for field in fields if field.default is attrs.NOTHING)


def unknown_name(kind: Kind, name: str) -> str:
    """The sentence for a name that is not registered."""
    known = names(kind)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind[:-1]} {name!r}{hint} Known: {', '.join(known)}"


def dataset_for(name: str) -> str:
    """The registry name of the member that reads the dataset ``name``.

    A registered name (``builtin``, ``synthetic`` …) means itself; an existing path, or a name that ends like a data
    file, is local; anything else that a hub name can look like is a hub dataset.

    Raises:
        DatasetError: it is none of these, or nearly a registered name.
    """
    known = names("datasets")
    if name in known and name not in BY_SHAPE:
        return name
    data_files: tuple[str, ...] = load("datasets", "local").SUFFIXES  # type: ignore[attr-defined] # LocalDataset's
    if name.lower().endswith(data_files) or os.path.exists(os.path.expanduser(name)):
        return "local"
    if not HUB_ID.fullmatch(name):
        raise DatasetError(
            f"dataset {name!r} is neither an existing file nor a name that the hub could know",
            remedy="set scenario.dataset_name to builtin, a path such as prompts.csv, or a hub name such as org/name",
        )
    near = difflib.get_close_matches(name, set(known) - set(BY_SHAPE), n=1, cutoff=0.8)
    if near:
        raise DatasetError(
            f"there is no dataset {name!r} in the package; did you mean {near[0]!r}?",
            remedy=f"set scenario.dataset_name to {near[0]}; of a dataset on the Hub write the organisation too",
        )
    return "huggingface"
