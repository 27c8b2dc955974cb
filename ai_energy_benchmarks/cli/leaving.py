"""How the process ends: SIGTERM and SIGHUP like Ctrl-C, and at the end without waiting for what does not end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

from attrs import define, field

from ai_energy_benchmarks.cli.streams import flush

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
# The first signal ends measuring and the second waiting; a third one would only cut writing short.
_MOST = 2
# How long the interpreter may wait for threads that are still at work once everything is written.
_LAST_WAIT_S = 3.0
_SIGNALLED = 128


@define
class Endings:
    """``with`` around a command: SIGTERM and SIGHUP raise ``KeyboardInterrupt`` like Ctrl-C, unless they are ignored.

    Attributes:
        code: 128 plus the number of the first signal, as shells have it; 0 if none came.
    """

    code: int = 0
    _came: int = 0
    _before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = field(factory=dict)

    def __enter__(self) -> Endings:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # Python's own handlers alone: ``nohup`` ignores SIGHUP, and a shell's background job SIGINT.
                if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
                    self._before[number] = signal.signal(number, self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # The process is about to end with the first one's code.
            signal.signal(number, signal.SIG_IGN if self._came else handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.code = self.code or _SIGNALLED + number
        self._came += 1
        if self._came <= _MOST:
            raise KeyboardInterrupt


def leave(code: int) -> NoReturn:
    """Exit with a code; after a signal also if a thread does not end, such as an engine that does not come back."""
    flush()
    if code > _SIGNALLED:
        for number in _SIGNALS if threading.current_thread() is threading.main_thread() else ():
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=_end_after, args=(_LAST_WAIT_S, code), daemon=True).start()
    sys.exit(code)


def _end_after(seconds: float, code: int) -> None:
    time.sleep(seconds)
    os._exit(code)
