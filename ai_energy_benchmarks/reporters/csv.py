"""One row a run, appended to a table that may have been begun by another version or another program."""

from __future__ import annotations

from pathlib import Path

from attrs import asdict, frozen

from ai_energy_benchmarks.analysis.derived import derive, derive_steady, energies, steady_energies
from ai_energy_benchmarks.analysis.footprint import footprint
from ai_energy_benchmarks.domain.components import shown
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.serving import Goodput
from ai_energy_benchmarks.domain.statistics import Distribution
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary
from ai_energy_benchmarks.domain.work import unit
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.results import units
from ai_energy_benchmarks.results.table import append_row
from ai_energy_benchmarks.safety.cells import guarded
from ai_energy_benchmarks.safety.printable import one_line

Cell = str | int | float | None


@frozen
class CsvReporter:
    """Appends one row a run to ``benchmark_results.csv``.

    Attributes:
        file: the table; made with its directory if it is not there.
    """

    file: Path

    @classmethod
    def from_settings(cls, settings: ReporterSettings) -> CsvReporter:
        return cls(settings.output_file or settings.output_dir / "benchmark_results.csv")

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        append_row(self.file, result_row(result))
        return (self.file,)


def result_row(result: BenchmarkResult) -> dict[str, str]:
    """Column → cell, the same columns for the same components; an empty cell means absent, which is not zero.

    Figures are of one pass, means over trials. ``gpu_``, ``cpu_``, ``dram_``, where a meter sees it
    ``system_``, and ``total_`` (the sum of ``total_components``, or empty for the reason in ``total_absent``) have

    - ``energy_wh``, ``energy_low_wh``, ``energy_high_wh``: gross, with the meter's bounds
    - ``net_energy_wh``: less the resident idle power; signed
    - ``source`` (measured, integrated or modelled) and ``meter``
    - ``j_per_output_token``, its ``_half_width_95`` (with the sensor's gain where ``_sensor_gain_limit`` names it)
      and its ``_repeatability_95`` (without); a modelled figure has neither
    - ``wh_per_1000_queries``, ``average_power_w``, ``peak_power_w``

    Under concurrency ``steady_`` columns hold the steady state, which leads; those without the word are of the whole
    pass, with the tokens of its fillers, but for ``wh_per_1000_queries``, which is the steady state's.
    ``steady_window_j_per_output_token`` is what was measured where that is given for another context than the window's.
    ``steady_absent`` says why there is none. Latencies are then of the requests sent within the steady state.

    ``ttft_``, ``itl_``, ``tpot_``, ``e2e_`` and ``inter_chunk_`` have ``mean_ms``, ``p50_ms``, ``p90_ms``,
    ``p95_ms``, ``p99_ms``. Where a token event carries several tokens (``tokens_per_event``) its gaps are
    ``inter_chunk_`` and ``itl_`` is empty.
    ``wall_energy_wh`` is the total × ``wall_factor``; where that is stated, emissions and cost are of it.
    Where a pass produces something besides tokens, ``work_unit`` names what energy is counted by, and there are the
    amount, ``_per_s`` and ``_j_per_`` of each unit.
    If the bounds are too far apart, the figures between them are empty; if token counts are in doubt, those that
    tokens are in.
    """
    row = {**_identity(result), **_steady_work(result.summary), **_work(result.summary)}
    seen, steady = energies(result.summary), steady_energies(result.summary)
    for name in (*shown(seen), "total"):
        leading = _steady_energy(result.summary, steady.get(name))
        row.update({f"{name}_steady_{key}": cell for key, cell in leading.items()})
        row.update({f"{name}_{key}": cell for key, cell in _energy(result.summary, seen.get(name)).items()})
    row.update(_amounts(result.summary))
    for name in ("ttft", "itl", "tpot", "e2e", "inter_chunk"):
        row.update(_latency(name, getattr(result.summary, f"{name}_s")))
    row["tokens_per_event"] = result.summary.tokens_per_event
    row.update(_goodput(result.summary))
    row.update(_emissions(result), **_machine(result), run_id=result.run_id or None)
    return {key: _cell(cell) for key, cell in row.items()}


def _cell(cell: Cell) -> str:
    """Text that a spreadsheet does not take for a formula; numbers may be negative."""
    if cell is None:
        return ""
    return guarded(one_line(cell)) if isinstance(cell, str) else str(cell)


def _identity(result: BenchmarkResult) -> dict[str, Cell]:
    subject, reasons = result.subject, result.verdict.reasons
    return {
        "started_utc": result.started_utc,
        "name": subject.name,
        "backend": subject.backend,
        "model": subject.model,
        "dataset": subject.dataset,
        "dataset_sha256": result.dataset_sha256,
        "num_samples": subject.num_samples,
        "batch_size": subject.batch_size,
        "ending": result.ending,
        "verdict": result.verdict.level,
        "verdict_reasons": "; ".join(each.message for each in reasons if each.level in ("FAIL", "WARN")),
    }


def _steady_work(summary: Summary) -> dict[str, Cell]:
    steady = summary.steady
    return {
        "concurrency": steady.concurrency if steady else None,
        "steady_duration_s": steady.duration_s if steady else None,
        "steady_output_tokens_per_s": steady.output_tokens_per_s if steady and not summary.tokens_in_doubt else None,
        "steady_absent": summary.steady_absent or None,
    }


