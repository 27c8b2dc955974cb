"""``python -m ai_energy_benchmarks.cli.attended …``: a command that ends when whoever started it does.

Its standard input is a pipe that the starter holds open. The pipe closes however the starter ends, SIGKILL included,
and that counts as Ctrl-C here: what was measured is written, and a server that was started is ended. Whatever is
written to the pipe asks it to begin no further trial.
"""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread

from ai_energy_benchmarks.cli.main import main
from ai_energy_benchmarks.runner.interrupts import FINISH

_STANDARD_INPUT = 0


def end_with_the_starter() -> None:
    """Interrupt this process once its standard input has ended."""
    # Whoever starts a batch in the background of a shell has Ctrl-C ignored, and so would we.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGUSR2"):  # Slurm sends it to all processes of a job shortly before the end of its time
        signal.signal(signal.SIGUSR2, signal.default_int_handler)

    def wait_for_the_end() -> None:
        while os.read(_STANDARD_INPUT, 64):
            FINISH.set()
        os.kill(os.getpid(), signal.SIGINT)

    Thread(target=wait_for_the_end, daemon=True).start()


if __name__ == "__main__":
    end_with_the_starter()
    main(sys.argv[1:])
