"""What a ranking of modelled energy says first, wherever it is shown."""

from __future__ import annotations

MODELLED = (
    "Modelled energy cannot be ranked: this is the order of a model, whose error is in no interval, and not one of "
    "measured energy."
)
