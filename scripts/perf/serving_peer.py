"""The bare loop that our client is compared with: aiohttp reads a stream and counts its events.

    python scripts/perf/serving_peer.py ENDPOINT CONCURRENCY REQUESTS TOKENS [--core N]

It needs aiohttp and nothing of ours, so that it can run in an environment of its own. Each event is stamped; nothing is
decoded but the number of tokens at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
from array import array
from typing import Any

from quiet import settle

_MODEL = "loopback/model-of-no-size"


async def measure(aiohttp: Any, arguments: argparse.Namespace) -> dict[str, object]:
    """One pass of a few requests to warm up, then the pass that counts."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        await one_pass(session, arguments, arguments.concurrency, 1)
        return await one_pass(session, arguments, arguments.requests, arguments.tokens)


async def one_pass(session: Any, arguments: argparse.Namespace, requests: int, tokens: int) -> dict[str, object]:
    """All requests, ``concurrency`` at a time."""
    waiting = iter(range(requests))
    counts: list[int] = []

    async def worker() -> None:
        for _ in waiting:
            counts.append(await one(session, arguments.endpoint, tokens))

    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(arguments.concurrency)))
    return {
        "duration_s": time.perf_counter() - start_s,
        "cpu_time_s": time.process_time() - start_cpu_s,
        "tokens": sum(counts),
        "requests": len(counts),
    }


async def one(session: Any, endpoint: str, tokens: int) -> int:
    """Send a request and stamp every event of its stream; returns the tokens."""
    body = {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "Request 0: say a word again and again."}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": tokens,
        "temperature": 0,
    }
    times_s = array("d")
    rest = b""
    async with session.post(f"{endpoint}/chat/completions", json=body) as response:
        async for block in response.content.iter_any():
            now_s = time.perf_counter()
            *events, rest = (rest + block).split(b"\n\n")
            for event in events:
                if event.startswith(b"data: {"):
                    times_s.append(now_s)
    return len(times_s) - 3  # role, end and usage are no tokens


def main() -> int:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("concurrency", type=int)
    parser.add_argument("requests", type=int)
    parser.add_argument("tokens", type=int)
    parser.add_argument("--core", type=int)
    arguments = parser.parse_args()
    settle(arguments.core)
    print(json.dumps(asyncio.run(measure(importlib.import_module("aiohttp"), arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
