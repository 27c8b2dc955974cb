"""How a collector finds its options in the settings it is built from."""

from __future__ import annotations

from typing import TypeVar

from ai_energy_benchmarks.metrics.base import CollectorSettings

T = TypeVar("T")


def chosen(settings: CollectorSettings, kind: type[T]) -> T:
    """The user's options, or the defaults of ``kind`` where the config names none."""
    return settings.options if isinstance(settings.options, kind) else kind()
