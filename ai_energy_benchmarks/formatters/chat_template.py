"""A switch that the model's own chat template has."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import TemplateValue
from ai_energy_benchmarks.formatters.base import ReasoningFormat, named
from ai_energy_benchmarks.formatters.switch import Switch


@frozen
class ChatTemplateFormatter(ReasoningFormat):
    """Keyword arguments of the chat template, such as ``enable_thinking``.

    In process they go to ``apply_chat_template``, to a server in ``chat_template_kwargs``.
    """

    def switch(self, reasoning: bool, params: Mapping[str, TemplateValue]) -> Switch:
        chosen = self.family.on if reasoning else self.family.off
        return Switch(template_arguments={**named(chosen), **params})
