"""Standard output and error that may be closed, full, or without a reader: none of that may cost a result."""

from __future__ import annotations

import os
import sys

import click


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


def say(text: str, *, err: bool = False) -> None:
    """Print a line, if anyone can still read it."""
    try:
        click.echo(text, err=err)
    except (OSError, ValueError):  # full, without a reader, or closed
        give_up(err=err)


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
