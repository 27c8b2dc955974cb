"""The time of each generated token, taken inside the one generation."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class StepClock:
    """A stopping criterion that stops only when cancelled: it notes when each step's tokens exist.

    transformers calls it once a step, after the step's tokens were chosen. On a GPU the host runs ahead of
    the device, so a device event is recorded instead, and turned into host time at the end. With an
    assistant a step brings several tokens, so the length reached is noted too; older versions of transformers then
    call a criterion twice a step, first with what the assistant proposes.

    Args:
        cancelled: ends the generation at its next step once it is set.
    """

    def __init__(self, cancelled: Event) -> None:
        self._cancelled = cancelled
        self._start_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._times_s = array("d")
        self._tokens = array("q")
        self._start_event: torch.cuda.Event | None = None
        self._events: list[torch.cuda.Event] = []

    def start(self, device: torch.device, rows: int, prompt_tokens: int, *, sees_proposals: bool = False) -> None:
        """The inputs are on the device, ``prompt_tokens`` long with padding; generation begins, perhaps again."""
        import torch

        self._begin()
        self._prompt_tokens = prompt_tokens
        self._sees_proposals, self._proposed = sees_proposals, False
        self._go = torch.zeros(rows, dtype=torch.bool, device=device)
        self._stop = torch.ones(rows, dtype=torch.bool, device=device)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
            self._device = device
            self._start_event = self._record()
        self._start_s = time.perf_counter()

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        if self._sees_proposals:
            self._proposed = not self._proposed
            if self._proposed:
                return self._go
        self._tokens.append(input_ids.shape[1] - self._prompt_tokens)
        if self._start_event is None:
            self._times_s.append(time.perf_counter())
        else:
            self._events.append(self._record())
        return self._stop if self._cancelled.is_set() else self._go

    def times_s(self) -> array[float]:
        """Monotonic seconds of each step; only after the device has finished."""
        start = self._start_event
        if start is None:
            return self._times_s
        return array("d", (self._start_s + start.elapsed_time(event) / 1e3 for event in self._events))

    def token_events(self, output_tokens: int, times_s: array[float]) -> tuple[array[float], int]:
        """When a row of so many tokens got them, and how many came first.

        Args:
            times_s: of all steps, from ``times_s()``.
        """
        needed = min(bisect_left(self._tokens, output_tokens) + 1, len(times_s))
        return times_s[:needed], min(self._tokens[0], output_tokens)

    def _record(self) -> torch.cuda.Event:
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event
