"""``python -m ai_energy_benchmarks.machine.watcher``: ends what its starter has started, if the starter cannot.

It sleeps on its standard input, a pipe that closes however the starter ends, SIGKILL included. One line says what to
look for; a second one that all has ended already.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from attrs import define, field

from ai_energy_benchmarks.machine.interpreter import module_command
from ai_energy_benchmarks.machine.launched import Launched
from ai_energy_benchmarks.safety.secrets import blank_file, known, learn

_PATIENCE_S = 5.0
_DONE = "done"


@define
class Watcher:
    """``with`` around the life of something that was started: should this process end first, that is ended too.

    Attributes:
        launched: what is to be ended; its first process need not be known.
        log_file: what it prints; secrets are blanked in it afterwards.
    """

    launched: Launched
    log_file: Path
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def __enter__(self) -> Watcher:
        # A session of its own: no Ctrl-C and no signal to the process group reaches it.
        self._process = subprocess.Popen(
            module_command(__name__),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        group = self.launched.group
        self._say([self.launched.mark, group and str(group), str(self.log_file.absolute()), known()])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Call once nothing is left of what was started."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with suppress(OSError):  # it was killed, and so will do nothing
                process.stdin.write(f"{_DONE}\n")
                process.stdin.close()
            process.wait()

    def _say(self, line: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()


def main() -> None:
    """Sleep until the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")  # no directory stays in use because of us
    line = sys.stdin.readline()
    if not line or sys.stdin.readline().strip() == _DONE:
        return
    mark, group, log_file, secrets = json.loads(line)
    for secret in secrets:
        learn(secret)
    Launched(mark, None, None if group is None else Path(group)).end(_PATIENCE_S)
    blank_file(Path(log_file))


if __name__ == "__main__":
    main()
