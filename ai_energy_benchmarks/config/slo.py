"""The block ``scenario.slo``."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import gt, optional

from ai_energy_benchmarks.domain.serving import Slo


@frozen
class SloConfig(Slo):
    """Service-level objectives: a request counts for goodput if it keeps all that are set.

    Attributes:
        ttft_s: longest time to the first token.
        tpot_s: longest mean time per output token after the first.
        e2e_s: longest time to the last token.
    """

    ttft_s: float | None = field(default=None, validator=optional(gt(0)))
    tpot_s: float | None = field(default=None, validator=optional(gt(0)))
    e2e_s: float | None = field(default=None, validator=optional(gt(0)))
