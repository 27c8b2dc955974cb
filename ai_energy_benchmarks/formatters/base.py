"""The contracts of formatters, and of reasoning formats, which become formatters once they are bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from attrs import frozen

from ai_energy_benchmarks.domain.prompts import Prompt, Request, TemplateValue
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.formatters.family import Family
from ai_energy_benchmarks.formatters.switch import Switch, SwitchedFormatter
from ai_energy_benchmarks.formatters.values import plain

# Callers name the switch itself by these, whatever the family calls it.
_SYNONYMS = frozenset({"enable_thinking", "thinking", "reasoning"})


class Formatter(Protocol):
    """Turns a prompt into the request that the backend renders."""

    def format(self, number: int, prompt: Prompt) -> Request:
        """The request with that number in the pass."""
        ...


@frozen
class ReasoningFormat:
    """One kind of switch, for one family; ``bind`` sets it.

    Subclasses say in ``switch`` what is sent.
    """

    family: Family

    def bind(self, reasoning: bool, params: Mapping[str, TemplateValue] | None = None) -> SwitchedFormatter:
        """A formatter with thinking on or off.

        Args:
            params: ``scenario.reasoning_params``; values may be text (``"true"``, ``"low"``).

        Raises:
            ConfigError: a parameter is unknown to the family, has a value it does not allow, or contradicts
                ``reasoning``.
        """
        given = {name: plain(value) for name, value in (params or {}).items()}
        return SwitchedFormatter(self.switch(reasoning, self._checked(reasoning, given)))

    def switch(self, reasoning: bool, params: Mapping[str, TemplateValue]) -> Switch:
        """What is sent, given parameters that the family allows."""
        raise NotImplementedError

    def _checked(self, reasoning: bool, given: Mapping[str, TemplateValue]) -> dict[str, TemplateValue]:
        """The parameters without those that only repeat ``reasoning``."""
        kept = {}
        for name, value in given.items():
            if name in self.family.params:
                kept[name] = self._allowed(name, value)
            elif name not in _SYNONYMS:
                raise ConfigError(
                    f"scenario.reasoning_params.{name}: the family {self.family.name} has no such parameter",
                    remedy=f"remove it; known here: {', '.join(self.family.params) or 'none'}",
                )
            elif value is not reasoning:
                raise ConfigError(
                    f"scenario.reasoning_params.{name} is {value!r}, which contradicts scenario.reasoning: {reasoning}",
                    remedy=f"remove {name}; scenario.reasoning alone sets the switch",
                )
        return kept

    def _allowed(self, name: str, value: TemplateValue) -> TemplateValue:
        allowed = self.family.params[name]
        if allowed and value not in allowed:
            raise ConfigError(
                f"scenario.reasoning_params.{name}: the family {self.family.name} does not know {value!r}",
                remedy=f"set it to one of {', '.join(map(str, allowed))}",
            )
        return value


def named(value: object) -> dict[str, TemplateValue]:
    """What a switch sends, where that is named values."""
    return dict(value) if isinstance(value, Mapping) else {}


def text(value: object) -> str:
    """What a switch sends, where that is text."""
    return value if isinstance(value, str) else ""
