"""The report of optimum-benchmark: energy of prefill and decode in kWh, as ``benchmark_report.json`` has it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ai_energy_benchmarks.results.no_score import number, token_doubt_of
from ai_energy_benchmarks.results.quotable import Document, block
from ai_energy_benchmarks.results.units import kwh
from ai_energy_benchmarks.safety.printable import in_json

# Their name of a component → ours.
_NAMES = {"cpu": "cpu", "ram": "dram", "gpu": "gpu", "total": "total"}
PHASES = ("prefill", "decode")


def optimum_report(document: Document) -> str:
    """The report as JSON.

    ``energy`` has their keys ``unit``, ``cpu``, ``ram``, ``gpu`` and ``total`` in kWh, ``efficiency`` their ``unit``
    and ``value``; both are null with a ``reason`` where the pass cannot be divided, and one component is null where it
    has no figure. ``measures`` is empty: phases are divided by the time of all trials together, not of each.
    """
    phases: dict[str, object] = {phase: _phase(document, phase) for phase in PHASES}
    about = {
        "tool": "ai_energy_benchmarks",
        "run_id": document.get("run_id"),
        "model": block(document, "config").get("model"),
        "verdict": document.get("verdict"),
        "methods": {name: block(document, "components", name).get("source") for name in block(document, "components")},
        "split": block(document, "phases_by_time").get("method"),
    }
    return in_json(json.dumps({**phases, "report": about}, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _phase(document: Document, phase: str) -> Mapping[str, object]:
    ending = document.get("ending", "completed")
    known = block(document, "phases_by_time", "energy")
    if ending != "completed":
        return _withheld(f"the run was {ending}")
    if not known:
        return _withheld(str(document.get("phases_by_time_absent") or "no component has a figure"))
    energy = {theirs: _energy_kwh(known, ours, phase) for theirs, ours in _NAMES.items()}
    reasons = block(document, "absent")
    absent = {
        name: str(reasons.get(ours) or "its window is not resolved")
        for name, ours in _NAMES.items()
        if energy[name] is None
    }
    return {
        "energy": {"unit": "kWh", **energy},
        "efficiency": _efficiency(document, phase, energy["total"]),
        "measures": [],
        **({"absent": absent} if absent else {}),
    }


def _withheld(reason: str) -> Mapping[str, object]:
    return {"energy": None, "efficiency": None, "measures": [], "reason": reason}


def _energy_kwh(known: Document, component: str, phase: str) -> float | None:
    energy_j = number(block(known, component).get(f"{phase}_j"))
    return None if energy_j is None else kwh(energy_j)


def _efficiency(document: Document, phase: str, energy_kwh: float | None) -> Mapping[str, object] | None:
    """Tokens per kWh of the total; the first token of each request comes out of prefill, as there."""
    summary = block(document, "summary")
    prompt, output, requests = (
        number(summary.get(key)) for key in ("total_prompt_tokens", "total_completion_tokens", "successful_prompts")
    )
    tokens = prompt if phase == "prefill" else None if output is None or requests is None else output - requests
    if not tokens or tokens < 0 or not energy_kwh or token_doubt_of(document) is not None:
        return None
    if phase == "prefill" and block(document, "tokens").get("prompt_in_doubt"):
        return None
    return {"unit": "tokens/kWh", "value": tokens / energy_kwh}
