"""How the power of real GPUs falls after work: at once, exponentially, in stages, or to a raised idle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.nvml.simulated import Trace

_STEP_S = 0.002


def exponential_fall(from_w: float, to_w: float, tau_s: float) -> Trace:
    """From one power to another with a time constant, in steps of 2 ms that keep its energy, until 0.1 % is left."""
    count = math.ceil(7 * tau_s / _STEP_S)
    kept = math.exp(-_STEP_S / tau_s)
    mean_share = tau_s / _STEP_S * (1 - kept)  # of each step, relative to its beginning
    return tuple((_STEP_S, to_w + (from_w - to_w) * kept**step * mean_share) for step in range(count))


def stepped_fall(from_w: float, to_w: float, total_s: float, shares: Sequence[float] = (0.7, 0.45, 0.2)) -> Trace:
    """In stages of equal length, each holding a share of the step, as the RTX 3090 was recorded to fall."""
    return tuple((total_s / len(shares), to_w + (from_w - to_w) * share) for share in shares)


def raised(trace: Trace, above_w: float, seconds: float, rest_w: float) -> Trace:
    """What follows work, and then an idle that stays raised for seconds before it is the rest's power again."""
    return (*trace, (seconds, rest_w + above_w))


def pulse(
    rest_w: float, work_w: float, lead_s: float, work_s: float, *, after: Trace = (), rest_s: float = 5.0
) -> Trace:
    """Rest, work that begins at ``lead_s``, whatever follows it, and rest."""
    return ((lead_s, rest_w), (work_s, work_w), *after, (rest_s, rest_w))
