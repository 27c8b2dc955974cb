"""How far the steady figure of a short run lies from that of a long one: the table of docs/validation.md.

    python scripts/perf/steady.py [--seeds 5] [--quick] [--docs docs/validation.md]

A server in virtual time (``ai_energy_benchmarks.testing.VirtualServer``) whose speed and power depend on batch,
context and prefill is measured as any server is: N requests in flight, 30 N in a pass. The truth is the energy per
token that the engine itself used in a run of 240 N, the first half discarded: the requests of the pass eight times. A
run of 200 N other requests of the same kind stands next to it: what it differs by more, the choice of requests makes.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

from attrs import frozen
from docs_table import replace_section

from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    GenerateKwargs,
    LoadConfig,
    ProtocolConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.domain.prompts import Prompt, Request, Tokenizer
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import Engine, VirtualClock, VirtualCollector, VirtualServer
from ai_energy_benchmarks.testing.engine import long_run_j

SLOTS = (8, 64, 256)
SHORT, LONG, PASSES = 30, 200, 8
LIMIT = 0.02
CAP = 8192
Length = Callable[[random.Random], int]
LENGTHS: dict[str, Length] = {
    "constant, 256": lambda dice: 256,
    "lognormal, median 200, σ 0.8": lambda dice: max(1, min(CAP, round(dice.lognormvariate(5.3, 0.8)))),
    "heavy-tailed, Pareto 1.3 from 64": lambda dice: min(CAP, round(64 * dice.paretovariate(1.3))),
}


def server(context_token_s: float, prefill_token_s: float, context_knee: float) -> Callable[[], Engine]:
    """An engine by what a token of context and one of prefill take, and where its power stops rising with context."""

    def seconds(batch: int, context_tokens: float, prefill_tokens: int) -> float:
        return 7e-3 + 1e-5 * batch + context_token_s * context_tokens + prefill_token_s * prefill_tokens

    def watts(batch: int, context_tokens: float, prefill_tokens: int) -> float:
        return 700.0 - 450.0 * math.exp(-batch / 60 - context_tokens / context_knee - prefill_tokens / 2e3)

    return lambda: Engine(seconds=seconds, watts=watts)


ENGINES: dict[str, Callable[[], Engine]] = {
    "10 ns": server(1e-8, 4e-5, 1e6),
    "40 ns": server(4e-8, 4e-5, 1e6),
    "60 ns, slow prefill, steep power": server(6e-8, 1.5e-4, 1e5),
}


class Numbered:
    """A dataset whose prompts are their own numbers."""

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        return tuple(Prompt(index, str(index)) for index in range(count))


def run(slots: int, lengths: Sequence[int], engine: Engine) -> BenchmarkResult:
    """One trial over requests with these lengths of output."""
    clock = VirtualClock()

    def length(request: Request) -> int:
        return lengths[request.prompt.index]

    server = VirtualServer(clock, engine, output_tokens=length)
    config = BenchmarkConfig(
        backend=BackendConfig("openai", "virtual-model", endpoint="http://localhost:1/v1"),
        scenario=ScenarioConfig(num_samples=len(lengths), generate_kwargs=GenerateKwargs(max_new_tokens=CAP)),
        load=LoadConfig(concurrency=slots),
        protocol=ProtocolConfig(
            bare_idle_s=0, resident_idle_s=5, warmup=WarmupConfig(requests=0), thermal_gate=False, trials=1
        ),
    )
    return BenchmarkRunner(
        config,
        backend=server,
        collector=VirtualCollector(clock, engine),
        dataset=Numbered(),  # type: ignore[arg-type] # made by hand: no from_settings
        clock=clock,
        reporters=[],
    ).measure()


@frozen
class Case:
    """One run of 30 requests a slot; shares of the truth, less one.

    Attributes:
        error: its steady J per token against a long run of its own requests.
        window: what its window alone gives, against the same.
        others: its steady J per token against a long run of other requests of the same kind.
        drawn: half the 95 % interval of what the choice of requests makes, as the run states it.
        held: whether the bounds hold the energy of the long run of its own requests.
        warned: whether its verdict warns of the context of its window.
    """

    error: float
    window: float
    others: float
    drawn: float
    held: bool
    warned: bool


@frozen
class Row:
    """Several runs of one kind."""

    engine: str
    slots: int
    length: str
    cases: tuple[Case, ...]

    def worst(self, name: str) -> float:
        """The largest of one kind of error."""
        errors: list[float] = [getattr(case, name) for case in self.cases]
        return max(errors, key=abs)

    @property
    def missed(self) -> int:
        """Runs that lie more than the limit from the truth of their own requests."""
        return sum(abs(case.error) > LIMIT for case in self.cases)


def rows(engines: Sequence[str], slots: Sequence[int], seeds: int) -> Iterator[Row]:
    """Every combination."""
    kinds = list(product(engines, slots, LENGTHS))
    jobs = [(*kind, seed) for kind in kinds for seed in range(seeds)]
    with ProcessPoolExecutor() as pool:
        cases = list(pool.map(one, *zip(*jobs, strict=True)))
    for number, (engine, many, name) in enumerate(kinds):
        yield Row(engine, many, name, tuple(cases[number * seeds : (number + 1) * seeds]))


def one(engine: str, slots: int, name: str, seed: int) -> Case:
    """A short run against long ones."""
    length = LENGTHS[name]
    short, long = random.Random(f"{seed} short"), random.Random(f"{seed} long")
    lengths = [length(short) for _ in range(SHORT * slots)]
    own_j = long_run_j(ENGINES[engine](), slots, lengths * PASSES)
    others_j = long_run_j(ENGINES[engine](), slots, [length(long) for _ in range(LONG * slots)])
    result = run(slots, lengths, ENGINES[engine]())
    steady = result.summary.steady
    assert steady is not None, "30 requests a slot have a steady state"
    (gpu,) = steady.components
    assert gpu.per_output_token_j is not None, "every token has an event"
    assert gpu.per_output_token_bounds_j is not None, "every token has an event"
    low_j, _, high_j = gpu.per_output_token_bounds_j
    mean_j, window_j = gpu.per_output_token_j.mean, gpu.per_output_token_window_j
    warned = any(each.level == "WARN" and "tokens of context" in each.message for each in result.verdict.findings)
    sampling = steady.mix.sampling if steady.mix else None
    return Case(
        error=mean_j / own_j - 1,
        window=(mean_j if window_j is None else window_j) / own_j - 1,
        others=mean_j / others_j - 1,
        drawn=1.96 * (sampling or 0.0),
        held=low_j <= own_j <= high_j,
        warned=warned,
    )


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| server | in flight | lengths of output | runs | largest error | of the window alone | beyond 2 % "
        "| WARN on context | largest error against other requests | of which the choice makes (95 %) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        figures = f"{len(row.cases)} | {row.worst('error'):+.2%} | {row.worst('window'):+.2%} | {row.missed}"
        figures += f" | {sum(case.warned for case in row.cases)} | {row.worst('others'):+.2%}"
        figures += f" | ± {row.worst('drawn'):.2%}"
        lines.append(f"| {row.engine} | {row.slots} | {row.length} | {figures} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table; 1 if a run lies beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs a row")
    parser.add_argument("--quick", action="store_true", help="8 in flight alone, one run a row")
    parser.add_argument("--docs", type=Path, help="the page whose section `steady` is written")
    arguments = parser.parse_args()
    slots, seeds = ((8,), 1) if arguments.quick else (SLOTS, arguments.seeds)
    found = list(rows(tuple(ENGINES), slots, seeds))
    print(table(found))
    if arguments.docs:
        replace_section(arguments.docs, "steady", table(found))
    return 1 if any(row.missed for row in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
