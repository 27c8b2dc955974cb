"""Asking a server what it is, before any request is measured."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

from attrs import field, frozen

from ai_energy_benchmarks.backends.http_client import json_body, tls_context
from ai_energy_benchmarks.domain.address import Address
from ai_energy_benchmarks.errors import BackendError

_TIMEOUT_S = 10.0


@frozen
class Server:
    """Whom to ask, and how.

    Attributes:
        headers: sent with every question; may hold a secret, so they are never shown.
    """

    address: Address
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    verify_tls: bool = True


def probe(server: Server, path: str) -> tuple[int, dict[str, object]]:
    """GET a small JSON document: its status and content, empty where the server has no such document.

    Raises:
        BackendError: nobody answers.
    """
    try:
        return 200, _document(_ask(server, path))
    except urllib.error.HTTPError as error:
        return error.code, {}
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise BackendError(
            f"no server answers at {server.address.authority}: {reason}",
            remedy="start it, or correct backend.endpoint",
        ) from error


def fetch_text(server: Server, path: str) -> str | None:
    """GET a text; None where the server has none, or no longer answers."""
    try:
        return _ask(server, path).decode("utf-8", "replace")
    except OSError:
        return None


def post(server: Server, path: str, body: Mapping[str, object]) -> dict[str, object] | None:
    """POST a JSON document and return the one that comes back; None where the server refuses, or does not answer."""
    try:
        return _document(_ask(server, path, json_body(body)))
    except OSError:
        return None


def _document(content: bytes) -> dict[str, object]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _ask(server: Server, path: str, body: bytes | None = None) -> bytes:
    address = server.address
    url = f"{'https' if address.tls else 'http'}://{address.authority}{address.path}{path}"
    headers = {**server.headers, **({"Content-Type": "application/json"} if body is not None else {})}
    context = tls_context(server.verify_tls) if address.tls else None
    wanted = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(wanted, timeout=_TIMEOUT_S, context=context) as answer:
        content: bytes = answer.read()
        return content


def _entries(models: dict[str, object]) -> list[dict[str, object]]:
    listed = models.get("data")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def model_names(models: dict[str, object]) -> list[str]:
    """Names in the answer of ``/v1/models``; empty where a server does not list them."""
    return [name for name in (each.get("id") for each in _entries(models)) if isinstance(name, str)]


def context_tokens(models: dict[str, object], model: str) -> int | None:
    """The context length that vLLM tells with its models; None elsewhere."""
    for each in _entries(models):
        length = each.get("max_model_len")
        if each.get("id") == model and isinstance(length, int):
            return length
    return None


@frozen
class Introduction:
    """What a server tells of itself; None where it does not."""

    version: str | None
    context_tokens: int | None


def introduction(server: Server, model: str, key_variable: str) -> Introduction:
    """Make sure that the server answers and has the model.

    Raises:
        BackendError: nobody answers, the key is refused, or the model is not served.
    """
    where = server.address.authority
    status, models = probe(server, "/v1/models")
    if status in (401, 403):
        raise BackendError(
            f"{where} refuses the key (status {status})",
            remedy=f"put the server's key into the environment variable {key_variable}",
        )
    names = model_names(models)
    if names and model not in names:
        raise BackendError(
            f"{where} does not serve model {model!r}; it serves {', '.join(names)}",
            remedy="set backend.model to one of these",
        )
    version = probe(server, "/version")[1].get("version")
    return Introduction(version if isinstance(version, str) else None, context_tokens(models, model))
