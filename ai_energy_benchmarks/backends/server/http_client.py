"""A small HTTP/1.1 client on asyncio: keep-alive connections, and the time at which every byte arrived.

General clients spend more on a streamed chunk than a fast server spends on a token, and so distort what they
measure.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Coroutine
from functools import partial
from types import TracebackType
from typing import Protocol

from attrs import define, field

from ai_energy_benchmarks.backends.server.http_connection import BodyListener, Connection, HttpError, Response
from ai_energy_benchmarks.backends.server.request_limits import Limits
from ai_energy_benchmarks.domain.address import Address

_NO_LIMITS = Limits()
# Of a page that is read while a server is measured; that of vLLM has some hundred kilobytes.
_PAGE_LIMITS = Limits(stall_s=10.0, total_s=10.0, size_bytes=8 * 2**20)
_PATIENCE_S = 0.1
_USAGE_PATIENCE_S = 1.0


class EndingStream(Protocol):
    """A body that says by itself that it is complete."""

    at_end: Callable[[], None] | None

    def progress_s(self) -> float:
        """When the latest part came that is no comment."""
        ...

    def has_usage(self) -> bool:
        """Whether the token counts have come."""
        ...


@define
class HttpClient:
    """Connections to one server, opened as needed and kept.

    Attributes:
        connect_timeout_s: maximum time for a connection to open.
        headers: sent with every request; may hold a secret, so it is never shown.
    """

    address: Address
    connect_timeout_s: float = 10.0
    verify_tls: bool = True
    headers: dict[str, str] = field(factory=dict, repr=False)
    _idle: list[Connection] = field(factory=list, init=False)
    _patience_s: float = field(default=_PATIENCE_S, init=False)

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            self._idle.pop().close()

    async def prewarm(self, count: int) -> None:
        """Open connections until ``count`` are idle, so that no request pays for opening one."""
        missing = count - len(self._idle)
        if missing > 0:
            self._idle.extend(await asyncio.gather(*(self._open() for _ in range(missing))))

    async def request(
        self,
        method: str,
        path: str,
        body: bytes,
        listener: BodyListener,
        *,
        limits: Limits = _NO_LIMITS,
        stream: EndingStream | None = None,
        since_s: float | None = None,
    ) -> Response:
        """Send a request and wait for the end of its answer; body blocks go to ``listener(time_s, block)``.

        Args:
            stream: knows what of the body is more than a comment, and when its last event has come: the answer is
                complete then, though the server may keep the body open.
            since_s: when the total limit began; by default now.

        Raises:
            HttpError: no connection, no answer, one that stalls, is broken, too long or too large.
        """
        since_s = time.perf_counter() if since_s is None else since_s
        connection = await self._take()
        lingering: list[asyncio.TimerHandle] = []
        try:
            answer = connection.begin(self._head(method, path, body) + body, listener, limits.size_bytes)
            if stream is not None:
                stream.at_end = partial(self._linger, connection, stream, lingering)
            response = await _within(limits, connection, answer, stream, since_s)
        except BaseException:
            connection.give_up()
            raise
        finally:
            for timer in lingering:
                timer.cancel()
        if connection.usable:
            self._patience_s = _PATIENCE_S
            self._idle.append(connection)
        return response

    async def text(self, path: str) -> str | None:
        """GET a text; None where the server has none, or does not answer."""
        blocks: list[bytes] = []
        try:
            answer = await self.request("GET", path, b"", lambda _, block: blocks.append(block), limits=_PAGE_LIMITS)
        except HttpError:
            return None
        return b"".join(blocks).decode("utf-8", "replace") if answer.status == 200 else None

    def _linger(self, connection: Connection, stream: EndingStream, timers: list[asyncio.TimerHandle]) -> None:
        """After ``[DONE]`` the end of the body is waited for only a moment, so that the connection can be kept.

        A server that leaves bodies open costs that moment a few times: it halves with each of them. Usage that has
        not come yet may still come, and is waited for longer.
        """
        loop = asyncio.get_running_loop()

        def settle(*, last: bool) -> None:
            if not last and not stream.has_usage():
                timers.append(loop.call_later(_USAGE_PATIENCE_S, partial(settle, last=True)))
                return
            self._patience_s /= 2
            connection.settle()

        timers.append(loop.call_later(self._patience_s, partial(settle, last=False)))

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and not connection.has_news():
                return connection
            connection.close()
        return await self._open()

    async def _open(self) -> Connection:
        address = self.address
        context = tls_context(self.verify_tls) if address.tls else None
        opening = asyncio.get_running_loop().create_connection(Connection, address.host, address.port, ssl=context)
        try:
            _, connection = await _opened(self.connect_timeout_s, opening)
        except asyncio.TimeoutError as error:
            raise HttpError(
                f"{address.authority} did not accept a connection in {self.connect_timeout_s:g} s"
            ) from error
        except OSError as error:
            raise HttpError(f"no connection to {address.authority}: {error}") from error
        return connection

    def _head(self, method: str, path: str, body: bytes) -> bytes:
        lines = [f"{method} {self.address.target(path)} HTTP/1.1", f"Host: {self.address.authority}"]
        # Without this header a server may choose (RFC 9110, section 12.5.3); decompressing is not worth its time here.
        lines.append("Accept-Encoding: identity")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return ("\r\n".join([*lines, "", ""])).encode("latin-1")


async def _within(
    limits: Limits,
    connection: Connection,
    answer: asyncio.Future[Response],
    stream: EndingStream | None,
    since_s: float,
) -> Response:
    """One timer that looks again when it fires costs nothing per block.

    Raises:
        HttpError: the answer stalls, or does not end in time.
    """
    begun_s = connection.last_byte_s
    while True:
        now_s = time.perf_counter()
        progress_s = connection.last_byte_s if stream is None else max(begun_s, stream.progress_s())
        if now_s - progress_s >= limits.stall_s:
            what = "no event" if connection.last_byte_s > progress_s else "nothing"
            raise HttpError(f"{what} was received for {limits.stall_s:g} s")
        left_s = since_s + limits.total_s - now_s
        if left_s <= 0:
            raise HttpError(f"the answer had not ended after {limits.total_s:g} s")
        await asyncio.wait([answer], timeout=min(left_s, progress_s + limits.stall_s - now_s))
        if answer.done():
            return answer.result()


async def _opened(
    limit_s: float, opening: Coroutine[None, None, tuple[asyncio.Transport, Connection]]
) -> tuple[asyncio.Transport, Connection]:
    """``asyncio.wait_for``, which before Python 3.12 swallows a cancellation that arrives with the result.

    Raises:
        asyncio.TimeoutError: nothing came of it in time.
    """
    task = asyncio.ensure_future(opening)
    try:
        await asyncio.wait([task], timeout=limit_s)
        if task.done():
            return task.result()
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result()[1].close()
        raise
    finally:
        task.cancel()
    raise asyncio.TimeoutError


def tls_context(verify: bool) -> ssl.SSLContext:
    """Checks the server's certificate against the system's authorities, or nothing at all."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def json_body(value: object) -> bytes:
    """A request body; half of a UTF-16 pair, which UTF-8 does not have, is sent as an escape."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
