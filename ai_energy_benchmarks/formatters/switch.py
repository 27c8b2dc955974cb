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
    """Prompts as a chat that ends with the user's turn, with a switch set."""

    switch: Switch

    def format(self, number: int, prompt: Prompt) -> Request:
        switch = self.switch
        return Request(
            number,
            prompt,
            (*_with_system(switch.system, prompt.history), Message("user", switch.before_prompt + prompt.text)),
            template_arguments=switch.template_arguments,
            parameters=switch.parameters,
            assistant_prefix=switch.assistant_prefix,
        )


def _with_system(text: str, history: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns with this text in the system's, which is the first, and which templates take only once."""
    if not text:
        return history
    if history and history[0].role == "system":
        return (Message("system", f"{text}\n\n{history[0].content}"), *history[1:])
    return (Message("system", text), *history)
