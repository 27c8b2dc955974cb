"""One HTTP/1.1 connection: a received block is stamped before anything is parsed.

Heads and chunks are parsed by httptools (llhttp, the parser of Node.js), which is as strict as RFC 9112. What it does
not limit is limited here: the bytes of an answer, and those that bring no part of a body. Against the parser in Python
that was here before, the client of ``scripts/perf/serving.py`` reads 1.66 times as many tokens of a flood per second of
CPU time, and as many at an exact pace.
"""

from __future__ import annotations

import asyncio
import math
import select
import time
from collections.abc import Callable
from functools import partial

import httptools
from attrs import define, field

from ai_energy_benchmarks.safety.secrets import clipped

_LARGEST_HEAD_BYTES = 64 * 1024
# Answers without a body, whatever their headers say (RFC 9110, section 6.4.1).
_BODILESS = (204, 304)
_SPACE_BYTES = 64 * 1024
_SHOWN_BYTES = 40

BodyListener = Callable[[float, bytes], None]


class HttpError(Exception):
    """A request that got no complete answer; the text says why."""


@define
class Response:
    """What came back. The body of a success goes to the listener as it arrives.

    Attributes:
        refusal: the body of an answer with status 400 or more; its beginning, if it is long.
    """

    status: int
    headers: dict[str, str] = field(factory=dict)
    refusal: bytes = b""


class Connection(asyncio.BufferedProtocol):
    """One connection with at most one request in flight.

    It receives into a buffer of its own: asyncio would otherwise take 256 KiB from the system for every block and
    give them back, which costs more than reading the block.
    """

    def __init__(self) -> None:
        # A view, because asyncio's TLS fills it in slices, and a slice of a bytearray would be a copy.
        self._space = memoryview(bytearray(_SPACE_BYTES))
        self.transport: asyncio.Transport | None = None
        self.last_byte_s = 0.0
        self._reset(None, None, math.inf)

    def _reset(self, listener: BodyListener | None, done: asyncio.Future[Response] | None, size_bytes: float) -> None:
        self._listener, self._done = listener, done
        self._allowed_bytes = self._size_bytes = size_bytes  # still allowed, and in all
        self._response: Response | None = None
        self._parser = None if done is None else httptools.HttpResponseParser(self)
        self._first = b""  # bytes of the answer's beginning, for the message about what is not HTTP
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._barren_bytes = 0  # received since the last part of a body
        self._complete = False

    def begin(
        self, head_and_body: bytes, listener: BodyListener, size_bytes: float = math.inf
    ) -> asyncio.Future[Response]:
        """Send a request; the future ends with the last byte of its answer, which may have ``size_bytes`` at most."""
        assert self.transport is not None
        done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._reset(listener, done, size_bytes)
        self.last_byte_s = time.perf_counter()
        self.transport.write(head_and_body)
        return done

    @property
    def usable(self) -> bool:
        """Whether another request can be sent."""
        return self.transport is not None and not self.transport.is_closing()

    def has_news(self) -> bool:
        """Whether bytes or the end wait to be read, though no answer is due: the server has given it up.

        The event loop may not have come to see that, where other work has held it since.
        """
        assert self.transport is not None
        socket = self.transport.get_extra_info("socket")
        if not hasattr(select, "poll"):
            return bool(select.select([socket], [], [], 0)[0])
        waiting = select.poll()  # select() knows no file above 1,023
        waiting.register(socket, select.POLLIN)
        return bool(waiting.poll(0))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            if self._response is not None and error is None and _ends_with_the_connection(self._response):
                self._done.set_result(self._response)
            else:
                where = "before it answered" if self._response is None else "in the middle of its answer"
                self._done.set_exception(HttpError(f"the server closed the connection {where}"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        now_s = self.last_byte_s = time.perf_counter()
        if self._done is None or self._done.done():
            return
        self._allowed_bytes -= nbytes
        if self._allowed_bytes < 0:
            self._fail(f"the answer is larger than {self._size_bytes:,.0f} bytes")
            return
        block = self._space[:nbytes]
        self._first = self._first or bytes(block[:_SHOWN_BYTES])
        try:
            self._parse(now_s, block)
        except ValueError as error:
            self._fail(f"the answer is not HTTP: {error}")

    def _parse(self, now_s: float, block: memoryview) -> None:
        """Read a block, and pass on the parts of the body in it as one.

        Raises:
            ValueError: it is not HTTP, or its headers or the lines between its chunks do not end.
        """
        assert self._parser is not None
        problem: str | None = None
        try:
            self._parser.feed_data(block)
        except httptools.HttpParserUpgrade:
            problem = "it switches to another protocol"
        except httptools.HttpParserError as error:
            problem = f"{error} (it begins with {clipped(self._first.decode('latin-1'), 40)!r})"
        self._pass_on(now_s, len(block))
        if self._complete:
            self._finish()
        elif problem is not None:
            raise ValueError(problem)
        elif self._barren_bytes > _LARGEST_HEAD_BYTES:
            headers = "its headers do" if self._response is None else "a line between its chunks does"
            raise ValueError(f"{headers} not end")

    # Called by httptools while it is fed.

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response is None:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        # Interim answers, such as 100 Continue and 103 Early Hints (RFC 9110, section 15.2), are passed over.
        if status >= 200 and self._response is None:
            self._response = response = Response(status, self._headers)
            if status >= 400:
                self._listener = partial(_keep_refusal, response)
        self._headers = {}

    def on_body(self, part: bytes) -> None:
        if not self._complete:
            self._pieces.append(part)

    def on_message_complete(self) -> None:
        self._complete = self._response is not None
        if not self._complete:  # an interim answer has come to its end
            self._barren_bytes = 0

    def _pass_on(self, now_s: float, size_bytes: int) -> None:
        assert self._listener is not None
        pieces = self._pieces
        if not pieces:
            self._barren_bytes += size_bytes
            return
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces, self._barren_bytes = [], size_bytes - len(body)
        self._listener(now_s, body)

    def _finish(self) -> None:
        assert self._done is not None
        assert self._response is not None
        self._parser = None  # it holds this connection's methods
        self._done.set_result(self._response)
        if self._response.headers.get("connection", "").lower() == "close":
            self.close()

    def _fail(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(HttpError(reason))
        self.close()

    def settle(self) -> None:
        """Take the answer as complete though the server has not ended its body; the connection is of no more use."""
        if self._done is not None and not self._done.done() and self._response is not None:
            self._done.set_result(self._response)
        self.close()

    def give_up(self) -> None:
        """Close, when no request waits for an answer any more."""
        if self._done is not None:
            self._done.cancel()
        self.close()

    def close(self) -> None:
        """Close without waiting."""
        if self.transport is not None:
            self.transport.abort()


def _ends_with_the_connection(response: Response) -> bool:
    """Whether only its end shows where the body ends (RFC 9112, section 6.3)."""
    framed = response.headers.keys() & {"content-length", "transfer-encoding"}
    return not framed and response.status not in _BODILESS


def _keep_refusal(response: Response, _: float, block: bytes) -> None:
    response.refusal = (response.refusal + block)[:_LARGEST_HEAD_BYTES]
