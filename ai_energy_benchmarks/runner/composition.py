"""From a config to the members it names; nothing is opened or loaded here."""

from __future__ import annotations

from typing import cast

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.backends.base import Backend, BackendSettings
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.datasets.base import Dataset, DatasetSettings
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.metrics.base import CollectorSettings, MetricsCollector
from ai_energy_benchmarks.metrics.combined import CombinedCollector
from ai_energy_benchmarks.metrics.disabled import DisabledCollector
from ai_energy_benchmarks.reporters.base import Reporter, ReporterSettings


def make_backend(config: BenchmarkConfig, progress: Progress) -> Backend:
    """The engine that ``backend.type`` names."""
    wanted = config.backend
    settings = BackendSettings(
        model=wanted.model,
        device=wanted.device,
        device_ids=wanted.device_ids or (0,),
        endpoint=wanted.endpoint,
        task=wanted.task,
        options=wanted.options,
        launch=wanted.launch,
        output_dir=config.output_dir,
        salt=config.load.salt,
        keep_text=config.save_texts,
        progress=progress,
    )
    return cast("type[Backend]", registry.load("backends", wanted.type)).from_settings(settings)


def make_collector(config: BenchmarkConfig, environment: Environment, backend: Backend) -> MetricsCollector:
    """All meters of ``metrics.collectors`` as one, for the engine that they watch."""
    wanted = config.metrics
    if not wanted.enabled:
        return DisabledCollector()
    members = tuple(
        cast("type[MetricsCollector]", registry.load("collectors", member.type)).from_settings(
            CollectorSettings(
                options=member.options,
                environment=environment,
                project_name=wanted.project_name,
                output_dir=wanted.output_dir,
                country_iso_code=wanted.country_iso_code,
                region=wanted.region,
                hidden_gpus=backend.needs_endpoint and not config.backend.launch,
            )
        )
        for member in wanted.collectors
    )
    return members[0] if len(members) == 1 else CombinedCollector(members)


def make_dataset(config: BenchmarkConfig) -> Dataset:
    """The source of prompts that ``scenario.dataset_name`` names."""
    scenario = config.scenario
    settings = DatasetSettings(
        scenario.dataset_name, scenario.text_column_name, scenario.seed, scenario.dataset_options
    )
    kind = registry.dataset_for(scenario.dataset_name)
    return cast("type[Dataset]", registry.load("datasets", kind)).from_settings(settings)


def make_reporters(config: BenchmarkConfig) -> tuple[Reporter, ...]:
    """Every output of ``reporters``, in order."""
    return tuple(
        cast("type[Reporter]", registry.load("reporters", wanted.type)).from_settings(
            ReporterSettings(config.output_dir, wanted.output_file)
        )
        for wanted in config.reporters
    )
