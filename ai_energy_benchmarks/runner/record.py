"""What a run has seen so far, and how it becomes a result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import cast

from attrs import Factory, asdict, define, field

from ai_energy_benchmarks.analysis.gpu_decision import decide
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.carbon import carbon_for, tariff_for
from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.config.loading import config_to_yaml
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.engine import EngineFacts, FactValue
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import BenchmarkResult, Ending, Reasoning, RowFiles, Step, Subject, Trial
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.results.judging import judged, required_components
from ai_energy_benchmarks.results.request_tables import RowFacts
from ai_energy_benchmarks.results.run_id import new_run_id
from ai_energy_benchmarks.runner.workload import Passes


@define
class Record:
    """Filled as the steps pass, so that nothing measured is lost, however the run ends.

    Attributes:
        ending: ``stopped`` or ``interrupted`` once that has happened.
        findings: what the steps themselves noticed, for the verdict.
    """

    environment: Environment
    started: datetime = field(factory=lambda: datetime.now(timezone.utc))
    clock_offset_s: float = field(factory=lambda: time.time() - time.perf_counter())
    run_id: str = field(default=Factory(lambda record: new_run_id(record.started), takes_self=True))
    ending: Ending = "completed"
    steps: list[Step] = field(factory=list)
    trials: list[Trial] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    passes: Passes | None = None
    reasoning: Reasoning | None = None
    engine: EngineFacts | None = None
    samples: Samples = field(factory=Samples)
    meter_notes: tuple[str, ...] = ()

    @property
    def started_utc(self) -> str:
        return self.started.isoformat(timespec="seconds")

    @property
    def dataset_sha256(self) -> str:
        return self.passes.sha256 if self.passes else ""

    def row_facts(self, config: BenchmarkConfig) -> RowFacts:
        """What the rows of requests have in common."""
        passes = self.passes
        return RowFacts(
            run_id=self.run_id,
            save_texts=config.save_texts,
            clock_offset_s=self.clock_offset_s,
            prompts={prompt.index: prompt.transcript for prompt in passes.prompts} if passes else {},
            prompt_indices=passes.prompt_indices if passes else (),
        )

    def result(self, config: BenchmarkConfig, row_files: RowFiles | None = None) -> BenchmarkResult:
        """Everything seen, summarised and judged."""
        rows = self.row_facts(config)
        decided = decide(self.trials, self.steps, self.samples)
        trials, steps, noticed = decided.trials, decided.steps, (*self.findings, *decided.findings)
        required = required_components(config, self.engine, trials, steps, self.samples)
        summary = summarise(trials, steps, slo=config.scenario.slo, required=required)
        verdict = judged(
            config,
            ending=self.ending,
            steps=steps,
            trials=trials,
            summary=summary,
            environment=self.environment,
            engine=self.engine,
            meter_notes=self.meter_notes,
            samples=self.samples,
            noticed=noticed,
        )
        return BenchmarkResult(
            subject=_subject(config, self.engine, self._device_ids(config, trials)),
            config_yaml=config_to_yaml(config),
            started_utc=self.started_utc,
            ending=self.ending,
            steps=steps,
            trials=trials,
            summary=summary,
            verdict=verdict,
            environment=self.environment,
            engine=self.engine,
            dataset_sha256=self.dataset_sha256,
            prompts=rows.prompts,
            prompt_indices=rows.prompt_indices,
            samples=self.samples,
            carbon=carbon_for(config.metrics),
            tariff=tariff_for(config.metrics),
            wall_factor=config.metrics.wall_factor,
            reasoning=self.reasoning,
            save_texts=config.save_texts,
            clock_offset_s=self.clock_offset_s,
            meter_notes=self.meter_notes,
            noticed=noticed,
            run_id=self.run_id,
            row_files=row_files,
        )

    def _device_ids(self, config: BenchmarkConfig, trials: Sequence[Trial]) -> tuple[int, ...]:
        """Indices of the GPUs in use: as the config or the engine names them, else of those that count."""
        backend = config.backend
        named = backend.device_ids or (self.engine.device_ids if self.engine is not None else None)
        if named is None and not needs_endpoint(backend.type):
            named = (0,)
        if named is not None:
            return named
        measured = [each.measurement for each in trials if each.measurement is not None]
        ids = {reading.device.id for each in measured for reading in each.readings if reading.counted}
        return tuple(each.index for each in self.environment.boards if each.id in ids)


def _subject(config: BenchmarkConfig, engine: EngineFacts | None, device_ids: tuple[int, ...]) -> Subject:
    return Subject(
        name=config.name,
        # A backend made by hand is another one than the config names.
        backend=config.backend.type if engine is None else engine.backend,
        model=config.backend.model if engine is None else engine.model,
        dataset=config.scenario.dataset_name,
        num_samples=config.scenario.num_samples,
        batch_size=config.scenario.input_shapes.batch_size,
        device_ids=device_ids,
        project_name=config.metrics.project_name,
        country=config.metrics.country_iso_code or "",
        region=config.metrics.region or "",
        sampling=config.scenario.sampling,
        dataset_options=dict(_flat(asdict(config.scenario.dataset_options))),  # type: ignore[arg-type] # attrs
    )


def _flat(block: Mapping[str, object], path: str = "") -> Iterator[tuple[str, FactValue]]:
    """Settings by their dotted names, as overrides write them."""
    for name, value in block.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        elif isinstance(value, (list, tuple)):
            yield f"{path}{name}", ", ".join(map(str, value))
        else:
            yield f"{path}{name}", cast("FactValue", value)
