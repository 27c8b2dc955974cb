"""Everything that can be known of a run before the model is loaded: what is in the way, and its passes."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from ai_energy_benchmarks.backends.base import Backend, Demand
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.domain.prompts import Prompt
from ai_energy_benchmarks.errors import BackendError, parted
from ai_energy_benchmarks.metrics.base import MetricsCollector
from ai_energy_benchmarks.runner.gpu_state import gpu_targets
from ai_energy_benchmarks.runner.obstacles import Obstacles
from ai_energy_benchmarks.runner.reasoning import plan_reasoning
from ai_energy_benchmarks.runner.workload import Passes, check_passes


def look(
    config: BenchmarkConfig,
    backend: Backend,
    found: Obstacles,
    *,
    dataset: Callable[[], Dataset] | None,
    collector: Callable[[], MetricsCollector],
) -> Passes | None:
    """Lay out the passes of a run, and put everything that is in its way into ``found``.

    Args:
        dataset: makes the source of the prompts; None where they are not to be read.
        collector: makes the meter, which is opened and closed.

    Returns:
        What a run generates; None where the prompts were not read, or could not be.
    """
    scenario = config.scenario
    plain = evolve(scenario, reasoning=None, reasoning_params=None, reasoning_formats=None)
    plan = found.tried(lambda: plan_reasoning(config)) or plan_reasoning(evolve(config, scenario=plain))
    sample = plan.formatter.format(0, Prompt(0, ""))
    demand = Demand(scenario.generate_kwargs, scenario.input_shapes.batch_size, config.load.concurrency, sample)
    for problem in backend.problems(demand):
        message, remedy = parted(problem)
        found.refuse(BackendError(message, remedy=remedy))
    found.tried(lambda: gpu_targets(config, probe=True))
    passes = None
    if dataset is not None:
        passes = found.tried(lambda: check_passes(config, dataset(), plan.formatter, backend))
    found.tried(lambda: _open_and_close(collector))
    return passes


def _open_and_close(collector: Callable[[], MetricsCollector]) -> None:
    with collector():
        pass
