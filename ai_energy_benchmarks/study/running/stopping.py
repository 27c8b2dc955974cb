"""Ctrl-C in a study: once finishes the trial that runs, twice stops now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from attrs import define, field


@define
class StopRequests:
    """``with`` around a study. The first SIGINT asks to finish, a second one does what it did before.

    Where SIGINT was ignored, as in the background of a shell, it stays so. In another thread than the main one nothing
    is changed, since Python delivers signals to the main thread alone.

    Attributes:
        announce: called in the handler of the first one.
    """

    announce: Callable[[], None] = field(default=lambda: None)
    _finish: threading.Event = field(factory=threading.Event)
    _before: Callable[[int, FrameType | None], Any] | None = None

    @property
    def finish(self) -> bool:
        """Finish the trials under way, and start no further ones."""
        return self._finish.is_set()

    def request(self) -> None:
        """Ask to finish."""
        self._finish.set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until someone asks to finish."""
        self._finish.wait(seconds)

    def __enter__(self) -> StopRequests:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._before = handler
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self.finish:
            self._finish.set()
            self.announce()
        elif self._before is not None:
            self._before(number, frame)
