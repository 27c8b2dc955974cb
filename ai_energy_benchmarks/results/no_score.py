"""Why a report document gives no score of AI Energy Score."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ai_energy_benchmarks.domain.digits import between

MODELLED = "its GPU energy is modelled, not measured, and cannot be ranked"


def why_no_score(document: Mapping[str, object]) -> str | None:
    """Why the GPU energy of 1,000 queries is withheld; None if it is not.

    Energy that no meter saw, that is modelled or not resolved gives none, nor does a run whose token counts are in
    doubt: the method prescribes the tokens of a query, and who else used the server drew energy too.
    """
    ending = document.get("ending", "completed")
    if ending != "completed":
        return f"its run was {ending}"
    gpu, derived = _block(_block(document, "components"), "gpu"), _block(_block(document, "derived"), "gpu")
    if gpu.get("source") == "modelled":
        return MODELLED
    if gpu.get("resolved") is False:
        low_j, high_j = (number(gpu.get(f"energy_{end}_j")) for end in ("low", "high"))
        known = low_j is not None and high_j is not None
        where = f": a pass used between the bounds {between(low_j or 0.0, high_j or 0.0)} J" if known else ""
        return f"its GPU energy is not resolved{where}"
    if (doubt := token_doubt_of(document)) is not None:
        return f"its token counts are in doubt: {doubt}"
    per_1000_wh = number(_block(derived, "wh_per_1000_queries").get("value"))
    return _why_no_energy(document) if per_1000_wh is None or per_1000_wh <= 0 else None


def _why_no_energy(document: Mapping[str, object]) -> str:
    per_1000 = _block(_block(_block(document, "derived"), "gpu"), "wh_per_1000_queries")
    low_wh, high_wh = number(per_1000.get("low")), number(per_1000.get("high"))
    if low_wh is not None and high_wh is not None and number(per_1000.get("value")) is None:
        return f"its GPU energy is not resolved: 1,000 queries used between the bounds {between(low_wh, high_wh)} Wh"
    if (steady := _no_steady_figure(document)) is not None:
        return f"its run under concurrency gives no figure of the steady state: {steady}"
    absent = _block(document, "absent").get("gpu")
    return f"its run has no GPU energy{f': {absent}' if absent else ''}"


def _no_steady_figure(document: Mapping[str, object]) -> str | None:
    """Why a run under concurrency has no steady figure of the GPU; None if it has one, or one request in flight."""
    steady = _block(document, "steady_state")
    reasons = (steady.get("absent"), steady.get("tokens_absent"), _block(steady, "components_absent").get("gpu"))
    return next((each for each in reasons if isinstance(each, str) and each), None)


def token_doubt_of(document: Mapping[str, object]) -> str | None:
    """Why the token counts of a run cannot be trusted; None if they can."""
    doubt = _block(document, "tokens").get("in_doubt")
    if isinstance(doubt, str):
        return doubt
    # Older documents only leave J per output token null, though tokens were generated.
    per_token = _block(_block(document, "derived"), "gpu").get("j_per_output_token", "not there")
    if per_token is None and number(_block(document, "summary").get("total_completion_tokens")):
        return "J per output token is withheld"
    return None


def number(value: object) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if type(value) is float:  # as most are
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _block(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    block = document.get(name)
    return block if type(block) is dict or isinstance(block, Mapping) else {}
