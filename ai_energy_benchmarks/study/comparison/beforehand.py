"""Whether two configs ask for the same work, as far as that is known before anything is measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ai_energy_benchmarks.config.loading import config_to_mapping, load_config
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.config.user_defaults import UserDefaults
from ai_energy_benchmarks.safety.marking import masked
from ai_energy_benchmarks.study.comparison.comparing import refuse
from ai_energy_benchmarks.study.likeness import Difference, Kind, unlike
from ai_energy_benchmarks.study.stored_runs import StoredRun


def check_alike(
    first: Path, second: Path, *, allow: Collection[Kind] = (), defaults: UserDefaults | None = None
) -> None:
    """Refuse two config files whose results could not be compared: model, dataset, prompts, generation and load.

    Args:
        allow: kinds of differences that do not refuse the comparison.
        defaults: of the user, laid under both.

    Raises:
        ConfigError: a file has problems, or the work differs. The message names every difference.
    """
    refuse(differences(*(load_config(file, defaults=defaults) for file in (first, second))), allow, "configs")


def differences(first: BenchmarkConfig, second: BenchmarkConfig) -> tuple[Difference, ...]:
    """Everything in which the work of two configs differs. Datasets count by name: their prompts are not read yet."""
    return unlike([_asked(first)], [_asked(second)])


def _asked(config: BenchmarkConfig) -> StoredRun:
    """A config as the result of its run will have it, without what only a run can know."""
    scenario = config.scenario
    document: Mapping[str, object] = {
        "config": {
            "model": config.backend.model,
            "dataset": scenario.dataset_name,
            "sampling": scenario.sampling,
            "num_samples": scenario.num_samples,
            "batch_size": scenario.input_shapes.batch_size,
        }
    }
    settings = masked(config_to_mapping(config))  # as a result stores it
    assert isinstance(settings, Mapping)
    return StoredRun(document, settings=settings)
