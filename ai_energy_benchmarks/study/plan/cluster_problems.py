"""Why a study cannot run on the executor that it names: what several nodes cannot keep."""

from __future__ import annotations

from collections.abc import Iterator

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.study.plan.clusters import LOCAL, SlurmConfig
from ai_energy_benchmarks.study.plan.runner import ContainerConfig
from ai_energy_benchmarks.study.plan.study import StudyConfig
from ai_energy_benchmarks.text.problems import Problem

# Orders that a scheduler keeps without holding a node for a cycle: which cell goes first is all that they say.
_FREE_ORDERS = ("shuffle", "interleave")


def executor_problems(config: StudyConfig) -> tuple[Problem, ...]:
    """Why a study cannot run on the executor that it names, each with the key to change."""
    return tuple(_problems(config))


def _problems(config: StudyConfig) -> Iterator[Problem]:
    execution = config.execution
    name = execution.executor
    if name not in registry.names("executors"):
        yield Problem(("execution", "executor"), registry.unknown_name("executors", name))
        return
    for block in ("ray", "slurm"):
        if getattr(execution, block) is not None and name != block:
            yield Problem(("execution", block), f"has no effect with executor: {name}; write executor: {block}")
    if name == LOCAL:
        return
    yield from _not_kept(config, name)
    if name == "slurm" and execution.timeout_s is None and (execution.slurm or SlurmConfig()).time_limit_s is None:
        text = "is required with executor: slurm, or execution.timeout_s: every job of Slurm has a time limit"
        yield Problem(("execution", "slurm", "time_limit_s"), text)


def _not_kept(config: StudyConfig, name: str) -> Iterator[Problem]:
    """What the executor of one machine does and one of several nodes cannot."""
    execution, design = config.execution, config.design
    if execution.isolation == "shared":
        text = f"keeps a model loaded in a process of this machine; with executor: {name} every cell has its own"
        yield Problem(("execution", "isolation"), f"shared {text}")
    if execution.gpus is not None:
        text = f"names GPUs of this machine; with executor: {name} the scheduler gives them (execution.{name}.gpus)"
        yield Problem(("execution", "gpus"), text)
    for engine, runner in execution.runners.items():
        if isinstance(runner, ContainerConfig):
            text = f"is started with GPUs that this machine knows; with executor: {name} write a venv, or process"
            yield Problem(("execution", "runners", engine), f"a container {text}")
    if design.cooling is not None:
        text = "needs the temperature before the first cell, which differs between nodes; write design.gap_s instead"
        yield Problem(("design", "thermal_gate"), text)
    if design.order == "sequential":
        text = f"sequential has no cycles that a node could run as a whole; with executor: {name} choose another order"
        yield Problem(("design", "order"), text)
    elif execution.placement == "cell" and design.order not in _FREE_ORDERS:
        text = (
            f"{design.order} says which cell follows which on a machine, and with placement: cell the scheduler "
            f"decides that; write placement: cycle, or one of {', '.join(_FREE_ORDERS)}"
        )
        yield Problem(("design", "order"), text)
