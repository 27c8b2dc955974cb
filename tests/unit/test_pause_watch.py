"""A process that stands still in a window is noticed, and one that is busy is not taken for it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from ai_energy_benchmarks.analysis.machine_checks import machine_findings
from ai_energy_benchmarks.domain.environment import Disturbance, Environment
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.load.pause_watch import PauseWatch

MACHINE = Environment("Linux", "3.11", "0.1.0")
# Works in a thread as an engine in process does, and stops itself as a shell does with Ctrl-Z; a child wakes it.
STOPPED = """
import asyncio, os, signal, subprocess, sys
from ai_energy_benchmarks.load.pause_watch import PauseWatch

def engine():
    subprocess.Popen(["sh", "-c", f"sleep 0.2; kill -STOP {os.getpid()}; sleep 1.5; kill -CONT {os.getpid()}"]).wait()

async def main():
    async with PauseWatch(shares_interpreter=sys.argv[1] == "True") as watch:
        await asyncio.get_running_loop().run_in_executor(None, engine)
    print(watch.longest_s)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="signals of POSIX")
def test_a_stopped_process_is_noticed() -> None:
    """With an engine in process and with a server, also where the window ends as soon as it goes on."""
    runs = [
        subprocess.Popen([sys.executable, "-c", STOPPED, shares], stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
        for shares in ("True", "False")
    ]
    for longest_s in (float(run.communicate(timeout=60)[0]) for run in runs):
        assert longest_s > 1.0


def test_a_busy_event_loop_is_no_pause() -> None:
    """Its thread works all the time, however late it wakes up."""

    async def main() -> float:
        async with PauseWatch(shares_interpreter=False) as watch:
            await asyncio.sleep(0.01)
            work_s = time.thread_time()
            while time.thread_time() - work_s < 0.8:
                pass
        return watch.longest_s

    busy_s = -time.thread_time()
    begin_s = time.monotonic()
    longest_s = asyncio.run(main())
    busy_s += time.thread_time()
    # On a machine whose processors are taken it waits for one, and that is a pause.
    assert longest_s < max(0.3, time.monotonic() - begin_s - busy_s)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts how often a thread wakes up")
def test_an_engine_that_holds_the_interpreter_is_no_pause() -> None:
    """The event loop's thread wakes up in vain then, again and again, while one call keeps the interpreter."""

    async def main() -> tuple[float, float]:
        begin_s = time.monotonic()
        async with PauseWatch(shares_interpreter=True) as watch:
            # One call into C, which never gives the interpreter up.
            await asyncio.get_running_loop().run_in_executor(None, sum, range(60_000_000))
        return watch.longest_s, time.monotonic() - begin_s

    longest_s, window_s = asyncio.run(main())
    assert longest_s < 0.4 * window_s


@pytest.mark.parametrize(
    ("paused_s", "duration_s", "levels"),
    [(None, 10.0, []), (0.9, 10.0, []), (3.0, 200.0, ["FAIL"]), (3.0, 400.0, ["WARN"])],
)
def test_a_pause_fails_a_trial_of_which_it_is_a_share(
    paused_s: float | None, duration_s: float, levels: list[str]
) -> None:
    """Over a second and over 1 %: the energy of that time is in the figures."""
    trial = Trial(2, 0.0, duration_s, None, (), machine=Disturbance(0.0, None, paused_s=paused_s))
    findings = [each for each in machine_findings(MACHINE, [trial]) if each.check == "pause"]
    assert [each.level for each in findings] == levels
    assert all("3.0 s in trial 2" in each.message for each in findings)
