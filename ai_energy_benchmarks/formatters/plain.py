"""Prompts as a chat that ends with the user's turn, or as raw text."""

from __future__ import annotations

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import Message, Prompt, Request
from ai_energy_benchmarks.errors import ConfigError


@frozen
class PlainFormatter:
    """Turns for the model's chat template; raw text if ``chat`` is false."""

    chat: bool = True

    def format(self, number: int, prompt: Prompt) -> Request:
        if self.chat:
            return Request(number, prompt, (*prompt.history, Message("user", prompt.text)))
        if prompt.history:
            raise ConfigError(
                "scenario.chat_template: false sends raw text, which has no place for the turns before the prompt",
                remedy="remove it, or set scenario.dataset_options.turns: first",
            )
        return Request(number, prompt)
