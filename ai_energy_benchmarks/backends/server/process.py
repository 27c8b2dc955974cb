"""A launched server: started, waited for, its log kept, and its whole process tree ended."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from attrs import define, evolve, field

from ai_energy_benchmarks.domain.openmp import passive_waiting
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.errors import BackendError, reason_of
from ai_energy_benchmarks.machine.control_group import joining, make_group, remove_group
from ai_energy_benchmarks.machine.launched import MARKER, Launched
from ai_energy_benchmarks.machine.watcher import Watcher
from ai_energy_benchmarks.safety.secrets import blank_file, known

_TERM_PATIENCE_S = 20.0
_WORKERS_PATIENCE_S = 2.0
_KILLED_PATIENCE_S = 10.0
_POLL_S = 0.25
_LOG_TAIL_LINES = 15
# The directory that a command is started in is no place for the server's modules (Python 3.11 and later).
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}
# A proxy of the environment does not know this machine's own addresses.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@define
class ServerProcess:
    """A server process and its descendants.

    Attributes:
        health_url: answers 200 once requests may be sent.
        log_file: receives everything the server prints.
        startup_timeout_s: maximum number of seconds until it is ready.
    """

    command: Sequence[str]
    health_url: str
    log_file: Path
    startup_timeout_s: float
    environment: Mapping[str, str] = field(factory=dict, repr=False)
    _process: subprocess.Popen[bytes] | None = None
    _watcher: Watcher | None = None
    _launched: Launched = Launched("")  # noqa: RUF009 # a value

    def start(self, progress: Progress) -> None:
        """Start it and wait until it is ready.

        Raises:
            BackendError: it cannot be started, ends early, or is not ready in time; with the end of its log.
        """
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        progress.begin(f"start {Path(self.command[0]).name}", int(self.startup_timeout_s))
        try:
            self._start()
            self._wait_until_ready(progress)
        except OSError as error:
            self.stop()
            raise BackendError(
                f"{self.command[0]} cannot be started: {reason_of(error)}",
                remedy="check the program in backend.options (python, command) and that this user may run it",
            ) from error
        except BaseException:
            self.stop()
            raise
        finally:
            progress.end()

    def _start(self) -> None:
        if shutil.which(self.command[0]) is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such program", self.command[0])
        mark = secrets.token_hex(16)
        self._launched = Launched(mark, group=make_group(f"ai-energy-benchmark-{mark}"))
        self._watcher = Watcher(self._launched, self.log_file).__enter__()
        variables = {**_SAFE_PATH, **os.environ, **passive_waiting(os.environ), **self.environment, MARKER: mark}
        # Not readable for others before the secrets in it are blanked, which is done when the server has ended.
        with open(self.log_file, "wb", opener=partial(os.open, mode=0o600 if known() else 0o666)) as log:
            # A session of its own: Ctrl-C in our terminal must not reach it before we have read the meters.
            self._process = subprocess.Popen(
                joining(self._launched.group, tuple(self.command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,
            )
        self._launched = evolve(self._launched, first=self._process.pid)

    @property
    def pid(self) -> int | None:
        """The first process of the tree while it lives."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def stop(self) -> None:
        """End all its processes: ask, wait, then kill what is left. Nothing happens if they have ended.

        If this is cut short, the watcher goes on with it once our own process has ended.
        """
        process, self._process = self._process, None
        watcher, self._watcher = self._watcher, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_TERM_PATIENCE_S)
            finally:
                # Workers may outlive the process that started them.
                self._launched.end(_WORKERS_PATIENCE_S)
                with suppress(subprocess.TimeoutExpired):  # one that hangs in a driver ends when that lets it go
                    process.wait(_KILLED_PATIENCE_S)
        if watcher is not None:
            remove_group(self._launched.group)
            blank_file(self.log_file)
            watcher.__exit__(None, None, None)

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
