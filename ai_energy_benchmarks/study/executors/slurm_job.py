"""What runs in a job of Slurm: the cells of one lane, one after the other."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from types import FrameType

from attrs import evolve

from ai_energy_benchmarks.study.executors.node import run_order
from ai_energy_benchmarks.study.executors.orders import read_order, write_end
from ai_energy_benchmarks.study.executors.returning import put_files

logger = logging.getLogger("submitit")  # which writes to the log of the job

# The reason of a cell that was interrupted because Slurm sent the signal that comes before the end of a job.
NOTICE = "Slurm announced the end of the job"
# A file with this suffix next to that of a lane: no further cell of it begins.
FINISH_SUFFIX = ".finish"


def run_lane(file: str) -> int:
    """Run the cells whose orders stand in a file, until one of them is interrupted; how many ran.

    ``submitit`` would requeue a job at a preemption, and raise where its time is nearly up: both are undone here,
    since a cell begins again in a directory of its own only, and what it has measured is written first.
    """
    notices: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        notices.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGUSR2, interrupt)
    lane = Path(file)
    ran = 0
    for line in lane.read_text(encoding="utf-8").splitlines():
        if lane.with_suffix(FINISH_SUFFIX).exists():
            break
        order = read_order(line)
        end, files = run_order(order)
        if notices:
            end = evolve(end, how="interrupted", reason=NOTICE)
        put_files(Path(order.directory), files)  # none where the directory can be written, as it should be
        write_end(order.end_file, end)
        ran += 1
        logger.info("%s %s: %s %s %s", order.cell, order.cycle, end.how, end.exit_code, end.reason)
        if end.how == "interrupted":
            break
    return ran
