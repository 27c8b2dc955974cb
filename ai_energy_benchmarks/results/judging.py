"""The verdict of a benchmark under its config: the runner and re-analysis judge alike."""

from __future__ import annotations

from collections.abc import Sequence

from ai_energy_benchmarks.analysis.gpu_state_checks import GpuState, gpu_state_findings
from ai_energy_benchmarks.analysis.gpu_use import gpu_uses
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.verdict import FULL_GATE_S, Planned, judge
from ai_energy_benchmarks.analysis.windows import counted
from ai_energy_benchmarks.config.checks import needs_endpoint, runs_on_gpu
from ai_energy_benchmarks.config.model import BenchmarkConfig, GpuConfig
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import Ending, Step, Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, Verdict

_GPUS: tuple[Component, ...] = ("gpu",)


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
    protocol, by_hand = config.protocol, _made_by_hand(config, engine)
    served = any(each.client is not None for each in trials) if by_hand else needs_endpoint(config.backend.type)
    doubtful = (served or by_hand) and uses_gpu(config, engine) is None
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
            gate_window_s=protocol.gate.window_s if protocol.gate else FULL_GATE_S,
            score_prompts=config.scenario.num_samples if _for_the_score(config) else None,
            cycles=protocol.repeats == "cycles",
            repeats=config.scenario.repeat,
        ),
        gpu=_on_gpus(config, engine, trials),
        served=served,
        gpu_unknown=(engine.backend if engine and by_hand else config.backend.type) if doubtful else None,
        collector_notes=meter_notes,
        samples=samples,
        extra=(*noticed, *gpu_state_findings(_wanted_state(config.gpu), environment.boards, samples, trials)),
    )


def _wanted_state(gpu: GpuConfig) -> GpuState:
    limit, clock = gpu.power_limit_percent, gpu.sm_clock_percent
    return GpuState(
        limit_w=gpu.power_limit_w,
        limit_share=None if limit is None else limit / 100,
        clock_hz=None if gpu.sm_clock_mhz is None else gpu.sm_clock_mhz * 1e6,
        clock_share=None if clock is None else clock / 100,
    )


def required_components(
    config: BenchmarkConfig,
    engine: EngineFacts | None,
    trials: Sequence[Trial],
    steps: Sequence[Step],
    samples: Samples,
) -> tuple[Component, ...]:
    """Components that the workload is known to use, so that a total without their energy would be another thing's."""
    uses = uses_gpu(config, engine)
    if uses is None:
        found = gpu_uses(counting_trials(trials), steps, samples)
        # Whose work it was is not known, so a total without it may leave out most of what the server drew.
        uses = not any(each.counted for each in found) and any(each.worked is not False for each in found)
    return _GPUS if uses else ()


def uses_gpu(config: BenchmarkConfig, engine: EngineFacts | None) -> bool | None:
    """Whether the engine runs on a GPU: as it reports itself, else as the config says, else as its kind does.

    Whoever names the GPUs of a server says that it uses them.

    Returns:
        None where none of them says.
    """
    if engine is not None and engine.board_ids is not None:
        return bool(engine.board_ids)
    if engine is not None and _made_by_hand(config, engine):
        return None if engine.device is None else engine.device.partition(":")[0] != "cpu"
    if config.backend.device.partition(":")[0] == "cpu":
        return False
    named = bool(config.backend.device_ids) and needs_endpoint(config.backend.type)
    return True if named or runs_on_gpu(config.backend.type) else None


def _made_by_hand(config: BenchmarkConfig, engine: EngineFacts | None) -> bool:
    """Whether the engine is not the one that the config names, which then says nothing of it."""
    return engine is not None and engine.backend != config.backend.type


def _on_gpus(config: BenchmarkConfig, engine: EngineFacts | None, trials: Sequence[Trial]) -> bool:
    """Whether the workload uses GPUs; where nothing else says, whether any of them counts."""
    uses = uses_gpu(config, engine)
    if uses is not None:
        return uses
    return any(counted(each.measurement, _GPUS) for each in trials if each.measurement is not None)


def _for_the_score(config: BenchmarkConfig) -> bool:
    """Whether the run writes the files of AI Energy Score's portal."""
    return any(each.type == "aienergyscore" for each in config.reporters)
