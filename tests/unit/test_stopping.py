"""When a server has stopped after the requests that kept its load up were cancelled, and what the wait looks at."""

from __future__ import annotations

import pytest
from attrs import define, field

from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    GenerateKwargs,
    LoadConfig,
    ProtocolConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.domain.completions import FailedCompletion, Outcome
from ai_energy_benchmarks.domain.power import Mark, Measurement
from ai_energy_benchmarks.domain.prompts import Batch, Request
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import VirtualClock, VirtualCollector, VirtualServer
from tests.unit.virtual_server import Prompts

CONCURRENCY, REQUESTS = 8, 160


@define(eq=False)
class Frozen(VirtualServer):
    """Renews its gauges only while it works, as vLLM does.

    Attributes:
        counts: whether it has a counter of output tokens.
    """

    counts: bool = True
    _shown: ServerGauges = field(factory=lambda: ServerGauges(0, 0))

    async def gauges(self) -> ServerGauges | None:
        if self.engine.running:
            self._shown = ServerGauges(self.engine.running, self.engine.waiting)
        return self._shown

    def counters(self) -> ServerCounters | None:
        return super().counters() if self.counts else None


@define(eq=False)
class RefusesFillers(VirtualServer):
    """Answers every filler with a refusal at once."""

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        (request,) = batch.requests
        if request.number < REQUESTS:
            return await super().generate(batch)
        now_s = self.clock.now_s()
        await self.clock.sleep(0.001)
        return (FailedCompletion(request.number, "status 429: slow down", now_s, self.clock.now_s()),)


@define(eq=False)
class BlindAtRest(VirtualCollector):
    """Has no figure for windows in which the server rests."""

    def read(self, start: Mark, stop: Mark) -> Measurement:
        if stop.time_s - start.time_s > 2:
            return super().read(start, stop)
        return Measurement(start.time_s, stop.time_s, (), {"gpu": "nothing is known of a rest"})


def run(
    kind: type[VirtualServer] = VirtualServer,
    meter: type[VirtualCollector] = VirtualCollector,
    *,
    last: int = 200,
    filler: int = 200,
    **server: object,
) -> Bench:
    """A run whose requests have 200 tokens, but for the last one of the pass and for fillers."""
    clock = VirtualClock()

    def length(request: Request) -> int:
        return filler if request.number >= REQUESTS else last if request.number == REQUESTS - 1 else 200

    served = kind(clock, output_tokens=length, **server)  # type: ignore[arg-type] # under test
    config = BenchmarkConfig(
        backend=BackendConfig("vllm", "virtual-model", endpoint="http://localhost:1/v1"),
        scenario=ScenarioConfig(num_samples=REQUESTS, generate_kwargs=GenerateKwargs(max_new_tokens=8192)),
        load=LoadConfig(concurrency=CONCURRENCY),
        protocol=ProtocolConfig(
            bare_idle_s=0, resident_idle_s=5, warmup=WarmupConfig(requests=0), thermal_gate=False, trials=2
        ),
    )
    result = BenchmarkRunner(
        config,
        backend=served,
        collector=meter(clock, served.engine),
        dataset=Prompts(),  # type: ignore[arg-type] # made by hand: no from_settings
        clock=clock,
        reporters=[],
    ).measure()
    return Bench(result, served)


@define
class Bench:
    """A run and its server."""

    result: BenchmarkResult
    server: VirtualServer

    def found(self, check: str) -> list[tuple[str, str]]:
        return [(each.level, each.message) for each in self.result.verdict.findings if each.check == check]

    @property
    def steady_j(self) -> float | None:
        steady = self.result.summary.steady
        assert steady is not None
        per_token = steady.components[0].per_output_token_j
        return per_token.mean if per_token else None


def test_a_gauge_that_froze_when_all_was_cancelled_is_not_believed() -> None:
    """vLLM shows the cancelled requests for ever; its counter of output tokens, or power, shows that nothing runs."""
    by_counter, by_power = run(Frozen), run(Frozen, counts=False)
    for bench, witness in ((by_counter, "counter of output tokens, which stands still"), (by_power, "flat power")):
        [(level, message)] = bench.found("server stopped")
        assert level == "PASS"
        assert f"{witness}, though its gauge goes on showing 8 requests" in message


@pytest.mark.parametrize("counts", [True, False])
def test_a_gauge_that_stays_because_the_server_goes_on_is_believed(counts: bool) -> None:
    """The same requests run on for minutes: the counter grows, or power does not fall."""
    bench = run(Frozen, filler=20_000, aborts=False, counts=counts)
    [(level, message)] = bench.found("server stopped")
    assert level == "FAIL"
    assert message.startswith(
        "the server went on after cancelling: its gauge still showed 7 requests after 60 s; fix: "
    )


def test_a_meter_that_is_blind_at_rest_is_a_warning_at_once() -> None:
    """It had power under load; that it has none for the rest does not show that the server went on."""
    bench = run(meter=BlindAtRest, shows_load=False)
    [(level, message)] = bench.found("server stopped")
    assert (level, message[:55]) == ("WARN", "no gauge of running requests and no meter can show whet")
    first, second = bench.result.trials
    assert second.start_s - first.stop_s < 10


def test_tokens_of_a_server_that_ends_what_was_cancelled_are_not_set_against_the_answers() -> None:
    """It stops within the limit; what it made after its clients had left is no doubt about what they received."""
    bench = run(aborts=False)
    assert [level for level, _ in bench.found("server stopped")] == ["PASS"]
    assert [level for level, _ in bench.found("token counts")] == ["PASS"]
    assert bench.steady_j == pytest.approx(run().steady_j)


def test_a_server_that_refuses_fillers_is_sent_few_of_them() -> None:
    """Ten refusals in a row, and those in flight: no more are sent, and the load that is missing is a WARN."""
    bench = run(RefusesFillers, last=2000)
    assert all(10 <= len(trial.fillers) < 10 + CONCURRENCY for trial in bench.result.trials)
    [(level, message)] = bench.found("filler requests")
    assert level == "WARN"
    assert "filler requests failed" in message
    assert "the last because: status 429: slow down; fix: " in message
    assert [level for level, _ in bench.found("concurrency")] == ["WARN"]
