"""The steps of one benchmark, in the order of "The order of a benchmark" (docs/measurement.md)."""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from attrs import define, evolve, field

from ai_energy_benchmarks.analysis.prompt_caches import cache_was_hit
from ai_energy_benchmarks.backends.base import ComparesPrompts
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS, as_outcomes
from ai_energy_benchmarks.domain.power import Mark, Measurement, Reading, Workload
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.result import Step, StepName, Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.runner.fitting import check_fit, skipped_rows
from ai_energy_benchmarks.runner.generating import Generating, Members, as_seen
from ai_energy_benchmarks.runner.gpus import fastest_first, named_gpus, reported_gpus
from ai_energy_benchmarks.runner.interrupts import end_if_asked
from ai_energy_benchmarks.runner.keeping import Keeper
from ai_energy_benchmarks.runner.locating import elsewhere, location_findings, location_of
from ai_energy_benchmarks.runner.reasoning import observe
from ai_energy_benchmarks.runner.record import Record
from ai_energy_benchmarks.runner.resting import rest
from ai_energy_benchmarks.runner.rows import outcome_rows, spilled
from ai_energy_benchmarks.runner.settling import Settling
from ai_energy_benchmarks.runner.steady_load import SALT_BYTES, fillers, steady_window
from ai_energy_benchmarks.runner.stopping import AT_ONCE_S, Stopping, worst_of
from ai_energy_benchmarks.runner.watching import OtherWork, TrialWatch
from ai_energy_benchmarks.runner.workload import make_passes, some_requests


