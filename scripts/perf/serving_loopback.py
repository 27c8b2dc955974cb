"""A streaming server on loopback whose timing is known: it floods, or keeps an exact pace.

    python scripts/perf/serving_loopback.py [--core N]

Prints its port and serves until its standard input closes. ``/flood`` streams as fast as the reader reads; ``/paced``
sends the first token 50 ms after the request has come and one more every 10 ms, each at its absolute time.
``GET /log`` empties the log: JSON with the peak of streams at once and, for each that has ended, the number in its
prompt (``Request 7``), when it came, when its first and its last token left, and how late the worst of its tokens was.

It is a loop of its own over a selector: asyncio rounds its timers up to a millisecond.
"""

from __future__ import annotations

import argparse
import heapq
import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Iterator

from attrs import define, field
from quiet import settle

FIRST_TOKEN_S = 0.050
GAP_S = 0.010
_BLOCK_BYTES = 16 * 1024
_SPIN_S = 0.002
_SENDS_IN_A_ROW = 16

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_MAX_TOKENS = re.compile(rb'"max_tokens":\s*(\d+)')
_NUMBER = re.compile(rb"Request (\d+)")
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_MODEL = "loopback/model-of-no-size"


def chunk(content: bytes) -> bytes:
    """One HTTP chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%s\r\n" % (len(content), content)


def _event(choices: list[object], usage: dict[str, int] | None = None) -> bytes:
    document: dict[str, object] = {
        "id": "chatcmpl-0123456789abcdef0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": _MODEL,
        "choices": choices,
    }
    if usage is not None:
        document["usage"] = usage
    return chunk(b"data: " + json.dumps(document).encode() + b"\n\n")


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> list[object]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason, "token_ids": None}]


_ROLE = _event(_choice({"role": "assistant", "content": ""}))
_TOKEN = _event(_choice({"content": " token"}))


def _end(tokens: int) -> bytes:
    usage = {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": tokens + 8}
    return _event(_choice({}, "length")) + _event([], usage) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


@define(eq=False)
class Stream:
    """One connection and the answer that it is in the middle of."""

    connection: socket.socket
    received: bytes = b""
    unsent: memoryview = field(factory=lambda: memoryview(b""))
    number: int = 0
    began_s: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0
    tokens: int = 0
    late_s: float = 0.0

    def pieces(self) -> Iterator[tuple[float, bytes]]:
        """When each token is due, and its bytes; the role comes before the first, the rest with the last."""
        for number in range(self.tokens):
            last = _end(self.tokens) if number == self.tokens - 1 else b""
            yield self.began_s + FIRST_TOKEN_S + number * GAP_S, _TOKEN + last


@define
class Log:
    """What the server saw since it was last asked."""

    peak: int = 0
    streams: list[tuple[int, float, float, float, float]] = field(factory=list)


@define
class Loopback:
    """The server."""

    listening: socket.socket
    _selector: selectors.BaseSelector = field(factory=selectors.DefaultSelector)
    _due: list[tuple[float, int, Stream, Iterator[tuple[float, bytes]], bytes]] = field(factory=list)
    _log: Log = field(factory=Log)
    _open: int = 0
    _order: int = 0
    _whole: dict[int, bytes] = field(factory=dict)

    def run(self) -> None:
        """Serve until standard input closes."""
        self._selector.register(self.listening, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            wait_s = None
            if self._due:
                wait_s = max(0.0, self._due[0][0] - time.perf_counter() - _SPIN_S)
            for key, events in self._selector.select(wait_s):
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self.listening:
                    self._accept()
                elif events & selectors.EVENT_READ:
                    self._read(key.data)
                elif events & selectors.EVENT_WRITE:
                    self._write(key.data)
            self._send_what_is_due()

    def _accept(self) -> None:
        connection, _ = self.listening.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, Stream(connection))

    def _read(self, stream: Stream) -> None:
        try:
            data = stream.connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(stream.connection)
            stream.connection.close()
            return
        stream.received += data
        head, found, body = stream.received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or (length and len(body) < int(length[1])):
            return
        stream.received = b""
        self._answer(stream, head.split(b" ", 2)[1], body)

    def _answer(self, stream: Stream, path: bytes, body: bytes) -> None:
        if path == b"/log":
            self._document(stream, {"peak": self._log.peak, "streams": self._log.streams})
            self._log = Log(self._open)
        elif path.endswith(b"/models"):
            self._document(stream, {"data": [{"id": _MODEL}]})
        elif not body:
            stream.connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        else:
            self._begin(stream, body, flood=path.startswith(b"/flood"))

    def _document(self, stream: Stream, document: object) -> None:
        body = json.dumps(document).encode()
        stream.connection.setblocking(True)
        stream.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        stream.connection.setblocking(False)

    def _begin(self, stream: Stream, body: bytes, *, flood: bool) -> None:
        asked = _MAX_TOKENS.search(body)
        number = _NUMBER.search(body)
        stream.number = int(number[1]) if number else -1
        stream.tokens = int(asked[1]) if asked else 1
        stream.began_s, stream.first_s, stream.late_s = time.perf_counter(), 0.0, 0.0
        self._open += 1
        self._log.peak = max(self._log.peak, self._open)
        if flood:
            whole = self._whole.get(stream.tokens)
            if whole is None:
                whole = self._whole[stream.tokens] = _HEAD + _ROLE + _TOKEN * stream.tokens + _end(stream.tokens)
            stream.unsent = memoryview(whole)
            self._write(stream)
        else:
            stream.connection.send(_HEAD + _ROLE)
            self._schedule(stream, stream.pieces())

    def _schedule(self, stream: Stream, pieces: Iterator[tuple[float, bytes]]) -> None:
        following = next(pieces, None)
        if following is None:
            self._ended(stream)
            return
        self._order += 1  # streams have no order of their own
        heapq.heappush(self._due, (following[0], self._order, stream, pieces, following[1]))

    def _send_what_is_due(self) -> None:
        for _ in range(_SENDS_IN_A_ROW):  # then whoever has asked meanwhile is heard
            if not self._due or self._due[0][0] > (now_s := time.perf_counter()):
                return
            due_s, _, stream, pieces, piece = heapq.heappop(self._due)
            stream.late_s = max(stream.late_s, now_s - due_s)
            stream.first_s, stream.last_s = stream.first_s or now_s, now_s
            try:
                stream.connection.send(piece)
            except OSError:
                self._ended(stream)
                continue
            self._schedule(stream, pieces)

    def _write(self, stream: Stream) -> None:
        """Send a block of a flood; the selector says when there is room for the next."""
        try:
            sent = stream.connection.send(stream.unsent[:_BLOCK_BYTES])
        except BlockingIOError:
            sent = 0
        except OSError:  # the client has left
            sent = len(stream.unsent)
        stream.unsent = stream.unsent[sent:]
        wanted = selectors.EVENT_READ
        if len(stream.unsent):
            wanted |= selectors.EVENT_WRITE
        else:
            self._ended(stream)
        if self._selector.get_key(stream.connection).events != wanted:
            self._selector.modify(stream.connection, wanted, stream)

    def _ended(self, stream: Stream) -> None:
        self._open -= 1
        self._log.streams.append((stream.number, stream.began_s, stream.first_s, stream.last_s, stream.late_s))


def main() -> int:
    """Listen, say where, serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, help="run on this core only")
    arguments = parser.parse_args()
    settle(arguments.core)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        Loopback(listening).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
