"""A process in which several cells of a study run one after the other, with the model loaded once.

Its standard input has a line for each: the path of a config and of a log, as JSON. After each it writes the exit code
to the file descriptor that its argument names. ``finish`` asks it to begin no further trial; the end of its standard
input means "stop now". It leaves after a run that did not complete, since the engine may be broken.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
from pathlib import Path
from threading import Thread

from attrs import define

from ai_energy_benchmarks.backends.base import Backend, StaysLoaded
from ai_energy_benchmarks.cli.exit_codes import DONE, INTERRUPTED, RUN_FAILED
from ai_energy_benchmarks.cli.leaving import Endings, leave
from ai_energy_benchmarks.cli.logs import set_up
from ai_energy_benchmarks.cli.main import put_gpus_back
from ai_energy_benchmarks.cli.run import measure
from ai_energy_benchmarks.cli.streams import flush, open_streams, say
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.openmp import passive_waiting
from ai_energy_benchmarks.domain.progress import Silent
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import BenchmarkError
from ai_energy_benchmarks.runner.composition import make_backend
from ai_energy_benchmarks.runner.interrupts import FINISH
from ai_energy_benchmarks.safety.exceptions import without_secrets
from ai_energy_benchmarks.safety.secrets import learn_environment

_FINISH = "finish"
_KEPT = Finding(
    "INFO",
    "shared process",
    "the model was loaded for an earlier cell of this process, so this run has no load of its own",
)


@define
class Sharing:
    """The engine that the runs share; None before the first one, or where it cannot stay loaded."""

    backend: Backend | None = None

    def run(self, file: Path) -> int:
        """Run one config; its exit code."""
        findings = () if self.backend is None else (_KEPT,)
        try:
            with without_secrets():
                config = load_config(file)
                backend = self.backend or make_backend(config, Silent())
                if isinstance(backend, StaysLoaded):
                    backend.stays_loaded = True
                    self.backend = backend
                return measure(config, strict=False, backend=backend, findings=findings)
        except KeyboardInterrupt:
            say("interrupted", err=True)
            return INTERRUPTED
        except BenchmarkError as error:
            say(f"error: {error}", err=True)
            return RUN_FAILED

    def release(self) -> None:
        """Leave the engine for good."""
        backend: object = self.backend
        if isinstance(backend, StaysLoaded):
            backend.stays_loaded = False
        if self.backend is not None:
            self.backend.__exit__(None, None, None)


def main(report: int) -> int:
    """Run what standard input asks for; the exit code of the last run."""
    cells: queue.SimpleQueue[str] = queue.SimpleQueue()
    Thread(target=_listen, args=(cells,), daemon=True).start()
    sharing, code = Sharing(), DONE
    try:
        while code == DONE and not FINISH.is_set():
            config, log = json.loads(cells.get())
            _print_to(Path(log))
            put_gpus_back()
            code = sharing.run(Path(config))
            put_gpus_back()
            flush()
            os.write(report, f"{code}\n".encode())
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        sharing.release()
    return code


def _listen(cells: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        if line.strip() == _FINISH:
            FINISH.set()
        else:
            cells.put(line)
    os.kill(os.getpid(), signal.SIGINT)


def _print_to(log: Path) -> None:
    number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    flush()
    for stream in (1, 2):
        os.dup2(number, stream)
    os.close(number)


if __name__ == "__main__":
    open_streams()
    # Whoever starts a study in the background of a shell has Ctrl-C ignored, and so would we.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(passive_waiting(os.environ))  # before any engine is loaded
    learn_environment()
    set_up(1, None)
    with Endings() as endings:
        last = main(int(sys.argv[1]))
    leave(endings.code or last if last == INTERRUPTED else last)
