"""Work per energy in the report document: floating-point operations, use of the GPUs, energy-delay product."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from statistics import fmean
from typing import Any

from ai_energy_benchmarks.analysis import flops
from ai_energy_benchmarks.analysis.board_peaks import arithmetic_of, peak
from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.filler_tokens import filler_completions
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.domain.architecture import Architecture
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.outcomes import TokenCounts
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.results import units


def efficiency(result: BenchmarkResult) -> dict[str, Any]:
    """Figures of one pass; ``flop`` is null with the reason in ``flop_absent`` where they cannot be counted."""
    work = _work(result)
    return {
        "energy_delay_product_j_s": _energy_delay(result),
        "flop": _flop(result.engine, work) if work else None,
        "flop_absent": None if work else _why_absent(result),
        "flop_per_j": {
            name: work.total / energy.energy_j
            for name, energy in energies(result.summary).items()
            if work and energy.resolved and energy.energy_j > 0
        },
        "utilisation": _utilisation(result, work) if work else None,
    }


def _energy_delay(result: BenchmarkResult) -> dict[str, Any]:
    """Energy of a pass times its duration: what is saved by running slower does not look like a gain."""
    duration_s = result.summary.duration_s
    return {
        name: units.bounded(energy.bounds_j * duration_s, resolved=energy.resolved)
        for name, energy in energies(result.summary).items()
    }


def _work(result: BenchmarkResult) -> flops.Work | None:
    """Mean over the trials that count."""
    trials = counting_trials(result.trials)
    shape = result.engine.architecture if result.engine else None
    if shape is None or not trials or _doubt(result) is not None:
        return None
    works = [_of_trial(shape, trial) for trial in trials]
    mean = flops.Work(fmean(work.prefill for work in works), fmean(work.decode for work in works))
    return mean if mean.total else None


def _of_trial(shape: Architecture, trial: Trial) -> flops.Work:
    """Counted once, for the document and the console alike."""
    key, fillers = ("flops", shape, id(trial.fillers)), trial.fillers
    counts: Iterable[Completion | TokenCounts] = chain(trial.outcomes.token_counts(), filler_completions(trial))
    made = trial.outcomes.remembered(key, lambda: (flops.requests(shape, counts), fillers))
    return made[0]


def _doubt(result: BenchmarkResult) -> str | None:
    return result.summary.tokens_in_doubt or result.summary.prompt_tokens_in_doubt


def _flop(engine: EngineFacts | None, work: flops.Work) -> dict[str, Any]:
    assert engine is not None, "there is work only with an engine"
    shape = engine.architecture
    assert shape is not None, "there is work only with a shape"
    why = flops.doubt(shape, engine.parameters)
    return {
        "per_pass": work.total,
        "prefill": work.prefill,
        "decode": work.decode,
        "method": flops.METHOD,
        "confidence": "low" if why else "high",
        "confidence_reason": why or "the same config makes the engine's number of weights",
        "parameters": flops.parameters(shape),
        "active_parameters": flops.parameters(shape, active=True),
    }


def _why_absent(result: BenchmarkResult) -> str:
    engine = result.engine
    if (doubt := _doubt(result)) is not None:
        return f"they follow from token counts, which are in doubt: {doubt}"
    if engine is None or engine.architecture is None:
        return "the engine does not report the model's shape, or its family is not known"
    return "no request succeeded"


def _utilisation(result: BenchmarkResult, work: flops.Work) -> dict[str, Any] | None:
    """Share of the peak of the engine's GPUs for its type of number; None if one of them has no known peak."""
    engine, duration_s = result.engine, result.summary.duration_s
    assert engine is not None, "there is work only with an engine"
    arithmetic = arithmetic_of(engine.dtype, engine.settings.get("quantization"))
    used = engine.board_ids or ()
    boards = [board for board in result.environment.boards if board.id in used]
    peaks = [peak(board.name, arithmetic) for board in boards]
    known = [gpu_peak for gpu_peak in peaks if gpu_peak is not None]
    if not known or len(known) < len(used) or duration_s <= 0:
        return None
    peak_flop_per_s = add_up(gpu_peak.flop_per_s for gpu_peak in known)
    return {
        "share_of_peak": work.total / duration_s / peak_flop_per_s,
        "peak_flop_per_s": peak_flop_per_s,
        "arithmetic": arithmetic,
        "source": "; ".join(dict.fromkeys(gpu_peak.source for gpu_peak in known)),
    }
