"""Where a server listens."""

from __future__ import annotations

from urllib.parse import urlsplit

from attrs import frozen

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})


@frozen
class Address:
    """Where a server listens.

    Attributes:
        path: prefix of every path, without a slash at its end.
    """

    host: str
    port: int
    tls: bool
    path: str

    @property
    def local(self) -> bool:
        """Whether the name surely means this machine."""
        return self.host in LOCAL_HOSTS

    @property
    def authority(self) -> str:
        """Host and port as the ``Host`` header and messages have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(url: str) -> Address:
    """Split the base URL of a server, with or without ``/v1`` at its end; the port defaults to the scheme's.

    Raises:
        ValueError: no http or https URL with a host, or a bad port.
    """
    parts = urlsplit(url.rstrip("/").removesuffix("/v1"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http:// or https:// address")
    tls = parts.scheme == "https"
    return Address(parts.hostname, parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))
