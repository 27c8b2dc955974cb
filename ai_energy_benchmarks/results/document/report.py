"""The report document: one benchmark as plain JSON values, without its requests.

The blocks ``config``, ``summary``, ``energy``, ``gpu_stats``, ``backend_info`` and ``metrics_metadata`` are those that
AI Energy Score reads; there, and nowhere else, a figure that is absent is 0.0 with a ``…_source`` that says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import asdict

from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.footprint import footprint
from ai_energy_benchmarks.analysis.server_figures import server_figures
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.time_shares import Undivided
from ai_energy_benchmarks.domain.components import shown
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.verdict import Verdict
from ai_energy_benchmarks.results import units
from ai_energy_benchmarks.results.document import sections, work_figures
from ai_energy_benchmarks.results.document import totals as total_blocks
from ai_energy_benchmarks.results.document.efficiency import efficiency
from ai_energy_benchmarks.results.document.gpus import gpu_stats, gpu_stats_absent
from ai_energy_benchmarks.results.document.phases import phases_by_time
from ai_energy_benchmarks.safety.secrets import blanked
from ai_energy_benchmarks.text.yaml_text import parse

# The outside world says RAM where the meters say DRAM.
_NAMES = {"dram": "ram"}
_ALWAYS_NUMBERS = ("summary", "energy")
# A failure's reason may be a whole traceback; the document stays small whatever it was.
_LONGEST_MESSAGE = 600


def report_document(result: BenchmarkResult) -> dict[str, Any]:
    """Describe a benchmark in at most 50 kB, however many requests it had.

    Every figure is of one pass (means over trials) except under ``totals``, ``steps`` and ``trials``. A figure
    whose window is not resolved is null next to its bounds, except in the block ``energy``.

    Returns:
        A mapping that ``json.dumps(…, allow_nan=False)`` accepts.
    """
    document = {
        "schema_version": result.schema_version,
        "name": result.subject.name,
        "started_utc": result.started_utc,
        "run_id": result.run_id or None,
        "ending": result.ending,
        "verdict": _verdict(result.verdict),
        "config": _config(result),
        "summary": _summary(result),
        "energy": _energy(result),
        "tokens": {
            "reasoning": result.summary.reasoning_tokens,
            "cached_prompt": result.summary.cached_prompt_tokens,
            "in_doubt": result.summary.tokens_in_doubt,
            "prompt_in_doubt": result.summary.prompt_tokens_in_doubt,
        },
        "reasoning": asdict(result.reasoning) if result.reasoning else None,
        "components": sections.components(result.summary),
        "absent": dict(result.summary.absent),
        "derived": work_figures.derived(result.summary),
        "work": work_figures.work(result.summary),
        "steady_state": work_figures.steady_state(result.summary),
        "total": total_blocks.total(result),
        "wall": total_blocks.wall(result),
        "cost": total_blocks.cost_block(result),
        "efficiency": efficiency(result),
        **_phases(result),
        "latency_ms": sections.latency_ms(result.summary),
        "goodput": asdict(goodput) if (goodput := result.summary.goodput) else None,
        "server": asdict(server) if (server := server_figures(counting_trials(result.trials))) else None,
        "totals": sections.totals(result.trials),
        "steps": [sections.step(each, result.clock_offset_s) for each in result.steps],
        **sections.trial_rows(result.trials, result.summary.steady, result.clock_offset_s),
        "environment": asdict(result.environment),
        "backend_info": _engine(result.engine),
        "gpu_stats": gpu_stats(result),
        "gpu_conditions": sections.conditions(result),
        "metrics_metadata": {
            "devices": sections.devices(result.trials),
            "gpu_stats_absent": gpu_stats_absent(result),
        },
    }
    return {key: _plain(value, 0.0 if key in _ALWAYS_NUMBERS else None) for key, value in document.items()}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    """``level`` is that of the component ``headline``; ``components`` has one for each."""
    return {
        "level": verdict.level,
        "headline": verdict.headline,
        "components": dict(verdict.levels),
        "findings": [
            {
                "level": each.level,
                "check": each.check,
                "message": each.message[:_LONGEST_MESSAGE],
                "component": each.component,
            }
            for each in verdict.findings
        ],
    }


def _phases(result: BenchmarkResult) -> dict[str, Any]:
    phases = phases_by_time(result)
    if isinstance(phases, Undivided):
        return {"phases_by_time": None, "phases_by_time_absent": phases.reason}
    return {"phases_by_time": asdict(phases), "phases_by_time_absent": None}


def _config(result: BenchmarkResult) -> dict[str, Any]:
    subject = result.subject
    return {
        "name": subject.name,
        "backend": subject.backend,
        "model": subject.model,
        "dataset": subject.dataset,
        "dataset_sha256": result.dataset_sha256,
        "dataset_options": dict(subject.dataset_options),
        "sampling": subject.sampling,
        "num_samples": subject.num_samples,
        "batch_size": subject.batch_size,
        "device_ids": list(subject.device_ids),
        "settings": config_settings(result.config_yaml),
    }


def config_settings(config_yaml: str) -> dict[str, Any]:
    """The config as resolved, without where its results go: what another run must have to be the same."""
    settings = parse(config_yaml, "config.yaml", stored=True).value
    elsewhere = ("name", "output_dir", "reporters", "run_id")
    return {key: value for key, value in settings.items() if key not in elsewhere} if isinstance(settings, dict) else {}


def _summary(result: BenchmarkResult) -> dict[str, Any]:
    summary = result.summary
    return {
        "total_prompts": units.whole(summary.requests),
        "successful_prompts": units.whole(summary.succeeded),
        "failed_prompts": units.whole(summary.failed),
        "total_duration_seconds": summary.duration_s,
        "avg_latency_seconds": summary.pass_e2e_s or 0.0,
        "avg_time_to_first_token": summary.pass_ttft_s or 0.0,
        "total_tokens": units.whole(summary.prompt_tokens + summary.output_tokens),
        "total_prompt_tokens": units.whole(summary.prompt_tokens),
        "total_completion_tokens": units.whole(summary.output_tokens),
        "throughput_tokens_per_second": summary.output_tokens_per_s,
        "trials": summary.trials,
    }


def _energy(result: BenchmarkResult) -> dict[str, Any]:
    """The energy block: ``energy_wh`` is the GPU's; what is absent is 0.0 and its source is ``absent``.

    The estimate of an unresolved window stands here too, under the verdict FAIL, but no emissions follow from it.
    """
    seen, carbon, subject = energies(result.summary), result.carbon, result.subject
    carbon_source = carbon.source if carbon else "absent"
    block: dict[str, Any] = {}
    for component in (*shown(seen), "total"):
        energy, name = seen.get(component), _NAMES.get(component, component)
        block[f"{name}_energy_wh"] = units.wh(energy.energy_j) if energy else 0.0
        block[f"{name}_energy_kwh"] = units.kwh(energy.energy_j) if energy else 0.0
        block[f"{name}_energy_source"] = energy.provenance if energy else "absent"
    derived = footprint(result)
    mass_g = derived.emissions_g
    return {
        "energy_wh": block["gpu_energy_wh"],
        "energy_kwh": block["gpu_energy_kwh"],
        **block,
        "emissions_kg_co2eq": units.kg(mass_g or 0.0),
        "emissions_g_co2eq": mass_g or 0.0,
        "emissions_g_co2eq_per_1000_queries": derived.emissions_per_1000_g or 0.0,
        "emissions_source": "absent" if mass_g is None else carbon_source,
        "duration_seconds": result.summary.duration_s,
        "carbon_intensity_g_per_kwh": carbon.intensity_g_per_kwh if carbon else 0.0,
        "carbon_intensity_source": carbon_source,
        "pue": carbon.pue if carbon else 1.0,
        "project_name": subject.project_name,
        "country": subject.country,
        "region": subject.region,
    }


def _engine(engine: EngineFacts | None) -> dict[str, Any]:
    return asdict(engine) if engine else {}


def _plain(value: Any, no_figure: float | None) -> Any:
    """JSON has no tuples, NaN or infinity; what is not finite is no figure, and what JSON does not know is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else no_figure
    if isinstance(value, Mapping):
        return {str(key): _plain(each, no_figure) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, no_figure) for each in value]
    if isinstance(value, str):
        return blanked(str(getattr(value, "shown", value)))
    return value if isinstance(value, int) else None
