"""A made-up ``/proc``: processes with their parents, commands, namespaces and listening sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from pathlib import Path

from attrs import field, frozen

_FIRST = "first"


@frozen
class FakeProc:
    """Files as proc(5) describes them, under any directory.

    Attributes:
        root: takes the place of ``/proc``.
        host: whether it is that of a whole machine, with the kernel's threads.
    """

    root: Path
    host: bool = True
    _inodes: list[int] = field(factory=lambda: [1000])

    def __attrs_post_init__(self) -> None:
        (self.root / "net").mkdir(parents=True)
        if self.host:
            self.add(1, 0, "systemd")
            self.add(2, 0, "kthreadd")
        else:
            self.add(1, 0, "sh")

    def add(
        self,
        pid: int,
        parent: int,
        name: str,
        *arguments: str,
        session: int | None = None,
        cgroup: str = "/",
        numbers: Sequence[int] = (),
        pid_namespace: str = _FIRST,
        net_namespace: str = _FIRST,
    ) -> Path:
        """One process; its command line is ``arguments``, or its name alone.

        Args:
            session: that of the first process of its session; its own number if not given.
            numbers: its numbers in the PID namespaces from that of this ``/proc`` inwards.
            pid_namespace, net_namespace: two processes with the same word are in the same one.
        """
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "net").mkdir()
        session = pid if session is None else session
        (folder / "comm").write_text(f"{name[:15]}\n")
        (folder / "stat").write_text(f"{pid} ({name[:15]}) S {parent} {session} {session} " + "0 " * 45 + "\n")
        counted = "\t".join(map(str, numbers or (pid,)))
        (folder / "status").write_text(f"Name:\t{name}\nPid:\t{pid}\nNSpid:\t{counted}\n")
        (folder / "cmdline").write_bytes(b"".join(f"{each}\0".encode() for each in arguments or (name,)))
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        self._join(folder, "pid", pid_namespace)
        self._join(folder, "net", net_namespace)
        return folder

    def _join(self, folder: Path, kind: str, namespace: str) -> None:
        shared = self.root / f"namespace-{kind}-{namespace}"
        shared.touch()
        (folder / "ns").mkdir(exist_ok=True)
        (folder / "ns" / kind).hardlink_to(shared)

    def be(self, pid: int) -> None:
        """Make it the process that reads."""
        (self.root / "self").symlink_to(str(pid))

    def listen(self, pid: int, port: int, address: str = "0.0.0.0") -> None:
        """Give a process a listening socket, in its own network namespace and in those that share it."""
        self._inodes[0] += 1
        inode = self._inodes[0]
        (self.root / str(pid) / "fd" / str(inode)).symlink_to(f"socket:[{inode}]")
        (number,) = struct.unpack("=I", socket.inet_aton(address))
        row = f"   0: {number:08X}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0\n"
        own = (self.root / str(pid) / "ns" / "net").stat().st_ino
        for folder in self.root.iterdir():
            if folder.name.isdigit() and (folder / "ns" / "net").stat().st_ino == own:
                self._append(folder / "net" / "tcp", row)
        if own == (self.root / f"namespace-net-{_FIRST}").stat().st_ino:
            self._append(self.root / "net" / "tcp", row)

    @staticmethod
    def _append(table: Path, row: str) -> None:
        if not table.exists():
            table.write_text(
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode\n"
            )
        with table.open("a") as file:
            file.write(row)
