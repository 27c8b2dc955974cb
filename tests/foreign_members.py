"""Members that another installed distribution offers through entry points, for tests of names and options.

``install`` makes a real distribution in a directory; with that directory on ``sys.path`` the registry finds it.
"""

from __future__ import annotations

from pathlib import Path

_MODULE = '''
from attrs import frozen


@frozen
class ServerOptions:
    """Options of a server, one of them required."""

    token: str
    retries: int = 3


class Server:
    """A server."""

    Options = ServerOptions
    needs_endpoint = True


class InProcess:
    """An engine without options of its own."""
'''
_ENTRY_POINTS = """
[ai_energy_benchmarks.backends]
test-server = aeb_test_members:Server
test-engine = aeb_test_members:InProcess
test-broken = aeb_test_members_missing:Server
"""


def install(directory: Path) -> None:
    """Write the distribution: a server that needs an endpoint, an engine in process, and one that is broken."""
    (directory / "aeb_test_members.py").write_text(_MODULE)
    record = directory / "aeb_test_members-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: aeb-test-members\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(_ENTRY_POINTS)
