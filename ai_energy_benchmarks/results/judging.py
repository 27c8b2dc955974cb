"""The verdict of a benchmark under its config: the runner and re-analysis judge alike."""

from __future__ import annotations

from collections.abc import Sequence

from ai_energy_benchmarks.analysis.verdict import Planned, judge
from ai_energy_benchmarks.analysis.windows import counted
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Component, Samples
from ai_energy_benchmarks.domain.result import Ending, Step, Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, Verdict

_BOARDS: tuple[Component, ...] = ("gpu",)


def judged(
    config: BenchmarkConfig,
    *,
    ending: Ending,
    steps: Sequence[Step],
    trials: Sequence[Trial],
    summary: Summary,
    environment: Environment,
    engine: EngineFacts | None,
    meter_notes: Sequence[str],
    samples: Samples,
    noticed: Sequence[Finding],
) -> Verdict:
    """Every check of ``analysis/verdict.py``, against the protocol that the config asked for."""
    protocol = config.protocol
    return judge(
        ending=ending,
        steps=steps,
        trials=trials,
        summary=summary,
        environment=environment,
        engine=engine,
        metrics_enabled=config.metrics.enabled,
        planned=Planned(
            trials=protocol.trials,
            bare_idle_s=protocol.bare_idle_s,
            resident_idle_s=protocol.resident_idle_s,
            warmup_requests=None if protocol.warmup.mode == "converge" else config.warmup_requests,
            thermal_gate=protocol.gate is not None,
        ),
        gpu=_on_boards(engine, trials),
        collector_notes=meter_notes,
        samples=samples,
        extra=noticed,
    )


def required_components(engine: EngineFacts | None) -> tuple[Component, ...]:
    """Components that the workload is known to use, so that a total without their energy would be another thing's."""
    return _BOARDS if engine is not None and engine.board_ids else ()


def _on_boards(engine: EngineFacts | None, trials: Sequence[Trial]) -> bool:
    """Whether the workload uses boards: by the engine's own word, or by that of a meter where it has none."""
    if engine is not None and engine.board_ids is not None:
        return bool(engine.board_ids)
    return any(counted(each.measurement, _BOARDS) for each in trials if each.measurement is not None)
