"""Sending one request to a server, again where it is busy, within the limits of time and size."""

from __future__ import annotations

import asyncio
import time

from attrs import define, field

from ai_energy_benchmarks.backends.server.event_stream import EventStream
from ai_energy_benchmarks.backends.server.http_client import HttpClient
from ai_energy_benchmarks.backends.server.http_connection import HttpError, Response
from ai_energy_benchmarks.backends.server.replies import asks_to_try_again, retry_after_s
from ai_energy_benchmarks.backends.server.request_limits import Limits


@define
class Sending:
    """One request; its latency begins when this is made.

    Attributes:
        keep: keep the events of the answer, to decode its text later.
        stream: what has come of the latest attempt.
        retried: how often it was sent again.
    """

    client: HttpClient
    path: str
    body: bytes
    limits: Limits
    retries: int
    keep: bool
    sent_s: float = field(factory=time.perf_counter)
    stream: EventStream = field(factory=EventStream)
    retried: int = 0

    async def response(self) -> Response:
        """Send it and wait for the end of its answer, which is in ``stream`` then.

        Raises:
            HttpError: no connection, no answer, one that stalls, is broken, too long or too large.
        """
        while True:
            self.stream = stream = EventStream(keep=self.keep)
            try:
                response = await self.client.request(
                    "POST", self.path, self.body, stream.feed, limits=self.limits, stream=stream, since_s=self.sent_s
                )
            except HttpError:
                if not stream.ended:
                    raise
                response = Response(200)  # nothing was to come after [DONE]
            if self.retried == self.retries or not asks_to_try_again(response):
                break
            wait_s = retry_after_s(response, self.retried + 1)
            if wait_s is None or time.perf_counter() + wait_s >= self.sent_s + self.limits.total_s:
                break
            self.retried += 1
            await asyncio.sleep(wait_s)
        stream.close(time.perf_counter())
        return response
