"""Values that arrive as text although they mean something else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ai_energy_benchmarks.domain.prompts import TemplateValue

_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "none": None}


def plain(value: TemplateValue) -> TemplateValue:
    """``"True"`` as True, ``"512"`` as 512, ``" low "`` as ``"low"``; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
