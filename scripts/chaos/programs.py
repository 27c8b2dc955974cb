"""Commands of the package as processes to be killed: warm ones, which begin with everything imported, and cold ones."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from attrs import define, field, frozen

PROGRAM = (sys.executable, "-m", "ai_energy_benchmarks")
MARK = "AEB_CHAOS"


@frozen
class Order:
    """A command, where it runs and what it has besides the environment of all."""

    words: list[str]
    directory: Path
    environment: Mapping[str, str]

    @property
    def error_file(self) -> Path:
        return self.directory / "stderr"

    @property
    def output_file(self) -> Path:
        return self.directory / "stdout"


@define
class Running:
    """A process until it has ended."""

    pid: int
    code: int | None = None
    _descriptor: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._descriptor = os.pidfd_open(self.pid)

    def ended(self, within_s: float = 0.0) -> bool:
        """Whether it ends in this time."""
        return bool(select.select([self._descriptor], [], [], within_s)[0])

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended; never to another process that has its number by now."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def close(self) -> None:
        """Forget it."""
        os.close(self._descriptor)


@define
class Programs:
    """``with`` around the commands of one kind of run.

    Attributes:
        modules: what warm processes have imported besides the package.
    """

    modules: tuple[str, ...] = ()
    _warm: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Programs:
        script = str(Path(__file__).parent / "warm.py")
        self._warm = subprocess.Popen(
            [sys.executable, script, *self.modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._warm.stdin is not None
        self._warm.stdin.close()
        self._warm.wait(60)

    def start(self, order: Order) -> Running:
        """A warm one; ``code`` takes its end."""
        assert self._warm.stdin is not None
        files = {"out": str(order.output_file), "err": str(order.error_file)}
        line = {
            "words": order.words,
            "directory": str(order.directory),
            "environment": dict(order.environment),
            **files,
        }
        self._warm.stdin.write(json.dumps(line) + "\n")
        self._warm.stdin.flush()
        return Running(int(self._line()))

    def code(self, running: Running) -> int:
        """The return code of a warm one that has ended."""
        running.close()
        return int(self._line())

    def run(self, order: Order) -> int:
        """A warm one to its end; its return code."""
        return self.code(self.start(order))

    def _line(self) -> str:
        assert self._warm.stdout is not None
        return self._warm.stdout.readline().strip()


def start_cold(order: Order) -> subprocess.Popen[bytes]:
    """A command as users start it."""
    with order.output_file.open("wb") as out, order.error_file.open("wb") as err:
        return subprocess.Popen(
            [*PROGRAM, *order.words], cwd=order.directory, env={**os.environ, **order.environment},
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip


def marked(mark: str) -> list[int]:
    """Living processes that have this mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found
