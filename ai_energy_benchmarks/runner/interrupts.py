"""Ctrl-C and its like may cut short measuring and waiting, never writing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from attrs import define, field

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP

# Of the process, as signals are: set by whoever started it, who wants no further trial after the one that runs.
FINISH = threading.Event()


def end_if_asked() -> None:
    """Before each trial: end the run here if whoever started the process has asked for that.

    Raises:
        KeyboardInterrupt: they have.
    """
    if FINISH.is_set():
        raise KeyboardInterrupt


@define
class Interrupts:
    """``with`` around a run. Handlers that were set in Python before are called as ever, until the end is near.

    The first signal raises what its handler raises, normally ``KeyboardInterrupt``; the run then waits for the request
    in flight. A second one cuts this waiting short. From then on, or once ``hold`` was called, signals only count:
    the one that came while a completed run was written is handed on after it. In another thread than the main one
    nothing is changed, since Python delivers signals to the main thread alone.

    Attributes:
        on_first: called in the handler of the first signal that ends measuring, to report that.
    """

    on_first: Callable[[], None] | None = None
    _came: list[int] = field(factory=list)
    _held: bool = False
    _late: int | None = None
    _before: dict[int, Callable[[int, FrameType | None], Any]] = field(factory=dict)

    def __enter__(self) -> Interrupts:
        self._came, self._held, self._late = [], False, None
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):  # neither ignored nor the system's own
                    self._before[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if error is None and self._late is not None:
            self._before[self._late](self._late, None)

    def hold(self) -> None:
        """From here on nothing is cut short."""
        self._held = True
        self.take_back()

    def take_back(self) -> None:
        """Set the handlers again: polars, once it is used, has one below Python's that raises in its own calls."""
        if threading.current_thread() is threading.main_thread():
            for number in self._before:
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)
        if self._held:
            self._late = number
            return
        self._held = len(self._came) > 1
        if self.on_first is not None and not self._held:
            self.on_first()
        self._before[number](number, frame)
