"""Fakes for tests: members on a simulated clock that keep a journal, and a server that computes in virtual time."""

from ai_energy_benchmarks.testing.engine import Engine
from ai_energy_benchmarks.testing.fakes import (
    FakeBackend,
    FakeClock,
    FakeCollector,
    FakeOptions,
    FakeReporter,
    Journal,
)
from ai_energy_benchmarks.testing.virtual_clock import VirtualClock
from ai_energy_benchmarks.testing.virtual_server import VirtualCollector, VirtualServer

__all__ = [
    "Engine",
    "FakeBackend",
    "FakeClock",
    "FakeCollector",
    "FakeOptions",
    "FakeReporter",
    "Journal",
    "VirtualClock",
    "VirtualCollector",
    "VirtualServer",
]
