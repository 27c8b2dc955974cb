"""A switch that is text: a flag or an instruction in the system turn, or before the prompt."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import TemplateValue
from ai_energy_benchmarks.formatters.base import ReasoningFormat, text
from ai_energy_benchmarks.formatters.switch import Switch


@frozen
class SystemPromptFormatter(ReasoningFormat):
    """Text such as ``/think`` and ``/no_think``; the family says where it stands."""

    def switch(self, reasoning: bool, params: Mapping[str, TemplateValue]) -> Switch:
        chosen = text(self.family.on if reasoning else self.family.off)
        return Switch(before_prompt=chosen) if self.family.place == "prompt" else Switch(system=chosen)
