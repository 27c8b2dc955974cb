"""The steps of one benchmark, in the order of "The order of a benchmark" (docs/measurement.md)."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from attrs import define, evolve, field

from ai_energy_benchmarks.analysis.machine_checks import unchecked_other_work
from ai_energy_benchmarks.analysis.prompt_caches import cache_was_hit
from ai_energy_benchmarks.backends.base import ComparesPrompts, LooksForModel
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.result import Step, StepName
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.runner.fitting import batch_findings, check_fit, skipped_rows
from ai_energy_benchmarks.runner.generating import Generating, Members
from ai_energy_benchmarks.runner.gpus import fastest_first, named_gpus, reported_gpus
from ai_energy_benchmarks.runner.interrupts import end_if_asked
from ai_energy_benchmarks.runner.keeping import Keeper
from ai_energy_benchmarks.runner.locating import elsewhere, location_findings, location_of
from ai_energy_benchmarks.runner.reasoning import observe
from ai_energy_benchmarks.runner.record import Record
from ai_energy_benchmarks.runner.settling import Settling
from ai_energy_benchmarks.runner.stopping import worst_of
from ai_energy_benchmarks.runner.trials import Trials, measured
from ai_energy_benchmarks.runner.watching import OtherWork
from ai_energy_benchmarks.runner.workload import make_passes, some_requests


@define
class Steps:
    """One pass through the protocol; everything seen goes into ``record`` at once, and after each trial to the disk."""

    config: BenchmarkConfig
    members: Members
    record: Record
    keeper: Keeper
    _generating: Generating = field(init=False)

    @_generating.default
    def _make_generating(self) -> Generating:
        return Generating(self.members, self.record, self.config.load.concurrency)

    async def run(self) -> None:
        """All steps, from the bare machine to the released model.

        Raises:
            GaveUpError: the backend is dead, or the last attempts have all failed.
        """
        members, record = self.members, self.record
        if isinstance(members.backend, LooksForModel):
            members.backend.look_for_model()  # a name that nothing has is not told after the bare idle
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
        trials = Trials(self.config, members, record, self._generating, OtherWork(workload.process_ids))
        tokenizer, plan = members.backend.tokenizer, members.reasoning
        record.passes = passes = make_passes(self.config, members.dataset, plan.formatter, tokenizer)
        record.findings.extend(skipped_rows(members.dataset))
        record.findings.extend(batch_findings(self.config.scenario, members.backend))
        check_fit(passes, members.backend)
        observed = observe(plan, passes.prompts[0], tokenizer, members.backend)
        record.reasoning, self._generating.thinking_begun = observed.reasoning, observed.begun
        record.findings.extend(observed.findings)
        try:
            settling = Settling(members.collector, members.clock, self._gpus(record.engine))
            await self._settled_idle("resident idle", settling)
            await self._warm_up(passes.warmup, settling)
            await self._gate(passes.warmup, settling)
            members.progress.begin("trials", protocol.trials)
            for number in range(1, protocol.trials + 1):
                end_if_asked()
                await trials.measure(number, passes.measured)
                self.keeper.keep(record, members.collector)  # after the rest of this trial, and before that of the next
                members.progress.advance()
            members.progress.end()
            record.findings.extend(worst_of(trials.stopped))
            record.findings.extend(unchecked_other_work(record.trials) if trials.others.known else ())
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

    def _gpus(self, engine: EngineFacts) -> Collection[str] | None:
        """The workload's GPUs: as the engine reports them, else as the meter counts them; None if not known yet."""
        collector = self.members.collector
        if "gpu" not in collector.components():
            return engine.board_ids
        read = {series.device.id for series in collector.samples().series}
        if engine.board_ids is not None and (not read or read >= set(engine.board_ids)):
            return engine.board_ids  # others are names of MIG slices, of which the meter knows the GPU
        return collector.counted_devices()

    @contextmanager
    def _step(self, name: StepName) -> Iterator[None]:
        start = self.members.collector.mark()
        try:
            yield
        finally:
            stop = self.members.collector.mark()
            measurement = measured(self.members, self.record, name, start, stop)
            self.record.steps.append(Step(name, start.time_s, stop.time_s, measurement))

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
        """Warm GPUs draw more; the trials begin when they no longer change."""
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
