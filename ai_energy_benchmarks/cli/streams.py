"""Standard output and error that may be closed, full, or without a reader: none of that may cost a result."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import TextIO, cast

import click

from ai_energy_benchmarks.safety.printable import one_line, printable
from ai_energy_benchmarks.safety.secrets import blanked


def open_streams() -> None:
    """Put the null device in the place of standard streams that are closed.

    Otherwise the next file or socket that is opened would get their number, and Python has no object for them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    # For as long as the process lives.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    # Whatever writes to them, the interpreter's own tracebacks too.
    sys.stdout, sys.stderr = cast("TextIO", BlankingStream(sys.stdout)), cast("TextIO", BlankingStream(sys.stderr))
    sys.excepthook = _print_exception


def _print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    say("".join(traceback.format_exception(kind, error, trace)).rstrip(), err=True)


class BlankingStream:
    """A text stream in whose place secrets are ``***``; everything but writing is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(blanked(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


_MARGIN = re.compile(r"\n(?=\S)")


def say(text: str, *, err: bool = False) -> None:
    """Print a line without secrets and control characters, if anyone can still read it.

    An error may have several lines, of which only the first one begins at the margin. On standard output line ends
    become spaces. So no text of a file or a server passes for a line of its own.
    """
    _echo(_MARGIN.sub("\n  ", printable(text)) if err else one_line(text), err=err)


def say_lines(text: str) -> None:
    """The same with several lines, for text whose lines were made here and hold none of another's line ends."""
    _echo(printable(text), err=False)


def _echo(shown: str, *, err: bool) -> None:
    try:
        click.echo(shown, err=err)
    except (OSError, ValueError):  # full, without a reader, or closed
        give_up(err=err)


def say_at_once(line: str) -> None:
    """Write a line of this package's own on standard error from a signal handler.

    The streams' buffers are not reentrant, so it goes past them.
    """
    try:
        os.write(sys.stderr.fileno(), f"{line}\n".encode())
    except (OSError, ValueError):  # full, without a reader, closed, or no file of the system's
        return


def give_up(*, err: bool) -> None:
    """Send what is still to come on a stream, and what it has not written yet, to the null device."""
    stream = sys.stderr if err else sys.stdout
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        stream.flush()
    except (OSError, ValueError):  # not a file of the system's, or closed: there is nothing left to lose
        return


def flush() -> None:
    """Write out both streams, so that the interpreter's end does not stumble over them."""
    for stream, err in ((sys.stdout, False), (sys.stderr, True)):
        try:
            stream.flush()
        except (OSError, ValueError):
            give_up(err=err)
