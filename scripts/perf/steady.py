"""How far the steady figure of a short run lies from that of a long one: the table of docs/validation.md.

    python scripts/perf/steady.py [--seeds 5] [--quick] [--docs docs/validation.md]

A server in virtual time (``ai_energy_benchmarks.testing.VirtualServer``) whose speed and power depend on batch,
context and prefill is measured as any server is: N requests in flight, 30 N in a pass. The truth is the energy per
token that the engine itself used in a run of 200 N other requests of the same kind, the first half discarded.
"""

from __future__ import annotations

import argparse
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

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
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.prompts import Prompt, Request, Tokenizer
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import Engine, VirtualClock, VirtualCollector, VirtualServer

SLOTS = (8, 64, 256)
SHORT, LONG = 30, 200
LIMIT = 0.02
CAP = 8192
Length = Callable[[random.Random], int]
LENGTHS: dict[str, Length] = {
    "constant, 256": lambda dice: 256,
    "lognormal, median 200, σ 0.8": lambda dice: max(1, min(CAP, round(dice.lognormvariate(5.3, 0.8)))),
    "heavy-tailed, Pareto 1.3 from 64": lambda dice: min(CAP, round(64 * dice.paretovariate(1.3))),
}


def reading(context_token_s: float) -> Callable[[int, float, int], float]:
    """Seconds of a step, by how long a token of context takes to be read."""

    def seconds(batch: int, context_tokens: float, prefill_tokens: int) -> float:
        return 7e-3 + 1e-5 * batch + context_token_s * context_tokens + 4e-5 * prefill_tokens

    return seconds


ENGINES: dict[str, Callable[[], Engine]] = {
    "5 ns": lambda: Engine(seconds=reading(5e-9)),
    "10 ns": lambda: Engine(seconds=reading(1e-8)),
    "40 ns": lambda: Engine(seconds=reading(4e-8)),
}


class Numbered:
    """A data set whose prompts are their own numbers."""

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


def second_half_j(result: BenchmarkResult, engine: Engine) -> float:
    """J per output token from the sending of the request in the middle to that of the last."""
    (trial,) = result.trials
    sent_s = sorted(each.sent_s for each in trial.outcomes)
    begin_s, end_s = sent_s[len(sent_s) // 2], sent_s[-1]
    tokens = sum(
        bisect_right(each.token_times_s, end_s) - bisect_right(each.token_times_s, begin_s)
        for each in (*trial.outcomes, *trial.fillers)
        if isinstance(each, Completion)
    )
    first, last = (bisect_left(engine.knots_s, at_s) for at_s in (begin_s, end_s))
    return (engine.knots_j[last] - engine.knots_j[first]) / tokens


@frozen
class Row:
    """Several runs of one kind.

    Attributes:
        errors: steady J per token over the truth, less one.
        beyond: how many of them lie more than 2 % from the truth.
        silent: how many of those have no WARN on the halves of the steady window or on the age of its requests.
        warned: how many of all runs have that WARN.
    """

    engine: str
    slots: int
    length: str
    errors: tuple[float, ...]
    beyond: int
    silent: int
    warned: int

    @property
    def worst(self) -> float:
        return max(self.errors, key=abs)


def rows(engines: Sequence[str], slots: Sequence[int], seeds: int) -> Iterator[Row]:
    """Every combination."""
    for engine in engines:
        for number in slots:
            for name, length in LENGTHS.items():
                cases = [one(engine, number, length, seed) for seed in range(seeds)]
                beyond = [warned for error, warned in cases if abs(error) > LIMIT]
                errors = tuple(error for error, _ in cases)
                yield Row(
                    engine, number, name, errors, len(beyond), beyond.count(False), sum(warned for _, warned in cases)
                )


def one(engine: str, slots: int, length: Length, seed: int) -> tuple[float, bool]:
    """The error of one short run against a long one, and whether its verdict warns of halves or young requests."""
    short, long = random.Random(f"{seed} short"), random.Random(f"{seed} long")
    machine = ENGINES[engine]()
    truth_j = second_half_j(run(slots, [length(long) for _ in range(LONG * slots)], machine), machine)
    result = run(slots, [length(short) for _ in range(SHORT * slots)], ENGINES[engine]())
    steady = result.summary.steady
    assert steady is not None, "30 requests a slot have a steady state"
    estimate = steady.components[0].per_output_token_j
    assert estimate is not None, "every token has an event"
    warned = any(
        each.check == "steady state" and each.level == "WARN" and ("half" in each.message or "context" in each.message)
        for each in result.verdict.findings
    )
    return estimate.mean / truth_j - 1, warned


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| a token of context takes | in flight | lengths of output | runs | mean error | largest error "
        "| beyond 2 % | of these without a WARN | WARN on halves or context |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        runs, mean = len(row.errors), fmean(row.errors)
        figures = f"{runs} | {mean:+.2%} | {row.worst:+.2%} | {row.beyond} | {row.silent} | {row.warned}"
        lines.append(f"| {row.engine} | {row.slots} | {row.length} | {figures} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table; 1 if a run lies beyond the limit without a warning."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="runs a row")
    parser.add_argument("--quick", action="store_true", help="8 in flight alone, one run a row")
    parser.add_argument("--docs", type=Path, help="the page whose section `steady` is written")
    arguments = parser.parse_args()
    slots, seeds = ((8,), 1) if arguments.quick else (SLOTS, arguments.seeds)
    found = list(rows(tuple(ENGINES), slots, seeds))
    print(table(found))
    if arguments.docs:
        replace_section(arguments.docs, "steady", table(found))
    return 1 if any(row.silent for row in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
