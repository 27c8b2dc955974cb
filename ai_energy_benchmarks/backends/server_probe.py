"""Asking a server what it is, before any request is measured."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

from ai_energy_benchmarks.backends.http_client import tls_context
from ai_energy_benchmarks.domain.address import Address
from ai_energy_benchmarks.errors import BackendError

_TIMEOUT_S = 10.0


def probe(address: Address, path: str, headers: Mapping[str, str], verify_tls: bool) -> tuple[int, dict[str, object]]:
    """GET a small JSON document: its status and content, empty where the server has no such document.

    Raises:
        BackendError: nobody answers.
    """
    try:
        document = json.loads(_get(address, path, headers, verify_tls) or b"{}")
        return 200, document if isinstance(document, dict) else {}
    except urllib.error.HTTPError as error:
        return error.code, {}
    except ValueError:
        return 200, {}
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise BackendError(
            f"no server answers at {address.authority}: {reason}",
            remedy="start it, or correct backend.endpoint",
        ) from error


def fetch_text(address: Address, path: str, headers: Mapping[str, str], verify_tls: bool) -> str | None:
    """GET a text; None where the server has none, or no longer answers."""
    try:
        return _get(address, path, headers, verify_tls).decode("utf-8", "replace")
    except OSError:
        return None


def _get(address: Address, path: str, headers: Mapping[str, str], verify_tls: bool) -> bytes:
    scheme = "https" if address.tls else "http"
    wanted = urllib.request.Request(f"{scheme}://{address.authority}{address.path}{path}", headers=dict(headers))
    context = tls_context(verify_tls) if address.tls else None
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
