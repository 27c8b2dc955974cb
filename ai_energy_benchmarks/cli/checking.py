"""What stands in the way of a run before anything is measured, with one exit code whichever command finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_energy_benchmarks.cli.engines import naming_all_engines

if TYPE_CHECKING:
    from ai_energy_benchmarks.runner import BenchmarkRunner


def check(runner: BenchmarkRunner) -> None:
    """Check a run as ``BenchmarkRunner.check`` does.

    Raises:
        ConfigError: a file, an engine, a device or a meter is missing. It is the config that asks for it, so ``run``
            and ``validate`` leave with the exit code of a config that cannot be used; nothing has been measured.
    """
    from ai_energy_benchmarks.errors import BenchmarkError, ConfigError

    try:
        with naming_all_engines():
            runner.check()
    except ConfigError:
        raise
    except BenchmarkError as error:
        raise ConfigError(error.message, remedy=error.remedy) from error
