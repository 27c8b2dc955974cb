"""A switch that is a key of the request."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import TemplateValue
from ai_energy_benchmarks.formatters.base import ReasoningFormat, named
from ai_energy_benchmarks.formatters.switch import Switch


@frozen
class ParameterFormatter(ReasoningFormat):
    """Keys at the top level of a server's request; an engine in process gives them to the chat template."""

    def switch(self, reasoning: bool, params: Mapping[str, TemplateValue]) -> Switch:
        chosen = self.family.on if reasoning else self.family.off
        return Switch(parameters={**named(chosen), **params})
