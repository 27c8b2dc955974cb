"""What is known of a family of models: which switch turns its thinking on and off, and how thinking shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from ai_energy_benchmarks.domain.prompts import TemplateValue

State = Literal["on", "off"]
Place = Literal["system", "prompt"]


@frozen
class Family:
    """One entry of ``reasoning_formats.yaml``, with the overrides of one model laid over it.

    Attributes:
        type: the kind of switch; None if the models have none.
        default: whether the models think when nothing is sent; None if their authors do not say.
        on, off: what the switch sends: text, or named values, as its type asks.
        place: of a ``system_prompt`` flag: a system turn, or before the prompt.
        params: names that ``scenario.reasoning_params`` may hold → the values allowed, any if empty.
        thinks_when_off: "off" only asks for less; the models cannot stop thinking.
        thinking: the texts that open and close thinking in the output; None if it cannot be distinguished.
        source: who published the switch, and where.
        note: what a reader of a result should know about the switch.
        where: file and line of the entry.
    """

    name: str
    type: str | None = None
    default: State | None = None
    on: str | Mapping[str, TemplateValue] | None = None
    off: str | Mapping[str, TemplateValue] | None = None
    place: Place = "system"
    params: Mapping[str, tuple[TemplateValue, ...]] = field(factory=dict)
    thinks_when_off: bool = False
    thinking: tuple[str, str] | None = None
    source: str = ""
    note: str = ""
    where: str = ""
