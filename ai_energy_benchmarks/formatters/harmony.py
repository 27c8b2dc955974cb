"""gpt-oss: the harmony format, in which thinking has an effort instead of a switch."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import TemplateValue
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.formatters.chat_template import ChatTemplateFormatter
from ai_energy_benchmarks.formatters.switch import Switch


@frozen
class HarmonyFormatter(ChatTemplateFormatter):
    """``reasoning_effort``, which the model's chat template writes into its own system message.

    It goes out as a template argument and as a key of the request: a server renders the template, or it encodes
    harmony itself and reads the key. There is no "off": it asks for the lowest effort, and the result says so.
    """

    def switch(self, reasoning: bool, params: Mapping[str, TemplateValue]) -> Switch:
        lowest = super().switch(False, {}).template_arguments
        if not reasoning and any(lowest.get(name) != value for name, value in params.items()):
            raise ConfigError(
                f"scenario.reasoning is false, but scenario.reasoning_params asks for {dict(params)}",
                remedy="set scenario.reasoning: true for an effort, or remove the parameters",
            )
        chosen = super().switch(reasoning, params).template_arguments
        return Switch(template_arguments=chosen, parameters=chosen)
