"""Values as scripts put them into the classes of 0.0.x: of OmegaConf, of NumPy, or text that stands for a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ai_energy_benchmarks.text import yaml_text


def plain(value: Any) -> Any:
    """Mappings and lists of any make as dicts and lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(each) for each in value]
    return value


def typed(value: Any) -> object:
    """Text as YAML types it, a single value of NumPy as Python's own, all else as it is."""
    if type(value).__module__ == "numpy" and value.ndim == 0:  # tables of models are read into such values
        return value.item()
    return yaml_text.scalar(value.strip()) if isinstance(value, str) else value


def typed_values(value: object) -> object:
    """The same for the values of a mapping."""
    found = plain(value)
    return {key: typed(each) for key, each in found.items()} if isinstance(found, dict) else typed(found)
