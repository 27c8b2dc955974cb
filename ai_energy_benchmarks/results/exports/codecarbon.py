"""A row of CodeCarbon's ``emissions.csv``: energy of one pass in kWh, with the verdict in columns of its own."""

from __future__ import annotations

import csv
import io

from ai_energy_benchmarks.results.exports.figures import Exported, exported, reasons, verdict_of
from ai_energy_benchmarks.results.no_score import number
from ai_energy_benchmarks.results.quotable import Document, block
from ai_energy_benchmarks.results.units import kg, kwh
from ai_energy_benchmarks.safety.cells import guarded
from ai_energy_benchmarks.safety.printable import one_line

# codecarbon/output_methods/emissions_data.py of version 3.3.2, in its order.
COLUMNS = (
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate", "cpu_power",
    "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed", "water_consumed",
    "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "os", "python_version",
    "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude",
    "ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent",
    "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue",
)  # fmt: skip
OURS = ("aeb_verdict", "aeb_methods", "aeb_withheld")
_NAMES = {"cpu": "cpu", "gpu": "gpu", "ram": "dram"}
_BYTES_PER_GB = 1024**3


def emissions_csv(document: Document) -> str:
    """A header and one row. What is not known or withheld is empty, never 0; ``aeb_withheld`` says why."""
    output = io.StringIO()
    rows = csv.DictWriter(output, (*COLUMNS, *OURS), restval="", lineterminator="\n")
    rows.writeheader()
    rows.writerow({name: _cell(value) for name, value in _row(document).items() if value is not None})
    return output.getvalue()


def _row(document: Document) -> dict[str, object]:
    figures = exported(document)
    values = {figure.name: figure.value.value for figure in figures if figure.value is not None}
    environment, energy = block(document, "environment"), block(document, "energy")
    duration_s = number(block(document, "summary").get("total_duration_seconds"))
    emissions_kg = _emissions_kg(document, values)
    boards = environment.get("boards")
    gpus = [str(gpu.get("name")) for gpu in boards if isinstance(gpu, dict)] if isinstance(boards, list) else []
    memory_bytes = number(environment.get("memory_bytes"))
    return {
        "timestamp": document.get("started_utc"),
        "project_name": energy.get("project_name"),
        "run_id": document.get("run_id"),
        "duration": duration_s,
        "emissions": emissions_kg,
        "emissions_rate": emissions_kg / duration_s if emissions_kg is not None and duration_s else None,
        **{f"{theirs}_power": values.get(f"{ours}.average_power_w") for theirs, ours in _NAMES.items()},
        **{f"{theirs}_energy": _kwh(values.get(f"{ours}.energy_j")) for theirs, ours in _NAMES.items()},
        "energy_consumed": _kwh(values.get("total.energy_j")),
        "country_iso_code": energy.get("country"),
        "region": energy.get("region"),
        "os": environment.get("platform"),
        "python_version": environment.get("python"),
        "cpu_count": environment.get("cpu_threads"),
        "cpu_model": environment.get("cpu_model"),
        "gpu_count": len(gpus) or None,
        "gpu_model": ", ".join(dict.fromkeys(gpus)) or None,
        "ram_total_size": None if memory_bytes is None else memory_bytes / _BYTES_PER_GB,
        "pue": energy.get("pue"),
        "aeb_verdict": verdict_of(document),
        "aeb_methods": _methods(figures),
        "aeb_withheld": "; ".join(f"{name}: {why}" for name, why in reasons(figures).items()),
    }


def _emissions_kg(document: Document, values: dict[str, float]) -> float | None:
    energy = block(document, "energy")
    mass_g = number(energy.get("emissions_g_co2eq"))
    if energy.get("emissions_source") in (None, "absent") or mass_g is None or "total.energy_j" not in values:
        return None
    return kg(mass_g)


def _methods(figures: tuple[Exported, ...]) -> str:
    return "; ".join(dict.fromkeys(f"{figure.component}: {figure.method}" for figure in figures if figure.component))


def _kwh(energy_j: float | None) -> float | None:
    return None if energy_j is None else kwh(energy_j)


def _cell(value: object) -> object:
    return guarded(one_line(value)) if isinstance(value, str) else value
