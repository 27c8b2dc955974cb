"""The contract of every reasoning format."""

from __future__ import annotations

from typing import Protocol

from ai_energy_benchmarks.domain.prompts import Prompt, Request


class Formatter(Protocol):
    """Turns a prompt into the request that the backend renders."""

    def format(self, number: int, prompt: Prompt) -> Request:
        """The request with that number in the pass."""
        ...
