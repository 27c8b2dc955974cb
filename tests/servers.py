"""Real HTTP servers on loopback whose every byte is scripted, for what well-behaved servers never send."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

Answer = Callable[["Exchange"], Awaitable[None]]


@define
class Exchange:
    """One request as it came, and the means to answer it byte by byte."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, object]
    writer: asyncio.StreamWriter

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *headers, "", ""]
        await self.raw("\r\n".join(lines).encode())

    async def begin_stream(self) -> None:
        await self.head(200, "Transfer-Encoding: chunked", "Content-Type: text/event-stream")

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, document: object) -> None:
        await self.chunk(event(document))

    async def end_stream(self, *, done: bool = True) -> None:
        if done:
            await self.chunk(b"data: [DONE]\n\n")
        await self.raw(b"0\r\n\r\n")

    async def document(self, document: object, status: int = 200, *headers: str) -> None:
        body = json.dumps(document).encode()
        await self.head(status, f"Content-Length: {len(body)}", *headers)
        await self.raw(body)


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def delta(**fields: object) -> dict[str, object]:
    """A chat chunk with this delta; ``finish_reason`` may be among the fields."""
    reason = fields.pop("finish_reason", None)
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


def usage(prompt: int, output: float, **more: object) -> dict[str, object]:
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": output, **more}}


@define
class ScriptedServer:
    """Answers ``POST`` with ``answer``, lists its models, and has the texts of ``pages`` under their paths."""

    answer: Answer
    model: str = "scripted"
    pages: dict[str, Callable[[], str]] = field(factory=dict)
    seen: list[Exchange] = field(factory=list)
    port: int = 0
    context_tokens: int | None = 512
    further_models: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                exchange = Exchange(method, path, headers, json.loads(body) if body else {}, writer)
                self.seen.append(exchange)
                if method == "POST":
                    await self.answer(exchange)
                elif path.endswith("/models"):
                    names = (self.model, *self.further_models)
                    models = [{"id": name, "max_model_len": self.context_tokens} for name in names]
                    await exchange.document({"data": models})
                elif path in self.pages:
                    page = self.pages[path]().encode()
                    await exchange.head(200, f"Content-Length: {len(page)}", "Content-Type: text/plain")
                    await exchange.raw(page)
                else:
                    await exchange.document({}, 404)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has left, or the test is over
        finally:
            writer.close()


@contextmanager
def running(answer: Answer, model: str = "scripted", *, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """The server in a thread of its own, gone at the end."""
    server = ScriptedServer(answer, model)
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def main() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listening.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
