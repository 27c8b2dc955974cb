"""A switch that is the beginning of the answer."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import TemplateValue
from ai_energy_benchmarks.formatters.base import ReasoningFormat, text
from ai_energy_benchmarks.formatters.switch import Switch


@frozen
class PrefixFormatter(ReasoningFormat):
    """``<think>`` opened, or opened and closed, in the assistant's turn.

    Where the chat template opens it already, rendering adds only what is missing.
    """

    def switch(self, reasoning: bool, params: Mapping[str, TemplateValue]) -> Switch:
        return Switch(assistant_prefix=text(self.family.on if reasoning else self.family.off))
