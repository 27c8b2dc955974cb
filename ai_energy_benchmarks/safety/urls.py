"""Addresses as they may be shown: without user, password and the secrets of their query."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode, urlsplit, urlunsplit

from ai_energy_benchmarks.safety.keys import LOOKS_SECRET, is_secret_in_query

HIDDEN = "***"
_BEGIN = re.compile(r"^\w[\w+.-]*://")


def hidden(url: str) -> str:
    """An address as it may be shown and written: ``***`` instead of user, password, secrets in its query and keys."""
    return LOOKS_SECRET.sub(HIDDEN, _without_login(url))


def _without_login(url: str) -> str:
    try:
        parts = urlsplit(url)
        whole = parts.hostname is not None and (parts.port is None or parts.port >= 0)
    except ValueError:
        whole = False
    if not whole:  # a password with a slash, for instance: everything up to the last @ may be one
        return re.sub(r"^(\w+://)?.*@", rf"\1{HIDDEN}@", url, flags=re.DOTALL)
    user, _, host = parts.netloc.rpartition("@")
    query = parts.query
    if is_secret_in_query(query):
        pairs = parse_qsl(query, keep_blank_values=True)
        shown = [(name, HIDDEN if is_secret_in_query(name) else value) for name, value in pairs]
        query = urlencode(shown, safe="*/:", quote_via=quote)
    if not user and query == parts.query:
        return url
    return urlunsplit(parts._replace(netloc=f"{HIDDEN}@{host}" if user else host, query=query))


def secret_parts(text: str) -> tuple[str, ...]:
    """What of an address is secret, as it stands there: user and password, values of the query."""
    if not _BEGIN.match(text):
        return ()
    rest = _BEGIN.sub("", text, count=1)
    before_path = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password may hold a slash; then everything up to the last @ may be one.
    login = before_path.rpartition("@")[0] or (rest.rpartition("@")[0] if "@" in rest.partition("?")[0] else "")
    query = rest.partition("?")[2].partition("#")[0]
    pairs = (pair.partition("=") for pair in re.split("[&;]", query))
    values = [value for name, _, value in pairs if value and is_secret_in_query(name)]
    return tuple(filter(None, (login, *values)))


def spellings(part: str) -> tuple[str, ...]:
    """The forms in which a secret part of an address may come back: as written, decoded, and the password alone."""
    login = unquote(part)
    return tuple(dict.fromkeys((part, login, unquote_plus(part), login.partition(":")[2])))
