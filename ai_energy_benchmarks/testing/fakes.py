"""Fakes that behave like the real members and keep a journal of what was asked of them.

All fakes of one benchmark share a ``Journal`` and a ``FakeClock``, so that a test can read the whole order of
events, and every energy is power times simulated time::

    journal = Journal()
    clock = FakeClock(journal)
    runner = BenchmarkRunner(
        config,
        backend=FakeBackend(journal, clock),
        collector=FakeCollector(journal, clock, power_w=100.0),
        reporters=[FakeReporter(journal)],
        clock=clock,
    )
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from attrs import define, field, frozen

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.power import Device, Mark, Measurement, Reading, Samples, Workload
from ai_energy_benchmarks.domain.prompts import Batch, Request, Tokenizer
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.serving import ServerCounters
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import CollectorSettings


@define
class Journal:
    """What happened, in order, one line each.

    Attributes:
        lines: what happened so far.
    """

    lines: list[str] = field(factory=list)

    def note(self, line: str) -> None:
        """Add a line.

        Args:
            line: what happened.
        """
        self.lines.append(line)


@define
class FakeClock:
    """A clock that moves only when something sleeps on it.

    Attributes:
        journal: that sleeping is noted in.
        time_s: what the clock shows.
    """

    journal: Journal
    time_s: float = 0.0

    def now_s(self) -> float:
        """Seconds that the clock shows."""
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        """Note the sleep, and move the clock on at once."""
        self.journal.note(f"sleep {seconds:g} s")
        self.time_s += seconds


@frozen
class FakeOptions:
    """No options."""


def _always_succeeds(request: Request) -> str | None:
    return None


@define
class FakeBackend:
    """Generates ``output_tokens`` per request at ``seconds_per_token``, on a simulated clock.

    Attributes:
        journal: that every call is noted in.
        clock: that generating moves.
        output_tokens: of each request.
        prompt_tokens: of each request.
        seconds_per_token: of the clock.
        tokenizer: for datasets and formatters that need one.
        failure: called for each request; the reason why it fails, or None.
        dead: failures also say that the backend is dead.
        before_batch: called before each batch, to interrupt or break things.
    """

    Options: ClassVar[type] = FakeOptions
    needs_endpoint: ClassVar[bool] = False

    journal: Journal
    clock: FakeClock
    output_tokens: int = 4
    prompt_tokens: int = 3
    seconds_per_token: float = 0.25
    failure: Callable[[Request], str | None] = _always_succeeds
    dead: bool = False
    before_batch: Callable[[Batch], None] | None = None
    tokenizer: Tokenizer | None = None

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> FakeBackend:
        journal = Journal()
        return cls(journal, FakeClock(journal))

    def problems(self, demand: Demand) -> tuple[str, ...]:
        return ()

    def __enter__(self) -> FakeBackend:
        self.journal.note("backend enters")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.note("backend leaves")

    def facts(self) -> EngineFacts:
        return EngineFacts("fake", "fake engine", "fake-model", device="cpu", board_ids=())

    def process_ids(self) -> tuple[int, ...]:
        return (1,)

    def counters(self) -> ServerCounters | None:
        return None

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        self.journal.note(f"generate {[request.prompt.text for request in batch.requests]}")
        if self.before_batch is not None:
            self.before_batch(batch)
        sent_s = self.clock.time_s
        self.clock.time_s += self.output_tokens * self.seconds_per_token
        return tuple(self._outcome(request, sent_s) for request in batch.requests)

    def _outcome(self, request: Request, sent_s: float) -> Outcome:
        reason = self.failure(request)
        if reason is not None:
            return FailedCompletion(request.number, reason, sent_s, self.clock.time_s, self.dead)
        steps = range(1, self.output_tokens + 1)
        return Completion(
            number=request.number,
            prompt_tokens=self.prompt_tokens,
            output_tokens=self.output_tokens,
            token_source="token_ids",
            sent_s=sent_s,
            token_times_s=array("d", (sent_s + step * self.seconds_per_token for step in steps)),
            finished_s=self.clock.time_s,
            finish_reason="length",
        )


@define
class FakeCollector:
    """One device at constant power, so that the energy of a window is ``power_w`` times its duration.

    Attributes:
        journal: that every call is noted in.
        clock: that it reads.
        power_w: constant power of its device.
        component: what kind of device it is.
        quiet_s: what ``guard_s`` returns.
        further_s: what ``further_rest_s`` returns, one call after another; 0 when it is empty.
        rests_s: how long the workload had rested at each of these calls.
        lost: ``read`` raises ``CollectorError``, as a meter does that was unplugged.
    """

    Options: ClassVar[type] = FakeOptions

    journal: Journal
    clock: FakeClock
    power_w: float = 100.0
    component: Component = "gpu"
    quiet_s: float = 0.0
    lost: bool = False
    further_s: list[float] = field(factory=list)
    rests_s: list[float] = field(factory=list)

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> FakeCollector:
        journal = Journal()
        return cls(journal, FakeClock(journal))

    def __enter__(self) -> FakeCollector:
        self.journal.note("collector enters")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.note("collector leaves")

    def components(self) -> tuple[Component, ...]:
        return (self.component,)

    def attach(self, workload: Workload) -> None:
        self.journal.note(f"collector attaches to processes {list(workload.process_ids)}")

    def counted_devices(self) -> frozenset[str] | None:
        return None

    def guard_s(self) -> float:
        return self.quiet_s

    def further_rest_s(self, start: Mark | None, stop: Mark) -> float:
        self.rests_s.append(stop.quiet_s)
        return self.further_s.pop(0) if self.further_s else 0.0

    def mark(self) -> Mark:
        self.journal.note("mark")
        return Mark(self.clock.time_s)

    def read(self, start: Mark, stop: Mark) -> Measurement:
        self.journal.note("read")
        if self.lost:
            raise CollectorError("the fake meter was unplugged")
        energy_j = self.power_w * (stop.time_s - start.time_s)
        reading = Reading(
            Device(self.component, f"fake-{self.component}"),
            Bounds.exact(energy_j),
            provenance="measured",
            meter="fake",
            estimator="exact",
            peak_power_w=self.power_w,
        )
        return Measurement(start.time_s, stop.time_s, (reading,))

    def samples(self) -> Samples:
        return Samples()

    def notes(self) -> tuple[str, ...]:
        return ()


@define
class FakeReporter:
    """Keeps the results that it was given.

    Attributes:
        journal: that every call is noted in.
        results: that it was given, in order.
    """

    journal: Journal
    results: list[BenchmarkResult] = field(factory=list)

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        self.journal.note("report")
        self.results.append(result)
        return ()
