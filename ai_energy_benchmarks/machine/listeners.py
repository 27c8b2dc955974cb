"""Which process of this machine serves a port, and what belongs to it, read from /proc; elsewhere nothing is known."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from attrs import frozen

PROC = Path("/proc")
_LISTENING = "0A"
# They start programs of any kind: what else they have started has nothing to do with the server.
_STARTERS = frozenset(
    (
        *("init", "systemd", "launchd", "tini", "dumb-init", "catatonit", "docker-init", "containerd-shim", "conmon"),
        *("sh", "bash", "dash", "zsh", "ash", "fish", "ksh", "csh", "tcsh", "busybox", "tmux: server", "screen"),
        *("sshd", "sshd-session", "cron", "crond", "sudo", "su", "login", "slurmstepd", "s6-supervise", "runsv"),
        *("supervisord", "containerd-shim-runc-v2"),
    )
)
# They start nothing but the processes of one engine, each in a session of its own or not.
_LAUNCHERS = frozenset(("raylet", "text-generation-launcher"))


@frozen
class LocalProcess:
    """One process as proc(5) shows it.

    Attributes:
        name: ``comm``, at most 15 characters.
        command: its command line, empty if it is not shown.
    """

    pid: int
    parent: int
    session: int
    name: str
    command: tuple[str, ...]

    @property
    def starts_anything(self) -> bool:
        """Whether it is a shell, a service manager or the like: what it does and has started is no server's."""
        return bool(self.names & _STARTERS)

    @property
    def names(self) -> frozenset[str]:
        """What it may be called: its program, and the script or module where that is an interpreter."""
        words = [Path(word).name for word in self.command[:2]]
        if "-m" in self.command[:-1]:
            words.append(self.command[self.command.index("-m") + 1])
        return frozenset((self.name, *words))


def local_process(pid: int, proc: Path = PROC) -> LocalProcess | None:
    """A process; None if it has ended or is not shown."""
    folder = proc / str(pid)
    try:
        text = (folder / "stat").read_text(errors="replace")
        command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    # The name, in brackets, may hold spaces and brackets too. proc(5): field 4 is the parent, 6 the session.
    name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    words = tuple(word for word in command if word)
    return LocalProcess(pid, int(fields[1]), int(fields[3]), name, words)


def argument(process: LocalProcess, name: str) -> str | None:
    """The value of an argument, be it ``-name value``, ``--name value`` or ``--name=value``."""
    words = process.command
    for position, word in enumerate(words):
        key, equals, value = word.partition("=")
        if key in (f"-{name}", f"--{name}"):
            return value if equals else next(iter(words[position + 1 : position + 2]), None)
    return None


def process_numbers(proc: Path = PROC) -> tuple[int, ...]:
    """All processes that are shown; none where there is no /proc."""
    try:
        return tuple(sorted(int(name) for name in os.listdir(proc) if name.isdecimal()))
    except OSError:
        return ()


def sockets_on(net: Path, port: int | None, *, loopback: bool = False) -> frozenset[str]:
    """Inodes of the TCP sockets that listen on a port, in the network namespace of a ``/proc/…/net``.

    Args:
        port: None for any port.
        loopback: only those that answer under a loopback address.
    """
    return frozenset(inode for table in ("tcp", "tcp6") for inode in _listening(net / table, port, loopback))


def _listening(table: Path, port: int | None, loopback: bool) -> Iterator[str]:
    """Socket inodes of the rows that listen (columns as in proc(5))."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        columns = line.split()
        if len(columns) <= 9 or columns[3] != _LISTENING:
            continue
        address, _, number = columns[1].rpartition(":")
        if port in (None, int(number, 16)) and (not loopback or _answers_here(address)):
            yield columns[9]


def _answers_here(address: str) -> bool:
    """Whether a socket bound to this address (words of 32 bits in the machine's order) answers under a loopback one."""
    words = [bytes.fromhex(address[i : i + 8]) for i in range(0, len(address), 8)]
    raw = b"".join(word[::-1] for word in words) if sys.byteorder == "little" else b"".join(words)
    bound = ipaddress.ip_address(raw)
    mapped = bound.ipv4_mapped if isinstance(bound, ipaddress.IPv6Address) else None
    return (mapped or bound).is_loopback or (mapped or bound).is_unspecified


def owners(inodes: Collection[str], proc: Path = PROC, among: Collection[int] | None = None) -> tuple[int, ...]:
    """Processes that hold one of the sockets, as far as this user may see it."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    pids = process_numbers(proc) if among is None else sorted(among)
    return tuple(pid for pid in pids if wanted and _holds(proc / str(pid) / "fd", lambda link: link in wanted))


def _holds(descriptors: Path, wanted: Callable[[str], bool]) -> bool:
    try:
        return any(wanted(str(link.readlink())) for link in descriptors.iterdir())
    except OSError:  # gone meanwhile, or another user's
        return False


def with_parent(pid: int, proc: Path = PROC, client: int | None = None) -> int:
    """The process, or its parent where that belongs to the same server.

    A router or a worker is often a child of a launcher that has the other workers as children too
    (text-generation-launcher, raylet). Another parent in the same session and control group is taken for one, unless it
    starts programs of any kind, as a shell does, or has started the client too.

    Args:
        client: the process that measures; this one if not given.
    """
    process = local_process(pid, proc)
    parent = local_process(process.parent, proc) if process is not None and process.parent > 1 else None
    if process is None or parent is None or parent.starts_anything:
        return pid
    if parent.names & _LAUNCHERS:
        return parent.pid
    if parent.session != process.session or _control_group(parent.pid, proc) != _control_group(pid, proc):
        return pid
    return pid if parent.pid in _ancestors(os.getpid() if client is None else client, proc) else parent.pid


def _control_group(pid: int, proc: Path) -> str | None:
    try:
        return (proc / str(pid) / "cgroup").read_text()
    except OSError:
        return None


def _ancestors(pid: int, proc: Path) -> frozenset[int]:
    found: set[int] = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        process = local_process(pid, proc)
        pid = 0 if process is None else process.parent
    return frozenset(found)


def descendants(roots: Collection[int], proc: Path = PROC) -> tuple[LocalProcess, ...]:
    """The processes with all that descend from them."""
    children: dict[int, list[LocalProcess]] = {}
    for pid in process_numbers(proc):
        if (process := local_process(pid, proc)) is not None:
            children.setdefault(process.parent, []).append(process)
    found: dict[int, LocalProcess] = {}
    waiting = [process for process in (local_process(pid, proc) for pid in roots) if process is not None]
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += children.get(process.pid, ())
    return tuple(found.values())
