"""In which phase a run is, seen from outside, so that it can be killed in each of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import field, frozen
from counts import Counts
from parts import REQUESTS, TRIALS, WARMUP, Kind

START, LOAD, WARM_UP, TRIAL, GAP, WRITE = PHASES = ("start", "load", "warm-up", "trial", "gap", "write")
LOOK_S = 0.001
_PER_RUN = WARMUP + TRIALS * REQUESTS


@frozen
class Moment:
    """What a run is at.

    Attributes:
        phase: one of ``PHASES``: until the journal is there, until the first request, in the warm-up, in a trial,
            from its last answer to the first request of the next, and from the last answer to the end.
        trials: that were answered completely, of all its models.
        model: which of its runs, from 0.
    """

    phase: str
    trials: int = 0
    model: int = 0


@frozen
class Watch:
    """Looks at a run of a kind in its directory.

    Attributes:
        counts: of the server, which reset for each run.
    """

    kind: Kind
    directory: Path
    counts: Counts

    def moment(self) -> Moment:
        """What it is at now."""
        return self._by_requests() if self.kind.counted else self._by_files()

    def journals(self) -> list[Path]:
        """The lines of journals that are there."""
        pattern = (
            "out/individual_runs/*/runs/*/journal/run.jsonl" if self.kind.models > 1 else "out/runs/*/journal/run.jsonl"
        )
        return list(self.directory.glob(pattern))

    def _by_requests(self) -> Moment:
        arrived, answered = self.counts.read()
        model = answered // _PER_RUN
        sent, done = arrived - model * _PER_RUN, answered - model * _PER_RUN
        trials = model * TRIALS + max(0, done - WARMUP) // REQUESTS
        if not sent:
            if model and (model == self.kind.models or self._results() < model):
                return Moment(WRITE, trials, model - 1)
            return Moment(LOAD if self.journals() else START, trials, model)
        if done < WARMUP:
            return Moment(WARM_UP, trials, model)
        between = sent == done and not (done - WARMUP) % REQUESTS
        return Moment(GAP if between else TRIAL, trials, model)

    def _results(self) -> int:
        return len(list(self.directory.glob("out/individual_runs/*/result.json")))

    def _by_files(self) -> Moment:
        """By the log, and by the pieces that the journal writes before it names them."""
        log, kept, pieces = "", 0, 0
        with suppress(OSError):
            log = (self.directory / "log").read_text(errors="replace")
        for journal in self.journals():
            with suppress(OSError):
                text = journal.read_text()
                kept = text.count('{"trial"')
                pieces = len(list(journal.parent.glob("*.parquet"))) - text.count(".parquet")
        if "; verdict" in log or kept == TRIALS:
            return Moment(WRITE, kept)
        if ": trials (" in log:
            return Moment(GAP if pieces > 0 else TRIAL, kept)
        if ": warm-up (" in log:
            return Moment(WARM_UP)
        return Moment(LOAD if self.journals() else START)


def durations(watch: Watch, ended: Callable[[], bool]) -> Mapping[str, float]:
    """Mean time that one run spends in a phase each time, in seconds, seen while it goes on to its end."""
    spent_s = dict.fromkeys(PHASES, 0.0)
    times: Counter[str] = Counter()
    last, since_s = START, time.monotonic()
    for moment in _moments(watch, ended):
        if moment.phase != last:
            now_s = time.monotonic()
            spent_s[last] += now_s - since_s
            times[last] += 1
            last, since_s = moment.phase, now_s
    spent_s[last] += time.monotonic() - since_s
    times[last] += 1
    return {phase: spent_s[phase] / times[phase] if times[phase] else 0.0 for phase in PHASES}


def _moments(watch: Watch, ended: Callable[[], bool]) -> Iterator[Moment]:
    while not ended():
        yield watch.moment()
        time.sleep(LOOK_S)


@frozen
class Aim:
    """Where in a run it is to be killed.

    Attributes:
        phase: in which phase.
        trials: after so many trials, where the phase comes once for each.
        model: in which of its runs.
        share: how far into the phase, from 0 to 1 of its usual time.
    """

    phase: str
    trials: int = 0
    model: int = 0
    share: float = field(default=0.0)

    def reached(self, moment: Moment) -> bool:
        """Whether the phase has begun; also true once it is over."""
        return _rank(moment.model, moment.phase, moment.trials - moment.model * TRIALS) >= _rank(
            self.model, self.phase, self.trials
        )


def _rank(model: int, phase: str, trials: int) -> tuple[int, int, int, int]:
    place = PHASES.index(phase)
    if phase in (TRIAL, GAP):  # a gap comes before the trial that follows it
        return model, PHASES.index(TRIAL), trials, 0 if phase == GAP else 1
    return model, place, 0, 0


def wait_for(aim: Aim, watch: Watch, ended: Callable[[], bool], usual_s: Mapping[str, float]) -> Moment:
    """Return at the instant of the kill, with what the run is at."""
    for moment in _moments(watch, ended):
        if aim.reached(moment):
            break
    time.sleep(aim.share * usual_s[aim.phase])
    return watch.moment()
