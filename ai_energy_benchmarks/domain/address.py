"""Where a server listens."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from attrs import field, frozen

from ai_energy_benchmarks.safety.urls import hidden

# ``.localhost`` and everything below it is this machine (RFC 6761 §6.3); the others are lines of usual /etc/hosts.
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
# What people paste: the address of a call instead of that of the server.
_CALLS: dict[str, Literal["chat", "completions"] | None] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/models": None,
}
# What a path or a query may have (RFC 3986 §3.3), and what is percent-encoded already.
_SENT_AS_IS = "/%:@!$&'()*+,;=?-._~"


@frozen
class Address:
    """Where a server listens.

    Attributes:
        path: prefix of every path, without a slash at its end.
        query: sent behind every path, without its question mark.
        credentials: ``user:password`` for Basic authentication (RFC 7617); never shown.
    """

    host: str
    port: int
    tls: bool
    path: str
    query: str = field(default="", repr=False)
    credentials: str | None = field(default=None, repr=False)

    @property
    def local(self) -> bool:
        """Whether the name surely means this machine."""
        name = self.host.lower().rstrip(".")
        if name in _LOCAL_NAMES or name.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        # Connecting to the unspecified address reaches this machine (Linux, ip(7)).
        return (mapped or address).is_loopback or (mapped or address).is_unspecified

    @property
    def authority(self) -> str:
        """Host and port as the ``Host`` header and messages have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def target(self, path: str) -> str:
        """What the first line of a request for that path names."""
        return f"{self.path}{path}{'?' if self.query else ''}{self.query}"


def parse_address(url: str) -> Address:
    """Split the base URL of a server; the port defaults to the scheme's.

    ``/v1`` at its end and the path of a call, such as ``/v1/chat/completions``, are understood and taken off.

    Raises:
        ValueError: no http or https URL with a host, or a bad port; the text shows no password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{hidden(url)!r} is not an http:// or https:// address with a port of digits") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{hidden(url)!r} is not an http:// or https:// address")
    tls = parts.scheme == "https"
    credentials = unquote(parts.netloc.rpartition("@")[0]) or None
    if credentials is not None and ":" not in credentials:
        credentials += ":"
    path = parts.path.rstrip("/")
    call = next((each for each in _CALLS if path.endswith(each)), "/v1")
    path, query = quote(path.removesuffix(call).rstrip("/"), _SENT_AS_IS), quote(parts.query, _SENT_AS_IS)
    return Address(_ascii_host(parts.hostname), port or (443 if tls else 80), tls, path, query, credentials)


def _ascii_host(name: str) -> str:
    """A host as the network knows it (RFC 5890 for letters outside ASCII)."""
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError(f"{name!r} is not a host name") from error


def named_api(url: str) -> Literal["chat", "completions"] | None:
    """The interface whose path an address ends with; None where it names none."""
    path = urlsplit(url).path.rstrip("/")
    return next((api for call, api in _CALLS.items() if path.endswith(call)), None)


def shown_address(url: str | None) -> str:
    """``repr`` of an address in a config, without its secrets."""
    return repr(url and hidden(url))
