"""Processes with their command lines, their environments and the files that they use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import attrs
from attrs import frozen

from ai_energy_benchmarks.machine.processes import PROC, Process, ordered_tree, read_process

# They start programs of any kind: what else they have started has nothing to do with the server.
_STARTERS = frozenset(
    (
        *("init", "systemd", "launchd", "tini", "dumb-init", "catatonit", "docker-init", "containerd-shim", "conmon"),
        *("sh", "bash", "dash", "zsh", "ash", "fish", "ksh", "csh", "tcsh", "busybox", "tmux: server", "screen"),
        *("sshd", "sshd-session", "cron", "crond", "sudo", "su", "login", "slurmstepd", "s6-supervise", "runsv"),
        *("supervisord", "containerd-shim-runc-v2"),
    )
)


@frozen
class Program(Process):
    """A process with what it was started as.

    Attributes:
        command: its command line, empty if it is not shown.
    """

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


def read_program(pid: int, proc: Path = PROC) -> Program | None:
    """A process; None if it has ended or is not shown."""
    process = read_process(pid, proc)
    return None if process is None else _with_command(process, proc)


def program_tree(roots: Collection[int], proc: Path = PROC) -> tuple[Program, ...]:
    """The processes with all that descend from them, each before its descendants."""
    return tuple(_with_command(process, proc) for process in ordered_tree(roots, proc))


def _with_command(process: Process, proc: Path) -> Program:
    words = _texts(process.pid, "cmdline", proc)
    return Program(**attrs.asdict(process), command=words)


def environment_of(pid: int, proc: Path = PROC) -> Mapping[str, str]:
    """The variables with which a process began; empty where that is another user's."""
    pairs = (text.partition("=") for text in _texts(pid, "environ", proc))
    return {name: value for name, equals, value in pairs if equals}


def mapped_files(pid: int, proc: Path = PROC) -> str:
    """The text of ``maps``, which names the files that a process has mapped; empty where that is another user's."""
    try:
        return (proc / str(pid) / "maps").read_text(errors="replace")
    except OSError:
        return ""


def _texts(pid: int, name: str, proc: Path) -> tuple[str, ...]:
    """The texts of a file that ends each with a NUL character."""
    try:
        text = (proc / str(pid) / name).read_bytes().decode(errors="replace")
    except OSError:
        return ()
    return tuple(word for word in text.split("\0") if word)


def argument(program: Program, name: str) -> str | None:
    """The value of an argument, be it ``-name value``, ``--name value`` or ``--name=value``."""
    words = program.command
    for position, word in enumerate(words):
        key, equals, value = word.partition("=")
        if key in (f"-{name}", f"--{name}"):
            return value if equals else next(iter(words[position + 1 : position + 2]), None)
    return None
