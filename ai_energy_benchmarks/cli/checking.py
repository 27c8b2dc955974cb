"""What stands in the way of a run before anything is measured, with one exit code whichever command finds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ai_energy_benchmarks.cli.engines import naming_all_engines

if TYPE_CHECKING:
    from ai_energy_benchmarks.runner import BenchmarkRunner


@contextmanager
def before_measuring() -> Iterator[None]:
    """Turn every error of the package into one of the config, for nothing has been measured.

    Raises:
        ConfigError: a file, an engine, a device or a meter is missing, or a directory cannot be written. It is the
            config that asks for it, so the command leaves with the exit code of a config that cannot be used.
    """
    from ai_energy_benchmarks.errors import BenchmarkError, ConfigError

    try:
        yield
    except ConfigError:
        raise
    except BenchmarkError as error:
        raise ConfigError(error.message, remedy=error.remedy) from error


def check(runner: BenchmarkRunner) -> None:
    """Check a run as ``BenchmarkRunner.check`` does.

    Raises:
        ConfigError: as ``before_measuring``.
    """
    with before_measuring(), naming_all_engines():
        runner.check()