def _steady_energy(summary: Summary, energy: ComponentEnergy | None) -> dict[str, Cell]:
    figures = derive_steady(summary, energy) if energy else None
    sure = energy if energy and energy.resolved else None
    per_token = sure.per_output_token_j if sure else None
    return {
        "j_per_output_token": per_token.mean if per_token else None,
        "j_per_output_token_half_width_95": per_token.leading_half_width if per_token else None,
        "j_per_output_token_repeatability_95": per_token.half_width if per_token else None,
        "average_power_w": figures.value(figures.average_power_w) if figures else None,
        "window_j_per_output_token": sure.per_output_token_window_j if sure else None,
    }


def _work(summary: Summary) -> dict[str, Cell]:
    return {
        "trials": summary.trials,
        "requests": units.whole(summary.requests),
        "succeeded": units.whole(summary.succeeded),
        "failed": units.whole(summary.failed),
        "duration_s": summary.duration_s,
        "prompt_tokens": units.whole(summary.prompt_tokens),
        "output_tokens": units.whole(summary.output_tokens),
        "output_tokens_per_s": None if summary.tokens_in_doubt else summary.output_tokens_per_s,
    }


def _energy(summary: Summary, energy: ComponentEnergy | None) -> dict[str, Cell]:
    figures = derive(summary, energy) if energy else None
    sure = energy if energy and energy.resolved else None
    per_token = sure.per_output_token_j if sure else None
    per_request_j = figures.request_j if figures else None
    return {
        "energy_wh": units.wh(sure.energy_j) if sure else None,
        "energy_low_wh": units.wh(energy.bounds_j.low) if energy else None,
        "energy_high_wh": units.wh(energy.bounds_j.high) if energy else None,
        "net_energy_wh": units.wh(sure.net_energy_j) if sure and sure.net_energy_j is not None else None,
        "source": energy.provenance if energy else "absent",
        "meter": energy.meter if energy else None,
        "j_per_output_token": per_token.mean if per_token else None,
        "j_per_output_token_half_width_95": per_token.leading_half_width if per_token else None,
        "j_per_output_token_repeatability_95": per_token.half_width if per_token else None,
        "j_per_output_token_sensor_gain_limit": sure.gain_limit if sure and per_token else None,
        "wh_per_1000_queries": units.wh(1000 * per_request_j) if per_request_j is not None else None,
        "average_power_w": figures.value(figures.average_power_w) if figures else None,
        "peak_power_w": energy.peak_power_w if energy else None,
    }


def _amounts(summary: Summary) -> dict[str, Cell]:
    """What was produced besides tokens, and the energy of each unit; no columns where nothing was."""
    cells: dict[str, Cell] = {"work_unit": summary.unit.name} if summary.amounts else {}
    for name, amount in summary.amounts.items():
        cells |= {name: amount, f"{name}_per_s": summary.units_per_s(name)}
        for component, energy in energies(summary).items():
            per = energy.per(unit(name)) if energy.resolved else None
            cells[f"{component}_j_per_{name}"] = per.mean_j.mean if per else None
            cells[f"{component}_j_per_{name}_half_width_95"] = per.mean_j.leading_half_width if per else None
    return cells


def _latency(name: str, seconds: Distribution | None) -> dict[str, Cell]:
    known = asdict(seconds) if seconds else {}
    return {f"{name}_{key}_ms": units.ms(known[key]) if known else None for key in ("mean", "p50", "p90", "p95", "p99")}


def _goodput(summary: Summary) -> dict[str, Cell]:
    found = summary.goodput
    return {
        "goodput_requests_per_s": found.requests_per_s if found else None,
        "goodput_share": found.share if found else None,
        **{f"slo_{name}_ms": _limit_ms(found, f"{name}_s") for name in ("ttft", "tpot", "e2e")},
    }


def _limit_ms(found: Goodput | None, name: str) -> float | None:
    limit_s: float | None = getattr(found.slo, name) if found else None
    return None if limit_s is None else units.ms(limit_s)


def _emissions(result: BenchmarkResult) -> dict[str, Cell]:
    derived, carbon, tariff = footprint(result), result.carbon, result.tariff
    wall_j = None if derived.absent else derived.wall_j
    return {
        "wall_energy_wh": wall_j.best * (1 / units.J_PER_WH) if wall_j else None,
        "wall_factor": result.wall_factor,
        "emissions_g_co2eq": derived.emissions_g,
        "carbon_intensity_g_per_kwh": carbon.intensity_g_per_kwh if carbon else None,
        "pue": carbon.pue if carbon else None,
        "carbon_source": carbon.source if carbon else None,
        "cost_per_pass": derived.cost,
        "currency": tariff.currency if tariff else None,
        "total_components": " + ".join(result.summary.total_components),
        "total_absent": derived.absent,
    }


def _machine(result: BenchmarkResult) -> dict[str, Cell]:
    machine, engine = result.environment, result.engine
    return {
        "engine": engine.engine if engine else None,
        "device": engine.device if engine else None,
        "dtype": engine.dtype if engine else None,
        "platform": machine.platform,
        "cpu_model": machine.cpu_model,
        "boards": "; ".join(each.name for each in machine.boards),
        "driver_version": machine.driver_version,
        "package_version": machine.package_version,
        "git_revision": machine.git_revision,
        "schema_version": result.schema_version,
    }
