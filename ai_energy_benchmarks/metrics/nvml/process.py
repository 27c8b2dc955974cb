"""The one child process that reads the boards when this process's interpreter is too busy to do it in time.

The monotonic clock is the same in both, so nothing but the place of the reading changes. The child writes one
JSON array a line and ends when its input does, that is with its parent.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import TextIO, cast

from ai_energy_benchmarks.domain.power import Quantity
from ai_energy_benchmarks.machine.interpreter import module_command
from ai_energy_benchmarks.machine.nvml import open_nvml, shut_down
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard
from ai_energy_benchmarks.metrics.nvml.own_threads import OwnThreads
from ai_energy_benchmarks.metrics.nvml.poller import BoardPoller, Sink, WakeUps

# The parent wakes for each batch, and takes its interpreter from the engine for it.
_BATCH_S = 0.05


class RemoteSampler:
    """The parent's end of the child."""

    def __init__(self, sinks: Mapping[str, Sink], poll_s: float) -> None:
        self._sinks = sinks
        command = module_command(__name__, repr(poll_s), *sinks)
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._life_line, self._lines = self._process.stdin, self._process.stdout

    def ready(self) -> bool:
        """Whether it has said anything, be it that it ended."""
        return bool(select.select([self._lines], [], [], 0)[0])

    def forward_one(self) -> bool:
        """Wait for one line and pass it on; False if the child has ended."""
        line = self._lines.readline()
        if not line:
            return False
        board_id, kind, *values = json.loads(line)
        sink = self._sinks[board_id]
        if kind == "tick":
            sink.tick(*values)
        elif kind == "processes":
            time_s, listed = values
            sink.processes(time_s, None if listed is None else frozenset(listed))
        elif kind == "gone":
            sink.gone(*values)
        else:
            sink.reading(cast("Quantity", kind), *values)
        return True

    def end(self) -> None:
        """Tell the child to end."""
        self._life_line.close()

    def close(self) -> None:
        """End the child and wait for it."""
        self.end()
        self._process.wait()
        self._lines.close()


class _LineSink:
    """Writes what a board says as lines."""

    def __init__(self, board_id: str, lines: TextIO) -> None:
        self._board_id = board_id
        self._lines = lines

    def _write(self, kind: str, *values: float | str | list[int] | None) -> None:
        self._lines.write(json.dumps([self._board_id, kind, *values]) + "\n")

    def reading(self, quantity: Quantity, before_s: float, after_s: float, value: float) -> None:
        self._write(quantity, before_s, after_s, value)

    def tick(self, tick_s: float) -> None:
        self._write("tick", tick_s)

    def processes(self, time_s: float, listed: frozenset[int] | None) -> None:
        self._write("processes", time_s, None if listed is None else sorted(listed))

    def gone(self, reason: str) -> None:
        self._write("gone", reason)


def main(poll_s: float, board_ids: Sequence[str]) -> None:
    """Read the boards until the input ends."""
    over = Event()

    def wait_for_the_parent() -> None:
        sys.stdin.read()
        over.set()

    Thread(target=wait_for_the_parent, daemon=True).start()
    nvml = open_nvml()
    with open(1, "w", encoding="utf-8", closefd=False) as lines:
        boards = [NvmlBoard(nvml, nvml.nvmlDeviceGetHandleByUUID(board_id)) for board_id in board_ids]
        pollers = [BoardPoller(nvml, board, poll_s, _LineSink(board.device.id, lines)) for board in boards]
        wakes, due_s = WakeUps(), 0.0
        with OwnThreads(pollers) as threads:
            while not over.is_set():
                threads.poll(wakes)
                if time.perf_counter() >= due_s:
                    lines.flush()
                    due_s = time.perf_counter() + _BATCH_S
    shut_down(nvml)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
