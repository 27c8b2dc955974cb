"""One trial: its window, the rest after it, its energy, and the trial that is recorded however the window ended."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack

from attrs import define, evolve, field

from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.environment import Disturbance
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS, Outcomes, as_outcomes
from ai_energy_benchmarks.domain.power import Mark, Measurement, Reading
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ServerCounters
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.runner.generating import Generating, Members, as_seen
from ai_energy_benchmarks.runner.record import Record
from ai_energy_benchmarks.runner.resting import rest
from ai_energy_benchmarks.runner.rows import outcome_rows, spilled
from ai_energy_benchmarks.runner.steady_load import SALT_BYTES, fillers, steady_window
from ai_energy_benchmarks.runner.stopping import AT_ONCE_S, Stopping
from ai_energy_benchmarks.runner.watching import OtherWork, TrialWatch


@define
class Window:
    """What a trial has so far.

    Attributes:
        outcomes, filled: what requests and fillers brought.
        watch: of the client, the server and pauses.
        before: what disturbs the machine, summed until the window.
        start, stop: the edges; the latter knows how long the workload rests after it.
        complete: whether all requests have ended by themselves.
        cancelled: whether fillers had to be cancelled.
        growth: of the server's counters, where they had to be read before the server stopped.
        machine: what disturbed the machine meanwhile.
        measurement: the energy; None if the meter was lost.
        rows: the outcomes in order, with their tokens; None until they are counted.
    """

    number: int
    outcomes: Outcomes
    watch: TrialWatch
    before: Disturbance
    start: Mark
    stop: Mark
    filled: Outcomes = field(factory=lambda: as_outcomes(()))
    complete: bool = False
    cancelled: bool = False
    growth: ServerCounters | None = None
    machine: Disturbance | None = None
    measurement: Measurement | None = None
    rows: Outcomes | None = None


@define
class Trials:
    """Measures trials on the members of a run, and adds each to the record.

    Attributes:
        others: what else runs on this machine.
        stopped: how long the server needed to stop after each trial with cancelled fillers.
    """

    config: BenchmarkConfig
    members: Members
    record: Record
    generating: Generating
    others: OtherWork
    stopped: list[Finding] = field(factory=list)

    async def measure(self, number: int, batches: Sequence[Batch]) -> None:
        """One window: between its marks nothing happens but generation.

        A window that was cut short keeps what it has: its tokens and the energy until now.
        """
        load, concurrency = self._load(batches), self.config.load.concurrency
        fill = fillers(batches, self.config.scenario.num_samples) if concurrency > 1 else ()
        window = await self._begin(number, batches)
        try:
            async with window.watch:
                run = self.generating.run(load, window.outcomes.extend, fill, window.filled.extend)
                window.cancelled = await run
            window.complete = True
        finally:
            window.stop = self.members.collector.mark()
            disturbance = self.others.disturbance().since(window.before)
            window.machine = evolve(disturbance, paused_s=window.watch.paused_s)
            async with AsyncExitStack() as afterwards:  # the last one entered comes first, and none is left out
                afterwards.callback(self._add_to_record, window)
                afterwards.callback(self._read, window)
                afterwards.push_async_callback(self._rest, window)

    def _load(self, batches: Sequence[Batch]) -> Iterable[Batch]:
        """The batches of a pass, with a salt of their own that no cache has seen."""
        salt, several = secrets.token_hex(SALT_BYTES), self.config.load.concurrency > 1
        salted = (evolve(batch, salt=salt, usage_per_event=several) for batch in batches)
        # A very long pass has no room for all of its batches, so each is made when it leaves.
        return salted if len(batches) > MANY_REQUESTS else tuple(salted)

    async def _begin(self, number: int, batches: Sequence[Batch]) -> Window:
        """Rest, and mark the begin of the window."""
        members = self.members
        outcomes = outcome_rows(self.config, members.backend, batches)
        watch = TrialWatch(members.backend, self.config.load, members.clock)
        # Last of all, so that reading the server's counters does not break the rest before the window.
        rested_s = await rest(members.collector, members.clock, None, Mark(members.clock.now_s()))
        before = self.others.disturbance()
        start = evolve(members.collector.mark(), quiet_s=rested_s)
        return Window(number, outcomes, watch, before, start, start)

    async def _rest(self, window: Window) -> None:
        """Wait for what is still going on, and rest."""
        at_once = True
        if window.cancelled:
            # What a server goes on with after its clients have left is no part of the window.
            window.growth = window.watch.growth()
            at_once = await self._stops(window)
        if window.complete:
            rested_s = await rest(self.members.collector, self.members.clock, window.start, window.stop)
            # What a server still does for requests that were cancelled is no rest.
            window.stop = evolve(window.stop, quiet_s=rested_s if at_once else 0.0)

    async def _stops(self, window: Window) -> bool:
        """Wait until the server runs nothing; whether that was so as good as at once."""
        members, load = self.members, self.config.load
        idle = next((step.measurement for step in self.record.steps if step.name == "resident idle"), None)
        seen = window.watch.server_load
        moved = seen is None or seen.running_most is None or seen.running_most > 0
        stopping = Stopping(members.backend, members.collector, members.clock, load.cancel_cap_s, idle, moved)
        begin_s = members.clock.now_s()
        self.stopped.append(await stopping.wait(window.start, window.stop))
        return members.clock.now_s() - begin_s <= AT_ONCE_S

    def _read(self, window: Window) -> None:
        """The energy and the tokens."""
        window.measurement = measured(self.members, self.record, f"trial {window.number}", window.start, window.stop)
        window.rows = self.generating.finished(window.outcomes)
        window.filled = self.generating.finished(window.filled)

    def _add_to_record(self, window: Window) -> None:
        watch, rows, steady = window.watch, window.rows, self._steady(window)
        trial = Trial(
            number=window.number,
            start_s=window.start.time_s,
            stop_s=window.stop.time_s,
            measurement=window.measurement,
            outcomes=as_seen(window.outcomes) if rows is None else rows,
            complete=window.complete and rows is not None,
            client=watch.client,
            server=window.growth if window.cancelled else watch.growth(),
            server_load=watch.server_load,
            machine=window.machine,
            fillers=window.filled,
            steady=steady if isinstance(steady, SteadyWindow) else None,
            steady_absent=steady if isinstance(steady, str) else "",
        )
        self.record.trials.append(trial)
        if (finding := spilled(window.number, window.outcomes, self.config.rows_memory_bytes)) is not None:
            self.record.findings.append(finding)

    def _steady(self, window: Window) -> SteadyWindow | str | None:
        """The steady part of the window, or why there is none; None where requests come one by one."""
        concurrency = self.config.load.concurrency
        if concurrency <= 1:
            return None
        if not window.complete or window.rows is None:
            return "the pass was cut short"
        return steady_window(window.rows, concurrency, window.measurement, self.members.collector, window.watch)


def measured(members: Members, record: Record, what: str, start: Mark, stop: Mark) -> Measurement | None:
    """The energy of a window; a lost meter costs this figure, not the run."""
    try:
        measurement = members.collector.read(start, stop)
        if not all(map(_finite, measurement.readings)):
            raise CollectorError("the meter returned a non-finite value", remedy="use another meter")
        return measurement
    except CollectorError as error:
        record.findings.append(Finding("FAIL", "meter", f"{what} has no energy: {error.message}"))
        return None


def _finite(reading: Reading) -> bool:
    return all(map(math.isfinite, reading.bounds_j))
