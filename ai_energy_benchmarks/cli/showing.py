"""What ``run`` shows while it goes on: progress, figures so far, lines of JSON, or nothing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from attrs import frozen

from ai_energy_benchmarks.domain.progress import Progress, Silent

if TYPE_CHECKING:
    from ai_energy_benchmarks.config.model import BenchmarkConfig
    from ai_energy_benchmarks.domain.result import BenchmarkResult

R = TypeVar("R")


@frozen
class Showing:
    """What to show.

    Attributes:
        live: figures so far next to the progress.
        quiet: neither progress nor report; errors only.
        json_lines: one JSON object a line on standard output for each step, each trial and the end of the run.
    """

    live: bool = False
    quiet: bool = False
    json_lines: bool = False

    def reported(self, config: BenchmarkConfig) -> BenchmarkConfig:
        """The config without the report on the terminal, where that would be in the way."""
        if self.names_files:
            return config
        from attrs import evolve

        return evolve(config, reporters=tuple(each for each in config.reporters if each.type != "console"))

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """The progress of a run; with lines of JSON nothing else can write to standard output meanwhile."""
        if self.json_lines:
            from ai_energy_benchmarks.cli.json_lines import JsonLines, own_output

            with own_output() as output:
                yield JsonLines(output, self._shown())
        else:
            yield self._shown()

    @property
    def names_files(self) -> bool:
        """Whether the files of the run are listed at its end."""
        return not (self.quiet or self.json_lines)

    def ended(self, progress: Progress, result: BenchmarkResult | None, files: Sequence[Path]) -> None:
        """Report the end of the run to a program that reads lines of JSON."""
        if self.json_lines and result is not None:
            from ai_energy_benchmarks.cli.json_lines import JsonLines

            assert isinstance(progress, JsonLines)  # as ``progress`` made it
            progress.ended(result, files)

    def _shown(self) -> Progress:
        if self.quiet:
            return Silent()
        from ai_energy_benchmarks.cli.progress import on_terminal, plain_progress, terminal_progress

        if not self.live:
            return terminal_progress()
        from ai_energy_benchmarks.cli.live import LiveLines, LiveProgress

        return on_terminal(LiveProgress()) if sys.stderr.isatty() else LiveLines(plain_progress())


def showing_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add ``--live``, ``--quiet`` and ``--json-lines``, as one value named ``showing``."""

    @click.option("--live", is_flag=True, help="Show power, tokens/s and J/token so far after every trial.")
    @click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor report; errors only.")
    @click.option("--json-lines", is_flag=True,
                  help="Write a JSON object for each step and trial on standard output, and nothing else.")  # fmt: skip
    @functools.wraps(command)
    def with_showing(live: bool, quiet: bool, json_lines: bool, **given: Any) -> R:
        if live and quiet:
            raise click.UsageError("--live and --quiet exclude one another")
        return command(showing=Showing(live, quiet, json_lines), **given)

    return with_showing