@define
class Steps:
    """One pass through the protocol; everything seen goes into ``record`` at once, and after each trial to the disk."""

    config: BenchmarkConfig
    members: Members
    record: Record
    keeper: Keeper
    _generating: Generating = field(init=False)
    _stopped: list[Finding] = field(init=False, factory=list)
    _others: OtherWork = field(init=False, factory=lambda: OtherWork(()))

    @_generating.default
    def _make_generating(self) -> Generating:
        return Generating(self.members, self.record, self.config.load.concurrency)

    async def run(self) -> None:
        """All steps, from the bare machine to the released model.

        Raises:
            GaveUpError: the backend is dead, or the last attempts have all failed.
        """
        members, record = self.members, self.record
        with members.collector:
            try:
                await self._idle("bare idle", self.config.protocol.bare_idle_s)
                with ExitStack() as stack:
                    with self._step("load"):
                        stack.enter_context(members.backend)
                    await self._with_model()
            finally:
                record.meter_notes = members.collector.notes()
                record.samples = members.collector.samples()

    async def _with_model(self) -> None:
        """The steps between loading and releasing."""
        protocol, members, record = self.config.protocol, self.members, self.record
        record.engine = members.backend.facts()
        workload = self._workload(record.engine)
        members.collector.attach(workload)
        self._others = OtherWork(workload.process_ids)
        tokenizer, plan = members.backend.tokenizer, members.reasoning
        record.passes = passes = make_passes(self.config, members.dataset, plan.formatter, tokenizer)
        record.findings.extend(skipped_rows(members.dataset))
        check_fit(passes, members.backend)
        observed = observe(plan, passes.prompts[0], tokenizer, members.backend)
        record.reasoning, self._generating.thinking_begun = observed.reasoning, observed.begun
        record.findings.extend(observed.findings)
        try:
            settling = Settling(members.collector, members.clock, self._boards(record.engine))
            await self._settled_idle("resident idle", settling)
            await self._warm_up(passes.warmup, settling)
            await self._gate(passes.warmup, settling)
            members.progress.begin("trials", protocol.trials)
            for number in range(1, protocol.trials + 1):
                end_if_asked()
                await self._trial(number, passes.measured)
                self.keeper.keep(record, members.collector)  # after the rest of this trial, and before that of the next
                members.progress.advance()
            members.progress.end()
            record.findings.extend(worst_of(self._stopped))
            await self._settled_idle("hot idle", settling)
            if isinstance(members.backend, ComparesPrompts) and cache_was_hit(record.trials):
                members.backend.compare(some_requests(passes.measured))
        finally:
            # What the engine really used is known in full only once it has generated.
            record.engine = members.backend.facts()

    def _workload(self, engine: EngineFacts) -> Workload:
        """Whose energy counts: what the engine reports of itself, else what the config names."""
        named = named_gpus(self.config, engine)
        location = location_of(self.members.backend)
        missed = elsewhere(self.config, location, gpus_named=named is not None)
        self.record.findings.extend(location_findings(self.config, location, missed))
        return Workload(
            location.process_ids,
            reported_gpus(self.config, engine),
            elsewhere=missed,
            device_ids=named,
            fastest_first=fastest_first(self.config),
            by_port=location.by_port,
            unknown=location.unknown,
        )

    def _boards(self, engine: EngineFacts) -> Collection[str] | None:
        """The workload's boards: by the engine's own word, else those that the meter counts; None if nobody knows."""
        collector = self.members.collector
        if "gpu" not in collector.components():
            return engine.board_ids
        read = {series.device.id for series in collector.samples().series}
        if engine.board_ids is not None and (not read or read >= set(engine.board_ids)):
            return engine.board_ids  # others are names of MIG slices, of which the meter knows the GPU
        try:
            seen = collector.read(collector.mark(), collector.mark())
        except CollectorError:
            return None
        if seen.gpu_choice is not None and seen.gpu_choice.basis == "unknown":
            return None  # found out after the trials
        return {each.device.id for each in seen.readings if each.counted and each.device.component == "gpu"}

    @contextmanager
    def _step(self, name: StepName) -> Iterator[None]:
        start = self.members.collector.mark()
        try:
            yield
        finally:
            stop = self.members.collector.mark()
            self.record.steps.append(Step(name, start.time_s, stop.time_s, self._read(name, start, stop)))

    async def _idle(self, name: StepName, duration_s: float) -> None:
        if not duration_s:
            return
        self.members.progress.begin(name)
        with self._step(name):
            await self.members.clock.sleep(duration_s)
        self.members.progress.end()

    async def _settled_idle(self, name: StepName, settling: Settling) -> None:
        """Loading and generating work the GPUs; a baseline begins when that has faded."""
        idle_s, cap_s = self.config.protocol.resident_idle_s, self.config.protocol.settle_cap_s
        if idle_s and cap_s and settling.watches():
            self.members.progress.begin("settle")
            with self._step("settle"):
                self._notice(await settling.rest(name, idle_s, cap_s))
            self.members.progress.end()
        await self._idle(name, idle_s)

    async def _warm_up(self, batches: Sequence[Batch], settling: Settling) -> None:
        if not batches:
            return
        warmup = self.config.protocol.warmup
        converges = warmup.mode == "converge"
        self.members.progress.begin("warm-up", None if converges else len(batches))
        with self._step("warm-up"):
            if converges:
                probe = batches[: self.config.load.concurrency]
                self._notice(await settling.converge(warmup, lambda: self._load(probe)))
            else:
                await self._generating.run(batches, lambda _: self.members.progress.advance())
        self.members.progress.end()

    async def _gate(self, batches: Sequence[Batch], settling: Settling) -> None:
        """Warm boards draw more; the trials begin when they no longer change."""
        gate, asked = self.config.protocol.gate, self.config.protocol.thermal_gate is not None
        if gate is None:
            return
        if not settling.watches():
            if asked:
                message = "skipped: no meter reports the power of a GPU in use"
                self._notice(Finding("INFO", "thermal gate", message, "gpu"))
            return
        self.members.progress.begin("thermal gate")
        with self._step("thermal gate"):
            self._notice(await settling.gate(gate, lambda: self._load(batches)))
        self.members.progress.end()

    async def _load(self, batches: Sequence[Batch]) -> Sequence[Outcome]:
        """Generate what no trial counts; salted, so that no cache answers."""
        outcomes: list[Outcome] = []
        salt = secrets.token_hex(8)
        await self._generating.run([evolve(batch, salt=salt) for batch in batches], outcomes.extend)
        return outcomes

    def _notice(self, finding: Finding) -> None:
        self.record.findings.append(finding)

    async def _trial(self, number: int, batches: Sequence[Batch]) -> None:
        """One window: between its marks nothing happens but generation."""
        members = self.members
        long, concurrency = len(batches) > MANY_REQUESTS, self.config.load.concurrency
        outcomes = outcome_rows(self.config, members.backend, batches)
        fill, filled = fillers(batches, self.config.scenario.num_samples) if concurrency > 1 else (), as_outcomes(())
        complete = cancelled = False
        watch = TrialWatch(members.backend, self.config.load, members.clock)
        salt = secrets.token_hex(SALT_BYTES)
        # A very long pass has no room for all of its batches, so each is made when it leaves.
        salted: Iterable[Batch] = (evolve(batch, salt=salt, usage_per_event=concurrency > 1) for batch in batches)
        if not long:
            salted = tuple(salted)
        # Last of all, so that reading the server's counters does not break the rest before the window.
        rested_s = await rest(members.collector, members.clock, None, Mark(members.clock.now_s()))
        before = self._others.disturbance()
        start = evolve(members.collector.mark(), quiet_s=rested_s)
        try:
            async with watch:
                cancelled = await self._generating.run(salted, outcomes.extend, fill, filled.extend)
            complete = True
        finally:
            # A window that was cut short keeps what it has: its tokens and the energy until now.
            stop = members.collector.mark()
            machine = evolve(self._others.disturbance().since(before), paused_s=watch.paused_s)
            quiet_s, measurement, rows, grown, at_once = 0.0, None, None, None, True
            try:
                try:
                    if cancelled:
                        # What a server goes on with after its clients have left is no part of the window.
                        grown = watch.growth()
                        at_once = await self._stops(start, stop)
                    if complete:
                        rested_s = await rest(members.collector, members.clock, start, stop)
                        # What a server still does for requests that were cancelled is no rest.
                        quiet_s = rested_s if at_once else 0.0
                finally:
                    edges = start, evolve(stop, quiet_s=quiet_s)
                    measurement = self._read(f"trial {number}", *edges)
                    rows = self._generating.finished(outcomes)
                    filled = self._generating.finished(filled)
            finally:
                steady: SteadyWindow | str | None = None
                if concurrency > 1:
                    steady = "the pass was cut short"
                    if complete and rows is not None:
                        steady = steady_window(rows, concurrency, measurement, members.collector, watch)
                trial = Trial(
                    number=number,
                    start_s=start.time_s,
                    stop_s=stop.time_s,
                    measurement=measurement,
                    outcomes=as_seen(outcomes) if rows is None else rows,
                    complete=complete and rows is not None,
                    client=watch.client,
                    server=grown if cancelled else watch.growth(),
                    server_load=watch.server_load,
                    machine=machine,
                    fillers=filled,
                    steady=steady if isinstance(steady, SteadyWindow) else None,
                    steady_absent=steady if isinstance(steady, str) else "",
                )
                self.record.trials.append(trial)
            if (finding := spilled(number, outcomes, self.config.rows_memory_bytes)) is not None:
                self._notice(finding)

    async def _stops(self, start: Mark, stop: Mark) -> bool:
        """Wait until the server runs nothing; whether that was so as good as at once."""
        members, load = self.members, self.config.load
        idle = next((each.measurement for each in self.record.steps if each.name == "resident idle"), None)
        stopping = Stopping(members.backend, members.collector, members.clock, load.cancel_cap_s, idle)
        begin_s = members.clock.now_s()
        self._stopped.append(await stopping.wait(start, stop))
        return members.clock.now_s() - begin_s <= AT_ONCE_S

    def _read(self, what: str, start: Mark, stop: Mark) -> Measurement | None:
        """The energy of a window; a lost meter costs this figure, not the run."""
        try:
            measurement = self.members.collector.read(start, stop)
            if not all(map(_finite, measurement.readings)):
                raise CollectorError("the meter gave a figure that is no finite number")
            return measurement
        except CollectorError as error:
            self.record.findings.append(Finding("FAIL", "meter", f"{what} has no energy: {error.message}"))
            return None


def _finite(reading: Reading) -> bool:
    return all(map(math.isfinite, reading.bounds_j))
