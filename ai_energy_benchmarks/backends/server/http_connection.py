"""One HTTP/1.1 connection: a received block is stamped before anything is parsed.

Chunk framing is cut by hand (RFC 9112 §7.1), since a general parser costs more than a fast server's token.
"""

from __future__ import annotations

import asyncio
import math
import re
import select
import time
from collections.abc import Callable
from functools import partial

from attrs import define, field

from ai_energy_benchmarks.safety.secrets import clipped

_HEAD_END = b"\r\n\r\n"
_LARGEST_HEAD_BYTES = 64 * 1024
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r]")
_SPACE_BYTES = 64 * 1024

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
    """One connection with at most one request on its way.

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
        self._buffer = b""
        self._chunked = False
        self._left = 0  # bytes left in the body or the current chunk; -1: until the server closes
        self._trailer = False

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
            if self._response is not None and self._left < 0 and error is None:
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
        data = bytes(self._space[:nbytes])
        self._allowed_bytes -= nbytes
        if self._allowed_bytes < 0:
            self._fail(f"the answer is larger than {self._size_bytes:,.0f} bytes")
            return
        try:
            body = self._read_head(data) if self._response is None else data
            if body is not None and not self._done.done():
                self._read_body(now_s, body)
        except ValueError as error:
            self._fail(f"the answer is not HTTP: {error}")

    def _read_head(self, data: bytes) -> bytes | None:
        """Parse status and headers; returns what follows them, None while they are not whole.

        Interim answers before it, such as 100 Continue and 103 Early Hints (RFC 9110 §15.2), are passed over.
        """
        self._buffer += data
        start, end = 0, self._buffer.find(_HEAD_END)
        while end >= 0 and _INTERIM.match(self._buffer, start):
            start = end + len(_HEAD_END)
            end = self._buffer.find(_HEAD_END, start)
        if start:
            self._buffer = self._buffer[start:]
            end -= start
        if end < 0:
            if len(self._buffer) > _LARGEST_HEAD_BYTES:
                raise ValueError("its headers do not end")
            return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        rest, self._buffer = self._buffer[end + 4 :], b""
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        version, _, status = lines[0].partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(f"it begins with {clipped(lines[0], 40)!r}")
        self._response = response = Response(int(status[:3]), headers)
        if response.status >= 400:
            self._listener = partial(_keep_refusal, response)
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        self._left = 0 if self._chunked else -1 if length is None else int(length)
        if length is not None and self._left < 0:
            raise ValueError(f"a body of {clipped(length, 40)} bytes")
        if not self._chunked and self._left == 0:
            self._finish()
        return rest

    def _read_body(self, now_s: float, data: bytes) -> None:
        assert self._listener is not None
        if self._chunked:
            self._read_chunks(now_s, data)
        elif self._left < 0:
            self._listener(now_s, data)
        else:
            if data:
                self._listener(now_s, data[: self._left])
            self._left -= min(len(data), self._left)
            if self._left == 0:
                self._finish()

    def _read_chunks(self, now_s: float, data: bytes) -> None:
        """Cut the framing away and pass on what is inside, however the network has split it."""
        assert self._listener is not None
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        position, size = 0, len(data)
        pieces = []
        while position < size:
            if self._left:
                piece = data[position : position + self._left]
                self._left -= len(piece)
                position += len(piece)
                pieces.append(piece)
                continue
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                self._buffer = data[position:]
                if len(self._buffer) > _LARGEST_HEAD_BYTES:
                    raise ValueError("a line between its chunks does not end")
                break
            line = data[position:line_end]
            position = line_end + 2
            if self._trailer:
                if not line:
                    self._pass_on(now_s, pieces)
                    self._finish()
                    return
            elif line:  # the empty line is the end of the chunk before
                length = int(line.partition(b";")[0], 16)
                if length < 0:
                    raise ValueError(f"a chunk of {length} bytes")
                end = position + length
                if length and end <= size:  # whole, as nearly all are: worth a way of its own
                    pieces.append(data[position:end])
                    position = end
                else:
                    self._left, self._trailer = length, length == 0
        self._pass_on(now_s, pieces)

    def _pass_on(self, now_s: float, pieces: list[bytes]) -> None:
        assert self._listener is not None
        if pieces:
            self._listener(now_s, pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _finish(self) -> None:
        assert self._done is not None
        assert self._response is not None
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
        """Close, with nobody left who waits for an answer."""
        if self._done is not None:
            self._done.cancel()
        self.close()

    def close(self) -> None:
        """Close without waiting."""
        if self.transport is not None:
            self.transport.abort()


def _keep_refusal(response: Response, _: float, block: bytes) -> None:
    response.refusal = (response.refusal + block)[:_LARGEST_HEAD_BYTES]
