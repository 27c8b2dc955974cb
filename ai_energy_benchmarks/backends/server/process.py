"""A server of our own: started, waited for, its log kept, and its whole process tree ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from ai_energy_benchmarks.domain.openmp import passive_waiting
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.errors import BackendError

_TERM_PATIENCE_S = 20.0
_POLL_S = 0.25
_LOG_TAIL_LINES = 15
# A proxy of the environment does not know this machine's own addresses.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@define
class ServerProcess:
    """A server process and its descendants.

    Attributes:
        health_url: answers 200 once requests may be sent.
        log_file: receives everything the server prints.
        startup_timeout_s: most seconds until it is ready.
    """

    command: Sequence[str]
    health_url: str
    log_file: Path
    startup_timeout_s: float
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    _process: subprocess.Popen[bytes] | None = None

    def start(self, progress: Progress) -> None:
        """Start it and wait until it is ready.

        Raises:
            BackendError: it cannot be started, ends early, or is not ready in time; with the end of its log.
        """
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        progress.begin(f"start {Path(self.command[0]).name}", int(self.startup_timeout_s))
        try:
            with self.log_file.open("wb") as log:
                # A session of its own: Ctrl-C in our terminal must not reach it before we have read the meters.
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **passive_waiting(os.environ), **self.environment},
                    start_new_session=True,
                )
            self._wait_until_ready(progress)
        except OSError as error:
            raise BackendError(f"{self.command[0]} cannot be started: {error}") from error
        except BaseException:
            self.stop()
            raise
        finally:
            progress.end()

    @property
    def pid(self) -> int | None:
        """The first process of the tree while it lives."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def stop(self) -> None:
        """End the tree: ask, wait, then kill what is left. Nothing happens if it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        self._signal(process.pid, signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_TERM_PATIENCE_S)
        finally:
            # Workers may outlive the process that started them.
            self._signal(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_until_ready(self, progress: Progress) -> None:
        assert self._process is not None
        began_s = shown_s = time.monotonic()
        while time.monotonic() - began_s < self.startup_timeout_s:
            if self._process.poll() is not None:
                raise BackendError(
                    f"the server ended with status {self._process.returncode} before it was ready:\n{self.log_tail()}",
                    remedy=f"read {self.log_file}",
                )
            if self._healthy():
                return
            time.sleep(_POLL_S)
            if time.monotonic() - shown_s >= 1:
                progress.advance()
                shown_s += 1
        raise BackendError(
            f"the server was not ready after {self.startup_timeout_s:g} s:\n{self.log_tail()}",
            remedy="raise backend.options.startup_timeout_s",
        )

    def _healthy(self) -> bool:
        try:
            with _DIRECT.open(self.health_url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def log_tail(self) -> str:
        """The last lines that the server printed."""
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(f"  | {line}" for line in lines[-_LOG_TAIL_LINES:])

    @staticmethod
    def _signal(group: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, number)
