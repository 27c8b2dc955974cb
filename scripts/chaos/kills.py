"""Kill runs at random instants, and check what each leaves behind.

``python kills.py [--each N] [--seed N] [KIND …]`` with the kinds ``server``, ``launched``, ``batch`` and ``pytorch``.
Each is killed N times with SIGINT, SIGTERM, SIGHUP and SIGKILL. After each kill:

- no process is left that the run had started;
- at most the trial under way is lost: all that were answered before it are on the disk;
- every file is whole, and ``recover`` makes the report of a run that could not write it;
- the next run into the same directory completes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars
from attrs import define, field, frozen
from parts import KINDS, Kind, configure
from server import Handler, Server

PROGRAM = (sys.executable, "-m", "ai_energy_benchmarks")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
_MARK = "AEB_CHAOS"
_GONE_S = 30.0


@define
class Tally:
    """What was seen.

    Attributes:
        wrong: one line for each promise that was broken.
    """

    kills: int = 0
    ended_before: int = 0
    trials_kept: int = 0
    wrong: list[str] = field(factory=list)

    def need(self, holds: object, text: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(text)
            print(f"WRONG {text}", flush=True)


def marked(mark: str) -> list[int]:
    """Living processes that have this mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found


@frozen
class Kill:
    """A signal at an instant after the start of a run."""

    kind: Kind
    number: signal.Signals
    instant_s: float

    def __str__(self) -> str:
        return f"{self.kind.name}, {self.number.name} after {self.instant_s:.2f} s"


def killed(kill: Kill, directory: Path, tally: Tally, port: int) -> None:
    """One run that is killed, and all checks."""
    kind, name = kill.kind, str(kill)
    mark = f"{os.getpid()}-{tally.kills}"
    tally.kills += 1
    environment = {**os.environ, _MARK: mark, "CUDA_VISIBLE_DEVICES": ""}
    command, out = configure(kind, directory, port, trials=kind.many)
    Handler.answered = 0
    with subprocess.Popen(
        [*PROGRAM, *command], cwd=directory, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        time.sleep(kill.instant_s)
        answered = Handler.answered
        tally.ended_before += process.poll() is not None
        process.send_signal(kill.number)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            tally.need(False, f"{name}: it did not end")
            process.kill()
    limit_s = time.monotonic() + _GONE_S
    while (left := marked(mark)) and time.monotonic() < limit_s:
        time.sleep(0.05)
    tally.need(not left, f"{name}: processes {left} are left")
    check_files(kill, out, answered, tally)
    done = run([*configure(kind, directory, port, trials=1)[0]], directory)
    tally.need(done.returncode == 0, f"{name}: the next run failed: {done.stderr[-600:]}")


def check_files(kill: Kill, out: Path, answered: int, tally: Tally) -> None:
    """Journals become reports, files are whole, and no complete trial is missing."""
    kind, name = kill.kind, str(kill)
    for journal in sorted(out.rglob("runs/*/journal")):
        done = run(["recover", str(journal.parents[2])], out.parent)
        tally.need(done.returncode == 0, f"{name}: recover failed: {done.stdout[-300:]}{done.stderr[-300:]}")
    kept = 0
    for file in out.rglob("result.json"):
        trials = len(json.loads(file.read_text())["trials"])
        rows = file.with_name("requests.parquet")
        tally.need(not trials or polars.read_parquet(rows).height, f"{name}: {file} has {trials} trials and no rows")
        kept += _complete(rows)
    tally.trials_kept += kept
    if kind.counted and kind.requests:
        before = (answered - kind.warmup) // kind.requests  # complete when the signal was sent
        tally.need(kept >= before - 1, f"{name}: {kept} trials are kept of {before}")


def _complete(file: Path) -> int:
    rows = polars.read_parquet(file, columns=["trial", "trial_complete"])
    return rows.filter("trial_complete")["trial"].n_unique()


def run(words: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [*PROGRAM, *words], cwd=directory, env=environment, capture_output=True, text=True, timeout=180, check=False
    )


@contextmanager
def serving() -> Iterator[int]:
    """The port of a server that outlives the runs."""
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def main() -> int:
    """Return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--each", type=int, default=50, help="kills of each kind with each signal  [default: 50]")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--signals", default=",".join(each.name for each in SIGNALS))
    asked = parser.parse_args()
    seed = random.randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    instants, wrong = random.Random(seed), 0
    signals = [signal.Signals[name] for name in asked.signals.split(",")]
    with serving() as port:
        for kind in (each for each in KINDS if not asked.kinds or each.name in asked.kinds):
            tally, began_s = Tally(), time.monotonic()
            for _ in range(asked.each):
                for number in signals:
                    with tempfile.TemporaryDirectory() as directory:
                        killed(Kill(kind, number, instants.uniform(0, kind.longest_s)), Path(directory), tally, port)
            wrong += len(tally.wrong)
            seen = (
                f"{tally.trials_kept} complete trials kept, {tally.ended_before} ended before, {len(tally.wrong)} wrong"
            )
            print(f"{kind.name:9} {tally.kills} kills, {seen}, {time.monotonic() - began_s:.0f} s", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
