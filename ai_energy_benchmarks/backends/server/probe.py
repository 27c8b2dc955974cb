"""Asking a server what it is, before any request is measured."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from threading import Event, Timer

from attrs import field, frozen

from ai_energy_benchmarks.backends.server.api_key import ApiKey
from ai_energy_benchmarks.backends.server.http_client import json_body, tls_context
from ai_energy_benchmarks.backends.server.json_text import LARGEST_COUNT_TOKENS, json_object, token_count
from ai_energy_benchmarks.domain.address import Address
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.safety.printable import one_line
from ai_energy_benchmarks.safety.secrets import clipped

# Of an entry in /v1/models: vLLM and SGLang, OpenRouter and its like, Groq, LM Studio.
_CONTEXTS = ("max_model_len", "context_length", "context_window", "max_context_length")
_SILENCE_S, _ANSWER_S = 10.0, 30.0
_BLOCK_BYTES = 2**16
_LARGEST_ANSWER_BYTES = 32 * 2**20  # a list of 300,000 models has 12 MB
_LONGEST_NAME, _MOST_NAMES = 200, 50  # of what a server reports about itself, in messages
_REFUSED = 300  # redirects are not followed, as with the measured requests


class _UnusableError(HTTPException):
    """An answer that goes on and on."""


@frozen
class Server:
    """Whom to ask, and how.

    Attributes:
        headers: sent with every question; may hold a secret, so they are never shown.
    """

    address: Address
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    verify_tls: bool = True
    connect_timeout_s: float = 10.0


def probe(server: Server, path: str) -> tuple[int, dict[str, object]]:
    """GET a small JSON document: its status and content, empty where the server has no such document.

    Raises:
        BackendError: no server answers.
    """
    try:
        status, content = _ask(server, path)
    except _UnusableError as error:
        raise BackendError(
            f"{server.address.authority}{server.address.path}{path} cannot be read: {error}",
            remedy="check that backend.endpoint is that of a model server",
        ) from error
    except (OSError, HTTPException) as error:
        raise BackendError(
            f"no server answers at {server.address.authority}: {error}",
            remedy="start it, or correct backend.endpoint",
        ) from error
    return status, json_object(content) if status < _REFUSED else {}


def fetch_text(server: Server, path: str) -> str | None:
    """GET a text; None where the server has none, or no longer answers."""
    content = _content(server, path)
    return None if content is None else content.decode("utf-8", "replace")


def post(server: Server, path: str, body: Mapping[str, object]) -> dict[str, object] | None:
    """POST a JSON document and return the one that comes back; None where the server refuses, or does not answer."""
    content = _content(server, path, json_body(body))
    return None if content is None else json_object(content)


def _content(server: Server, path: str, body: bytes | None = None) -> bytes | None:
    try:
        status, content = _ask(server, path, body)
    except (OSError, HTTPException):
        return None
    return content if status < _REFUSED else None


def _ask(server: Server, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and content of one answer; straight to the server, as the measured requests go, past any proxy."""
    address = server.address
    connection = HTTPConnection(address.host, address.port, timeout=server.connect_timeout_s)
    if address.tls:
        context = tls_context(server.verify_tls)
        connection = HTTPSConnection(address.host, address.port, timeout=server.connect_timeout_s, context=context)
    with closing(connection):
        connection.connect()
        connection.sock.settimeout(_SILENCE_S)
        with _hung_up_after(_ANSWER_S, connection.sock):
            headers = {**server.headers, **({"Content-Type": "application/json"} if body is not None else {})}
            connection.request("GET" if body is None else "POST", address.target(path), body, headers)
            answer = connection.getresponse()
            return answer.status, _read(answer)


def _read(answer: HTTPResponse) -> bytes:
    """The body, up to a limit: ``read`` itself would go on for as long as a server sends."""
    content = bytearray()
    while block := answer.read1(_BLOCK_BYTES):
        content += block
        if len(content) > _LARGEST_ANSWER_BYTES:
            raise _UnusableError(f"the answer is larger than {_LARGEST_ANSWER_BYTES:,} bytes")
    if answer.length:
        raise IncompleteRead(bytes(content), answer.length)
    return bytes(content)


@contextmanager
def _hung_up_after(limit_s: float, connected: socket.socket) -> Iterator[None]:
    """End the connection after ``limit_s``: a server that sends a byte now and then never runs into a timeout."""
    expired = Event()

    def hang_up() -> None:
        expired.set()
        with suppress(OSError):  # it has ended already
            socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not that of TLS, which would wait for the server

    timer = Timer(limit_s, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException) as error:
        if expired.is_set():
            raise _UnusableError(f"the answer had not ended after {limit_s:g} s") from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():  # what has come looks complete where only the end of the connection ends it
        raise _UnusableError(f"the answer had not ended after {limit_s:g} s")


def _entries(models: dict[str, object]) -> list[dict[str, object]]:
    listed = models.get("data")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def model_names(models: dict[str, object]) -> list[str]:
    """Names in the answer of ``/v1/models``; empty where a server does not list them."""
    return [name for name in (each.get("id") for each in _entries(models)) if isinstance(name, str)]


def context_tokens(models: dict[str, object], model: str) -> int | None:
    """The context length that a server reports with its models, under the name that it has for it; None elsewhere."""
    for each in _entries(models):
        if each.get("id") == model:
            return next((length for key in _CONTEXTS if (length := _positive(each.get(key))) is not None), None)
    return None


def slot_tokens(properties: dict[str, object]) -> int | None:
    """The context of one request in llama.cpp's ``/props``; None for another server."""
    settings = properties.get("default_generation_settings")
    return _positive(settings.get("n_ctx")) if isinstance(settings, dict) else None


def _positive(value: object) -> int | None:
    count = token_count(value)
    return count if count and count <= LARGEST_COUNT_TOKENS else None


@frozen
class Introduction:
    """What a server reports about itself; None where it does not."""

    version: str | None
    context_tokens: int | None


def introduction(server: Server, model: str, key: ApiKey) -> Introduction:
    """Make sure that the server answers and has the model.

    Raises:
        BackendError: no server answers, the key is refused, or the model is not served.
    """
    where = server.address.authority
    status, models = probe(server, "/v1/models")
    if status in (401, 403):
        raise BackendError(
            f"{where} refuses the key (status {status})",
            remedy=key.wanted(),
        )
    names = model_names(models)
    if names and model not in names:
        raise BackendError(
            f"{where} does not serve model {model!r}; it serves {_listed(names)}",
            remedy="set backend.model to one of these",
        )
    version = probe(server, "/version")[1].get("version")
    context = context_tokens(models, model)
    if context is None:
        context = slot_tokens(probe(server, "/props")[1])
    return Introduction(one_line(clipped(version, _LONGEST_NAME)) if isinstance(version, str) else None, context)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(one_line(clipped(name, _LONGEST_NAME)) for name in names[:_MOST_NAMES]) + more
