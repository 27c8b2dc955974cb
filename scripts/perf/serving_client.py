"""Our client against a loopback server, on one core; prints what it saw as JSON.

    python scripts/perf/serving_client.py ENDPOINT CONCURRENCY REQUESTS TOKENS [--stagger] [--core N]

With ``--stagger`` the first requests are of different lengths, so that later ones start at different times; the first
ones are then left out of the list of streams: number, when it was sent, when its first and its last token came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence

from attrs import frozen
from quiet import settle

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.load.closed_loop import closed_loop
from ai_energy_benchmarks.load.self_check import SelfCheck
from ai_energy_benchmarks.runner.event_loop import MonotonicClock

MODEL = "loopback/model-of-no-size"


@frozen
class Seen:
    """What the client saw of one pass."""

    duration_s: float
    cpu_time_s: float
    loop_lag_s: float
    completions: tuple[Completion, ...]


def batches(concurrency: int, requests: int, tokens: int, stagger: bool) -> list[Batch]:
    """One request each."""

    def length(number: int) -> int:
        return max(1, tokens * (number + 1) // concurrency) if stagger and number < concurrency else tokens

    return [Batch((_request(number),), Generation(length(number))) for number in range(requests)]


def _request(number: int) -> Request:
    text = f"Request {number}: say a word again and again."
    return Request(number, Prompt(number, text), (Message("user", text),))


async def one_pass(backend: OpenAIServerBackend, wanted: Sequence[Batch], concurrency: int) -> Seen:
    """All requests through the closed loop, as the runner sends them."""
    outcomes: list[Outcome] = []
    check = SelfCheck(concurrency, MonotonicClock())
    start_s = time.perf_counter()
    async with check:
        await closed_loop(wanted, backend.generate, concurrency, outcomes.extend)
    duration_s = time.perf_counter() - start_s
    assert check.result is not None
    for each in outcomes:
        if not isinstance(each, Completion):
            raise SystemExit(f"a request failed: {each.reason}")
    done = tuple(each for each in outcomes if isinstance(each, Completion))
    return Seen(duration_s, check.result.cpu_time_s, check.result.loop_lag_s or 0.0, done)


async def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """One pass of a few requests to warm up, then the pass that counts."""
    settings = BackendSettings(
        MODEL, "auto", (0,), arguments.endpoint, "text-generation", OpenAIServerBackend.Options()
    )
    concurrency = arguments.concurrency
    with OpenAIServerBackend(settings) as backend:
        await one_pass(backend, batches(concurrency, concurrency, 1, False), concurrency)
        wanted = batches(concurrency, arguments.requests, arguments.tokens, arguments.stagger)
        seen = await one_pass(backend, wanted, concurrency)
    skipped = concurrency if arguments.stagger else 0
    counted = [each for each in seen.completions if each.number >= skipped]
    return {
        "duration_s": seen.duration_s,
        "cpu_time_s": seen.cpu_time_s,
        "loop_lag_s": seen.loop_lag_s,
        "tokens": sum(each.output_tokens for each in seen.completions),
        "requests": len(seen.completions),
        "streams": [(each.number, each.sent_s, each.token_times_s[0], each.token_times_s[-1]) for each in counted],
    }


def main() -> int:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("concurrency", type=int)
    parser.add_argument("requests", type=int)
    parser.add_argument("tokens", type=int)
    parser.add_argument("--stagger", action="store_true")
    parser.add_argument("--core", type=int)
    arguments = parser.parse_args()
    settle(arguments.core)
    print(json.dumps(asyncio.run(measure(arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
