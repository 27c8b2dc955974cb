"""A summary without the figures that token counts are in, for runs whose counts cannot be trusted."""

from __future__ import annotations

from attrs import evolve

from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary

_WITHHELD = "withheld, as token counts are in doubt"


def without_token_figures(summary: Summary, doubt: str) -> Summary:
    """Leave out energy per token, time per output token, and the goodput that this time decides.

    Token counts and their rate stay in the summary as the engine reported them; reports show the rate nowhere but in
    the block of the contract (``summary`` of result.json).
    """
    goodput = summary.goodput
    return evolve(
        summary,
        components=tuple(map(_without_tokens, summary.components)),
        total=summary.total and _without_tokens(summary.total),
        tokens_in_doubt=doubt,
        tpot_s=None,
        latency_notes={**summary.latency_notes, "tpot": _WITHHELD},
        goodput=None if goodput is not None and goodput.slo.tpot_s is not None else goodput,
    )


def _without_tokens(energy: ComponentEnergy) -> ComponentEnergy:
    return evolve(energy, per_output_token_j=None, per_output_token_bounds_j=None)
