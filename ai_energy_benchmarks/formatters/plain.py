"""Prompts as one user turn, or as raw text."""

from __future__ import annotations

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import Message, Prompt, Request


@frozen
class PlainFormatter:
    """One user turn for the model's chat template; raw text if ``chat`` is false."""

    chat: bool = True

    def format(self, number: int, prompt: Prompt) -> Request:
        messages = (Message("user", prompt.text),) if self.chat else ()
        return Request(number, prompt, messages)
