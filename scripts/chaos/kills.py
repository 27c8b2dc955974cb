"""Kill runs in each of their phases, and check what each leaves behind.

``python kills.py --help`` has the options; the kinds are ``server``, ``launched``, ``batch`` and ``pytorch``. Each is
killed in turn in each phase with SIGKILL, SIGTERM, SIGHUP, SIGINT, and SIGINT twice, at an instant drawn from the time
that this phase took in a run that was watched before. The seed and the number draw a kill: ``--seed S --only N`` makes
it again. After each kill:

- the run ends by itself, with the code of the signal and without a traceback, and no process is left that it started;
- at most the trial under way is lost: all that were answered before it are on the disk;
- SIGTERM, SIGHUP and Ctrl-C have written the report; after SIGKILL ``recover`` makes it;
- every file is whole, and the next run into the same directory completes and leaves nothing over.
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
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import asdict, define, field
from checks import broken_files, end_is_right, noise, trials_kept
from counts import Counts
from parts import KINDS, TRIALS, Kind, configure
from phases import GAP, PHASES, START, TRIAL, Aim, Moment, Watch, durations, wait_for
from programs import MARK, Order, Programs, Running, marked, start_cold
from table import as_table

SIGNALS: Mapping[str, list[signal.Signals]] = {
    "KILL": [signal.SIGKILL],
    "TERM": [signal.SIGTERM],
    "HUP": [signal.SIGHUP],
    "INT": [signal.SIGINT],
    "INT INT": [signal.SIGINT, signal.SIGINT],
}
_ENDS_WITHIN_S = 60.0
_GONE_WITHIN_S = 30.0
_BETWEEN_TWO_S = 0.5


@define
class Kill:
    """One kill, and what was seen.

    Attributes:
        aimed: the phase that it was to hit; ``phase`` is the one that it has hit, after so many trials.
        ended_s: how long the run went on after the last signal.
        kept: complete trials on the disk afterwards.
        wrong: one line for each promise that was broken.
    """

    kind: str
    number: int
    signal: str
    aimed: str
    phase: str = ""
    trials: int = 0
    code: int | None = None
    ended_s: float = 0.0
    kept: int = 0
    wrong: list[str] = field(factory=list)

    def need(self, holds: object, text: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(text)
            print(f"WRONG {self.kind} {self.number}, {self.signal} in {self.phase or self.aimed}: {text}", flush=True)


@define
class Killer:
    """Kills runs of one kind."""

    kind: Kind
    programs: Programs
    counts: Counts
    port: int
    root: Path
    seed: int
    brief: bool = False
    usual_s: Mapping[str, float] = field(factory=dict)

    def watch_one(self) -> None:
        """Let one run come to its end, to see how long its phases are."""
        with self._directory() as directory:
            running = self.programs.start(self._order(directory, "watched"))
            self.usual_s = durations(Watch(self.kind, directory, self.counts), running.ended)
            assert self.programs.code(running) == 0, (directory / "stderr").read_text()

    def kill(self, number: int, name: str, phase: str) -> Kill:
        """Start a run, kill it where it was aimed at, and check everything."""
        draw = random.Random(f"{self.seed} {self.kind.name} {number}")
        aim = Aim(
            phase,
            draw.randrange(TRIALS) if phase in (TRIAL, GAP) else 0,
            draw.randrange(self.kind.models),
            draw.random(),
        )
        pause_s, kill = draw.uniform(0, _BETWEEN_TWO_S), Kill(self.kind.name, number, name, phase)
        with self._directory() as directory:
            mark = f"{os.getpid()}-{number}"
            order, watch = self._order(directory, mark), Watch(self.kind, directory, self.counts)
            cold = start_cold(order) if phase == START else None
            running = Running(cold.pid) if cold else self.programs.start(order)
            moment = wait_for(aim, watch, running.ended, self.usual_s)
            kill.phase, kill.trials = "ended" if running.ended() else moment.phase, moment.trials
            running.send(SIGNALS[name][0])
            for further in SIGNALS[name][1:]:
                time.sleep(pause_s)
                running.send(further)
            self._end(kill, running, cold)
            self._check(kill, moment, directory, mark, cold=cold is not None)
        return kill

    def _end(self, kill: Kill, running: Running, cold: subprocess.Popen[bytes] | None) -> None:
        began_s = time.monotonic()
        if not running.ended(_ENDS_WITHIN_S):
            kill.need(False, f"it did not end within {_ENDS_WITHIN_S:g} s")
            running.send(signal.SIGKILL)
        kill.ended_s = time.monotonic() - began_s
        kill.code = cold.wait() if cold else self.programs.code(running)

    def _check(self, kill: Kill, moment: Moment, directory: Path, mark: str, *, cold: bool) -> None:
        assert kill.code is not None
        out, signals = directory / "out", SIGNALS[kill.signal]
        right = kill.phase == "ended" or end_is_right(signals, moment, kill.code, cold=cold)
        kill.need(right, f"it ended with {kill.code}: {_tail(directory / 'stderr')}")
        limit_s = time.monotonic() + _GONE_WITHIN_S
        while (left := marked(mark)) and time.monotonic() < limit_s:
            time.sleep(0.02)
        kill.need(not left, f"processes {left} are left")
        if not (kill.phase == START and cold):
            for line in noise(directory):
                kill.need(False, line)
        journals = sorted(journal.parents[3] for journal in Watch(self.kind, directory, self.counts).journals())
        kill.need(not journals or kill.signal == "KILL", "it left a journal and no report")
        for place in journals:
            code = self.programs.run(Order(["recover", str(place)], directory, self._environment("recover")))
            kill.need(code == 0, f"recover failed: {_tail(directory / 'stderr')}")
        kill.kept = trials_kept(out)
        kill.need(kill.kept >= moment.trials - 1, f"{kill.kept} trials are kept of {moment.trials}")
        for line in broken_files(out):
            kill.need(False, line)
        if self.brief:
            return
        self.counts.reset()
        code = self.programs.run(self._next(directory))
        kill.need(code == 0, f"the next run failed: {_tail(directory / 'stderr')}")
        for line in broken_files(out):
            kill.need(False, f"after the next run, {line}")

    def _order(self, directory: Path, mark: str) -> Order:
        return Order(configure(self.kind, directory, self.port, trials=TRIALS), directory, self._environment(mark))

    def _next(self, directory: Path) -> Order:
        """A run into the same directory; of the cheapest kind where that does not change what it meets there."""
        kind = self.kind if self.kind.counted else KINDS[0]
        return Order(configure(kind, directory, self.port, trials=1), directory, self._environment("next"))

    def _environment(self, mark: str) -> Mapping[str, str]:
        # Locks of our own: another study on this machine is no reason to wait.
        own = {"AEB_CHAOS_COUNTS": str(self.root / "counts"), "AEB_LOCK_DIR": str(self.root / "locks")}
        return {MARK: mark, "CUDA_VISIBLE_DEVICES": "", **own}

    @contextmanager
    def _directory(self) -> Iterator[Path]:
        self.counts.reset()
        with tempfile.TemporaryDirectory(dir=self.root) as directory:
            place = Path(directory) / "run"
            place.mkdir()
            yield place


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-800:] if file.exists() else ""


@contextmanager
def serving(root: Path) -> Iterator[int]:
    """The port of a server that outlives the runs."""
    script = str(Path(__file__).parent / "server.py")
    environment = {**os.environ, "AEB_CHAOS_COUNTS": str(root / "counts")}
    with subprocess.Popen(
        [sys.executable, script, "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def plan(kills: int, names: list[str], phases: list[str], seed: int, kind: Kind) -> list[tuple[int, str, str]]:
    """Signals and phases in turn, each pair equally often, in a random order."""
    pairs = [(name, phase) for phase in phases for name in names]
    random.Random(f"{seed} {kind.name}").shuffle(pairs)
    return [(number, *pairs[number % len(pairs)]) for number in range(kills)]


def write(file: Path | None, seed: int, kills: list[Kill]) -> None:
    """All kills so far, so that a run which is stopped keeps them."""
    if file is not None:
        file.write_text(json.dumps({"seed": seed, "kills": [asdict(kill) for kill in kills]}, indent=1) + "\n")


def main() -> int:
    """Return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--kills", type=int, default=60, help="kills of each kind  [default: 60]")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", type=int, default=None, help="only the kill of this number")
    parser.add_argument("--signals", default=",".join(SIGNALS))
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--brief", action="store_true", help="without the next run, so that more instants are tried")
    parser.add_argument("--json", type=Path, default=None, help="write every kill to this file")
    options = parser.parse_args()
    # ``nohup`` and a shell's background jobs ignore these, and so would every run that is started here.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    kills: list[Kill] = []
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as port:
        for kind in (kind for kind in KINDS if not options.kinds or kind.name in options.kinds):
            with ExitStack() as stack:
                programs, began_s = stack.enter_context(Programs(kind.modules)), time.monotonic()
                killer = Killer(
                    kind, programs, Counts(Path(directory) / "counts"), port, Path(directory), seed, options.brief
                )
                killer.watch_one()
                for number, name, phase in plan(
                    options.kills, options.signals.split(","), options.phases.split(","), seed, kind
                ):
                    if options.only in (None, number):
                        kills.append(killer.kill(number, name, phase))
                        print(f"{kind.name} {number}: {name} in {kills[-1].phase}", file=sys.stderr, flush=True)
                        write(options.json, seed, kills)
                usual = ", ".join(f"{phase} {seconds:.3f} s" for phase, seconds in killer.usual_s.items())
                print(f"{kind.name}: {time.monotonic() - began_s:.0f} s; {usual}", flush=True)
    print(as_table([asdict(kill) for kill in kills]))
    return 1 if any(kill.wrong for kill in kills) else 0


if __name__ == "__main__":
    sys.exit(main())
