"""A thread that takes samples at a slow pace, and at once when it is told to."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread

# A sample takes milliseconds; a driver that hangs may hold one for ever, and the run must end all the same.
_PATIENCE_S = 10.0


class Sampler:
    """Calls ``sample`` every ``poll_s`` seconds, and right after each ``poke``.

    Attributes:
        again_s: so long after a poke it samples again: a counter that may be so old when it is read shows only
            then a value that is surely younger than the poke. 0 for counters that are up to date.
    """

    def __init__(
        self, sample: Callable[[], None], poll_s: float, name: str, *, patience_s: float = _PATIENCE_S
    ) -> None:
        self._sample = sample
        self._poll_s = poll_s
        self._patience_s = patience_s
        self.again_s = 0.0
        self._wake = Event()
        self._leaving = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def poke(self) -> None:
        """Ask for a sample now; costs about a microsecond."""
        self._wake.set()

    def stop(self) -> None:
        """Take no more samples; returns when the thread has ended, or when a driver has not answered it for long."""
        self._leaving = True
        self._wake.set()
        self._thread.join(self._patience_s)

    def _run(self) -> None:
        while not self._leaving:
            poked = self._wake.wait(self._poll_s)
            self._wake.clear()
            self._sample()
            if poked and self.again_s and not self._leaving:
                time.sleep(self.again_s)
                self._sample()
