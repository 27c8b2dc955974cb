"""A thread that takes samples at a slow pace, and at once when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread


class Sampler:
    """Calls ``sample`` every ``poll_s`` seconds, and right after each ``poke``."""

    def __init__(self, sample: Callable[[], None], poll_s: float, name: str) -> None:
        self._sample = sample
        self._poll_s = poll_s
        self._wake = Event()
        self._leaving = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def poke(self) -> None:
        """Ask for a sample now; costs about a microsecond."""
        self._wake.set()

    def stop(self) -> None:
        """Take no more samples; returns when the thread has ended."""
        self._leaving = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._leaving:
            self._wake.wait(self._poll_s)
            self._wake.clear()
            self._sample()
