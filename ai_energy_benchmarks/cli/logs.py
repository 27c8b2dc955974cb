"""``-v`` and ``--log-file``, the same for every command that has them."""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.safety.files import special_kind
from ai_energy_benchmarks.safety.printable import printable

P = ParamSpec("P")
R = TypeVar("R")

PACKAGE = "ai_energy_benchmarks"
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class SafeFormatter(logging.Formatter):
    """Records without secrets and control characters; only the first line of a record begins at the margin."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record)).replace("\n", "\n  ")


def log_options(command: Callable[P, R]) -> Callable[..., R]:
    """Add the options, and set logging up before the command runs."""

    @click.option("-v", "--verbose", count=True, help="Log to standard error; -vv logs everything, tracebacks too.")
    @click.option("--log-file", type=click.Path(dir_okay=False, path_type=Path), help="Log everything to this file.")
    @functools.wraps(command)
    def with_logging(verbose: int, log_file: Path | None, *args: P.args, **kwargs: P.kwargs) -> R:
        set_up(verbose, log_file)
        return command(*args, **kwargs)

    return with_logging


def set_up(verbose: int, log_file: Path | None) -> None:
    """Send the package's log to standard error, and to a file if one is named.

    Raises:
        ConfigError: the file cannot be written.
    """
    logger = logging.getLogger(PACKAGE)
    logger.setLevel(logging.DEBUG if log_file else _LEVELS[min(verbose, 2)])
    terminal = logging.StreamHandler()
    terminal.setLevel(_LEVELS[min(verbose, 2)])
    terminal.setFormatter(SafeFormatter("%(levelname)s %(name)s: %(message)s"))
    logger.addHandler(terminal)
    if log_file is None:
        return
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if special_kind(log_file) == "a pipe":  # which waits until it is read
            raise OSError(errno.EINVAL, "it is a pipe", str(log_file))
        file = logging.FileHandler(log_file, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--log-file {log_file} cannot be written: {reason_of(error)}", remedy="name another file"
        ) from error
    file.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(file)
