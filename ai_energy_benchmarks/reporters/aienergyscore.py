"""The files that AI Energy Score's portal takes: energy of the GPUs in Wh, by phase."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.analysis.derived import derive, energies, leading
from ai_energy_benchmarks.analysis.time_shares import Undivided
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.results.document.phases import METHOD, PhaseEnergy, phases_by_time
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.units import kwh, wh
from ai_energy_benchmarks.results.writing import write_errors, write_text

REPORT_FILE = "benchmark_report.json"
WH_FILE = "GPU_ENERGY_WH.txt"
SUMMARY_FILE = "GPU_ENERGY_SUMMARY.json"
PHASES = ("preprocess", "prefill", "decode")


@frozen
class AIEnergyScoreReporter:
    """Writes ``benchmark_report.json``, ``GPU_ENERGY_WH.txt`` and ``GPU_ENERGY_SUMMARY.json``.

    The figures are of one pass, the mean of its runs; under concurrency those of its requests at the energy that one
    has in the steady state, without ramp, drain and fillers. Where no meter saw a GPU, or its figure is withheld, there
    is no ``GPU_ENERGY_WH.txt``, an older one is removed, and the summary says why: 0 Wh would be a score.

    Attributes:
        directory: where the files go.
    """

    directory: Path

    @classmethod
    def from_settings(cls, settings: ReporterSettings) -> AIEnergyScoreReporter:
        return cls(settings.output_file.parent if settings.output_file else settings.output_dir)

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        files = [self._write(REPORT_FILE, _json({**_phase_blocks(result), "report": report_document(result)}))]
        files.append(self._write(SUMMARY_FILE, _json(gpu_summary(result))))
        gpu_wh = gpu_energy_wh(result)
        if gpu_wh is not None:
            return (*files, self._write(WH_FILE, f"{gpu_wh:.6g}\n"))
        with write_errors(self.directory / WH_FILE):
            (self.directory / WH_FILE).unlink(missing_ok=True)
        return tuple(files)

    def _write(self, name: str, text: str) -> Path:
        write_text(self.directory / name, text)
        return self.directory / name


def gpu_energy_wh(result: BenchmarkResult) -> float | None:
    """The score before it is divided: GPU energy of a pass's requests; None where ``_why_no_score`` has a reason."""
    summary, gpu = result.summary, energies(result.summary).get("gpu")
    if gpu is None or _why_no_score(result) is not None:
        return None
    if summary.steady is None:
        return wh(gpu.energy_j)
    per_1000_wh = _per_1000(summary, gpu)
    return None if per_1000_wh is None else per_1000_wh * summary.succeeded / 1000


def gpu_summary(result: BenchmarkResult) -> dict[str, str | float | None]:
    """The content of ``GPU_ENERGY_SUMMARY.json``: the total, each phase, and how it was obtained."""
    gpu = energies(result.summary).get("gpu")
    phases = _gpu_phases(result)
    divided = isinstance(phases, PhaseEnergy)
    total_wh = gpu_energy_wh(result)
    return {
        "units": "Wh",
        "total": total_wh,
        **(_interval(result.summary, gpu) if total_wh is not None and gpu is not None else {}),
        **{f"{name}_wh": wh(getattr(phases, f"{name}_j")) if divided else None for name in PHASES},
        "format": "ai_energy_benchmarks",
        "model": result.subject.model,
        "samples": result.summary.requests,
        "runs": result.summary.trials,
        "wh_per_1000_queries": _per_1000(result.summary, gpu) if total_wh is not None and gpu is not None else None,
        "source": gpu.provenance if gpu else "absent",
        "split": METHOD if divided else None,
        **({} if isinstance(phases, PhaseEnergy) else {"split_absent": phases.reason}),
        "verdict": result.verdict.level,
        "run_id": result.run_id or None,
        **({} if total_wh is not None else {"reason": _why_no_score(result)}),
    }


def _interval(summary: Summary, gpu: ComponentEnergy) -> dict[str, str | float | None]:
    """The 95 % interval of the total: with the sensor's gain where it is known, and the repeatability without it."""
    found = leading(summary, gpu)
    mean, times = gpu.per_pass_j, 1.0
    if summary.steady is not None and found is not None:
        mean, times = found[0].per_output_token_j, summary.steady.request_output_tokens * summary.succeeded
    if mean is None or mean.leading_half_width is None:
        return {}
    return {
        "half_width_95_wh": wh(mean.leading_half_width * times),
        "half_width_95_holds": (
            f"trials, the meter's timing and ±{100 * gpu.gain_limit:.0f} % sensor gain"
            if gpu.gain_limit is not None
            else "trials and the meter's timing; the sensor's gain is not known"
        ),
        "repeatability_95_wh": None if mean.half_width is None else wh(mean.half_width * times),
    }


def _why_no_score(result: BenchmarkResult) -> str | None:
    """Why nothing may be ranked by this run's GPU energy; None if it may."""
    summary, gpu = result.summary, energies(result.summary).get("gpu")
    if gpu is None:
        return summary.absent.get("gpu", "nothing was measured")
    if not any(each.complete for each in result.trials):
        return "no pass was complete"
    if gpu.provenance == "modelled":
        return "the energy of the GPU is modelled, not measured"
    if not gpu.resolved:
        return "the bounds of the figure are too wide"
    if summary.tokens_in_doubt is not None:
        return f"token counts are in doubt: {summary.tokens_in_doubt}"
    return _why_not_steady(summary, gpu)


def _why_not_steady(summary: Summary, gpu: ComponentEnergy) -> str | None:
    """Under concurrency the energy of the pass is not that of its requests: fillers worked in it too."""
    found = leading(summary, gpu)
    if found is None:
        absent = summary.steady.absent.get("gpu", "") if summary.steady else summary.steady_absent
        return f"there is no figure of the steady state: {absent}"
    if summary.steady is None:
        return None
    if summary.steady.tokens_absent:
        return f"the tokens of the steady state are uncertain: {summary.steady.tokens_absent}"
    return None if found[0].resolved else "the bounds of the figure of the steady state are too wide"


def _per_1000(summary: Summary, gpu: ComponentEnergy) -> float | None:
    if summary.steady is None and summary.succeeded and summary.whole_requests and not summary.steady_absent:
        return 1000 * wh(gpu.energy_j) / summary.succeeded
    per_request_j = derive(summary, gpu).request_j
    return None if per_request_j is None else 1000 * wh(per_request_j)


def _gpu_phases(result: BenchmarkResult) -> PhaseEnergy | Undivided:
    if (withheld := _why_no_score(result)) is not None:
        return Undivided(withheld)
    phases = phases_by_time(result)
    return phases if isinstance(phases, Undivided) else phases.energy["gpu"]


def _phase_blocks(result: BenchmarkResult) -> dict[str, object]:
    """Phase → energy in kWh by component, as optimum-benchmark's report has it, without what no meter saw.

    Where the pass cannot be divided, ``energy`` is null with the reason.
    """
    phases = phases_by_time(result)
    if isinstance(phases, Undivided):
        return {phase: {"energy": None, "split": None, "reason": phases.reason} for phase in PHASES}
    names = {"cpu": "cpu", "ram": "dram", "gpu": "gpu", "total": "total"}
    blocks: dict[str, object] = {}
    for phase in PHASES:
        seen = {
            theirs: kwh(getattr(phases.energy[ours], f"{phase}_j"))
            for theirs, ours in names.items()
            if ours in phases.energy
        }
        blocks[phase] = {"energy": {"unit": "kWh", **seen}, "split": METHOD}
    return blocks


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
