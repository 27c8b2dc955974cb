"""A small HTTP/1.1 client on asyncio: keep-alive connections, and the time at which every byte arrived.

General clients spend more on a streamed chunk than a fast server spends on a token, and so distort what they
measure.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Coroutine
from types import TracebackType

from attrs import define, field

from ai_energy_benchmarks.backends.http_connection import BodyListener, Connection, HttpError, Response
from ai_energy_benchmarks.domain.address import Address


@define
class HttpClient:
    """Connections to one server, opened as needed and kept.

    Attributes:
        connect_timeout_s: most time for a connection to open.
        stall_timeout_s: most time between two received blocks, the first included.
        headers: sent with every request; may hold a secret, so it is never shown.
    """

    address: Address
    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 600.0
    verify_tls: bool = True
    headers: dict[str, str] = field(factory=dict, repr=False)
    _idle: list[Connection] = field(factory=list, init=False)

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

    async def request(self, method: str, path: str, body: bytes, listener: BodyListener) -> Response:
        """Send a request and wait for the end of its answer; body blocks go to ``listener(time_s, block)``.

        Raises:
            HttpError: no connection, no answer, a stalled or a broken one.
        """
        connection = await self._take()
        try:
            answer = connection.begin(self._head(method, path, body) + body, listener)
            response = await self._within_stall_limit(connection, answer)
        except BaseException:
            connection.give_up()
            raise
        if connection.usable:
            self._idle.append(connection)
        return response

    async def text(self, path: str) -> str | None:
        """GET a text; None where the server has none, or does not answer."""
        blocks: list[bytes] = []
        try:
            answer = await self.request("GET", path, b"", lambda _, block: blocks.append(block))
        except HttpError:
            return None
        return b"".join(blocks).decode("utf-8", "replace") if answer.status == 200 else None

    async def _within_stall_limit(self, connection: Connection, answer: asyncio.Future[Response]) -> Response:
        """One timer that looks again when it fires costs nothing per block."""
        while True:
            quiet_s = time.perf_counter() - connection.last_byte_s
            left_s = self.stall_timeout_s - quiet_s
            if left_s <= 0:
                raise HttpError(f"nothing was received for {self.stall_timeout_s:g} s")
            await asyncio.wait([answer], timeout=left_s)
            if answer.done():
                return answer.result()

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
            _, connection = await _within(self.connect_timeout_s, opening)
        except asyncio.TimeoutError as error:
            raise HttpError(
                f"{address.authority} did not accept a connection in {self.connect_timeout_s:g} s"
            ) from error
        except OSError as error:
            raise HttpError(f"no connection to {address.authority}: {error}") from error
        return connection

    def _head(self, method: str, path: str, body: bytes) -> bytes:
        lines = [f"{method} {self.address.target(path)} HTTP/1.1", f"Host: {self.address.authority}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return ("\r\n".join([*lines, "", ""])).encode("latin-1")


async def _within(
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
    """A request body."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
