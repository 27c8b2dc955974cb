"""What turns thinking on or off in one request, whatever the kind of switch."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ai_energy_benchmarks.domain.prompts import Message, Prompt, Request, TemplateValue


@frozen
class Switch:
    """What is added to a request.

    Attributes:
        system: text of a system turn; no turn if empty.
        before_prompt: text put before the prompt in the user's turn.
        template_arguments: keyword arguments of the chat template.
        parameters: keys of the request itself, for servers; an engine in process gives them to the template.
        assistant_prefix: text that opens the assistant's turn.
    """

    system: str = ""
    before_prompt: str = ""
    template_arguments: Mapping[str, TemplateValue] = field(factory=dict)
    parameters: Mapping[str, TemplateValue] = field(factory=dict)
    assistant_prefix: str = ""


@frozen
class SwitchedFormatter:
    """Prompts as one user turn, with a switch set."""

    switch: Switch

    def format(self, number: int, prompt: Prompt) -> Request:
        switch = self.switch
        system = (Message("system", switch.system),) if switch.system else ()
        return Request(
            number,
            prompt,
            (*system, Message("user", switch.before_prompt + prompt.text)),
            template_arguments=switch.template_arguments,
            parameters=switch.parameters,
            assistant_prefix=switch.assistant_prefix,
        )
