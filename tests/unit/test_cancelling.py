"""Whatever is cancelled ends, at whichever moment the cancellation comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from ai_energy_benchmarks.backends.server.http_client import HttpClient
from ai_energy_benchmarks.domain.address import parse_address
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Prompt, Request
from ai_energy_benchmarks.domain.serving import ServerGauges
from ai_energy_benchmarks.load import ending
from ai_energy_benchmarks.load.closed_loop import closed_loop
from ai_energy_benchmarks.load.server_watch import ServerWatch
from ai_energy_benchmarks.runner.event_loop import MonotonicClock
from tests.factories import completion
from tests.servers import Exchange, running

_TURNS = 30  # of the event loop; a connection on loopback is open after fewer


def batch(number: int) -> Batch:
    return Batch((Request(number, Prompt(number, "hello"), ()),), Generation(max_new_tokens=8))


async def swallows(seconds: float) -> None:
    """Waits as ``asyncio.wait_for`` does before Python 3.12 where the result comes with the cancellation."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        return


def test_a_request_never_swallows_a_cancellation() -> None:
    """In whichever turn of the event loop it comes, also in that in which the connection opens, the request ends."""

    async def unanswered(exchange: Exchange) -> None:
        await asyncio.sleep(3600.0)

    async def ends(turns: int, client: HttpClient) -> bool:
        task = asyncio.ensure_future(client.request("POST", "/", b"{}", lambda _, block: None))
        for _ in range(turns):
            await asyncio.sleep(0)
            time.sleep(0.0001)  # loopback needs a moment
        task.cancel()
        await asyncio.wait([task], timeout=0.5)
        return task.cancelled()

    async def all_turns(endpoint: str) -> list[bool]:
        ended = []
        for turns in range(_TURNS):
            with HttpClient(parse_address(endpoint)) as client:
                ended.append(await ends(turns, client))
        return ended

    with running(unanswered) as server:
        assert asyncio.run(all_turns(server.endpoint)) == [True] * _TURNS


def test_a_watch_whose_reading_swallows_the_cancellation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window's end is not held up by a reading of the server that goes on for ever."""
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    reading = asyncio.Event()

    async def read() -> ServerGauges:
        reading.set()
        await swallows(3600.0)
        return ServerGauges(running_requests=1.0)

    async def window() -> ServerWatch:
        async with ServerWatch(read, 1e-6, MonotonicClock()) as watch:
            await reading.wait()
        return watch

    watch = asyncio.run(window())
    assert watch.result is not None
    assert watch.result.readings == 1


@pytest.mark.parametrize("swallowed", [1, 3])
def test_a_load_whose_requests_swallow_the_cancellation_ends(monkeypatch: pytest.MonkeyPatch, swallowed: int) -> None:
    """Fillers that swallow their cancellation, even several times, hold a pass up no longer; none is sent after."""
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    sent: list[int] = []

    async def generate(one: Batch) -> Sequence[Outcome]:
        number = one.requests[0].number
        sent.append(number)
        if number >= 2:
            for _ in range(swallowed):
                await swallows(3600.0)
        await asyncio.sleep(0)
        return (completion(number),)

    async def load() -> bool:
        fillers = (batch(number) for number in range(2, 100))
        return await closed_loop([batch(0), batch(1)], generate, 3, lambda _: None, fillers=fillers)

    assert asyncio.run(load())
    assert len(sent) <= 5


def test_a_failing_load_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one request ends the load, a worker that swallows its cancellation does not take the next batch."""
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    sent: list[int] = []

    async def generate(one: Batch) -> Sequence[Outcome]:
        number = one.requests[0].number
        sent.append(number)
        if number == 1:
            await asyncio.sleep(0)
            raise RuntimeError("nothing succeeds any more")
        await swallows(3600.0)
        return (completion(number),)

    with pytest.raises(RuntimeError, match="nothing succeeds"):
        asyncio.run(closed_loop([batch(number) for number in range(50)], generate, 2, lambda _: None))
    assert sent == [0, 1]
