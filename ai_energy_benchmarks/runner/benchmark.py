"""The public face of one benchmark: check, measure, run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai_energy_benchmarks.errors import BenchmarkError, ConfigError, ReporterError

if TYPE_CHECKING:
    from ai_energy_benchmarks.backends.base import Backend
    from ai_energy_benchmarks.config.aienergyscore.classes import BenchmarkConfig as FacadeConfig
    from ai_energy_benchmarks.config.model import BenchmarkConfig
    from ai_energy_benchmarks.datasets.base import Dataset
    from ai_energy_benchmarks.domain.clock import Clock
    from ai_energy_benchmarks.domain.progress import Progress
    from ai_energy_benchmarks.domain.result import BenchmarkResult
    from ai_energy_benchmarks.domain.verdict import Finding
    from ai_energy_benchmarks.metrics.base import MetricsCollector
    from ai_energy_benchmarks.reporters.base import Reporter
    from ai_energy_benchmarks.runner.interrupts import Interrupts
    from ai_energy_benchmarks.runner.measuring import Measuring

# Importing this module is what users do first, so all that a run needs is imported when one is checked.
logger = logging.getLogger(__name__)


class BenchmarkRunner:
    """Composes a backend, a meter and reporters, and runs one benchmark in the order of the protocol.

    Args:
        config: from ``load_config``, or the façade classes of ``config.parser``, which stay mutable until
            the run begins.
        backend: made by hand, like the three that follow; what is not given is made from the config. The report names a
            backend by its own ``facts()``.
        collector: the meter.
        reporters: what writes the result.
        dataset: the prompts.
        clock: for tests; the monotonic clock otherwise.
        progress: told how far the steps have come, never inside a window.
        findings: what the caller knows of this run and the verdict should say too.
        interrupts: what keeps signals from cutting writing short, for the command line; without it no handler of the
            process is touched.

    Attributes:
        most_output_tokens: how many a trial generates at most; None before the check.
    """

    def __init__(
        self,
        config: BenchmarkConfig | FacadeConfig,
        *,
        backend: Backend | None = None,
        collector: MetricsCollector | None = None,
        reporters: Sequence[Reporter] | None = None,
        dataset: Dataset | None = None,
        clock: Clock | None = None,
        progress: Progress | None = None,
        findings: Sequence[Finding] = (),
        interrupts: Interrupts | None = None,
    ) -> None:
        self._given = config
        self._collector = collector
        self._reporters = reporters
        self._dataset = dataset
        self._clock = clock
        self._progress = progress
        self._findings = findings
        self._interrupts = interrupts
        self._given_backend = backend is not None
        self._waiting: tuple[Finding, ...] = ()
        self._checked: BenchmarkConfig | None = None
        self._last: Measuring | None = None
        self.most_output_tokens: int | None = None
        if backend is not None:
            self.backend = backend

    @cached_property
    def backend(self) -> Backend:
        """The engine, made when first asked for; callers may delete it to free it early."""
        from ai_energy_benchmarks.domain.progress import Silent
        from ai_energy_benchmarks.runner.composition import make_backend
        from ai_energy_benchmarks.runner.logged_progress import LoggedProgress

        return make_backend(self.config, LoggedProgress(self._progress or Silent()))

    @property
    def config(self) -> BenchmarkConfig:
        """The config as it stands now, resolved."""
        from ai_energy_benchmarks.config.model import BenchmarkConfig

        if isinstance(self._given, BenchmarkConfig):
            return self._given
        from ai_energy_benchmarks.config.aienergyscore.classes import resolve

        return resolve(self._given)

    def check(self) -> None:
        """Check all that can be checked without loading the model; a second check of the same config is free.

        Raises:
            BenchmarkError: what is in the way, with its fix.
        """
        from ai_energy_benchmarks.config.loading import learn_secrets
        from ai_energy_benchmarks.safety.exceptions import without_secrets

        learn_secrets(self.config)
        with without_secrets():
            self._check()

    def _check(self) -> None:
        from ai_energy_benchmarks.runner.given import check_given

        given = self.backend if self._given_backend else None
        check_given(given, self._collector, self._reporters, self._dataset)
        config = self.config
        if config == self._checked:
            return
        if not self._given_backend:
            from ai_energy_benchmarks.runner.waiting import of_an_engine_here

            self._waiting = of_an_engine_here(config)
        self.most_output_tokens = self._measuring(config).check()
        self._checked = config

    def validate(self) -> bool:
        """``check()`` as a yes or no; the reason goes to the log."""
        try:
            self.check()
        except BenchmarkError as error:
            logger.error("%s", error)
            return False
        return True

    def measure(self) -> BenchmarkResult:
        """Run the benchmark and return what it saw; nothing is written.

        Raises:
            BenchmarkError: it could not begin. Once trials run, failures are findings of the verdict.
            KeyboardInterrupt: the user's; ``result`` then holds what was seen until then.
        """
        self.check()
        self._last = self._measuring(self.config)
        from ai_energy_benchmarks.safety.exceptions import without_secrets

        with without_secrets():
            result = self._last.measure()
        _show_in_notebooks()
        return result

    def run(self) -> dict[str, Any]:
        """Measure, hand the result to every reporter, and return the report document.

        The document is plain JSON-serialisable values. Every complete trial is on disk at once, in
        ``runs/<run id>/`` of the output directory; a run that does not complete leaves its report there.

        Raises:
            BenchmarkError: it could not begin, another run is using the directory, or a report could not be written.
            KeyboardInterrupt: the user's, after writing.
            Exception: whatever a member raised that it should not; trials that were measured are written first.
        """
        self.check()
        self._last = self._measuring(self.config)
        from ai_energy_benchmarks.safety.exceptions import without_secrets

        with without_secrets():
            result = self._last.run(self._interrupts)
        _show_in_notebooks()
        from ai_energy_benchmarks.results.document.report import report_document

        return report_document(result)

    @property
    def result(self) -> BenchmarkResult | None:
        """The last result, also after an interrupt; None before."""
        return None if self._last is None else self._last.result

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that ``run`` wrote."""
        return () if self._last is None else self._last.files

    @property
    def failures(self) -> tuple[ReporterError, ...]:
        """One error for each reporter that failed; ``run`` raises the first if nothing else is raised."""
        return () if self._last is None else self._last.failures

    def _measuring(self, config: BenchmarkConfig) -> Measuring:
        from ai_energy_benchmarks.runner.measuring import Measuring

        return Measuring(
            config,
            self.backend,
            collector=self._collector,
            reporters=self._reporters,
            dataset=self._dataset,
            clock=self._clock,
            progress=self._progress,
            findings=(*self._findings, *self._waiting),
        )


def _show_in_notebooks() -> None:
    """Let a notebook show results as pages; other programs load nothing for it."""
    if "IPython" in sys.modules:
        from ai_energy_benchmarks.reporters.html.notebook import register

        register()


def create_benchmark(
    config_path: str | Path | None = None,
    *,
    config: BenchmarkConfig | FacadeConfig | Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
    progress: Progress | Callable[[str], object] | bool | None = None,
    **members: Any,
) -> BenchmarkRunner:
    """A runner from a YAML file, from a mapping with the keys of one, or from a config.

    It prints nothing: the console reporter of a file or a mapping is for the command line and is left out here; the
    steps go to the logger ``ai_energy_benchmarks``. No signal handler is set; a running event loop is no obstacle.

    Args:
        config_path: the YAML file.
        config: the same as a mapping, such as ``{"backend": {"type": "pytorch", "model": "org/name"}}``; or a config.
        overrides: nested mappings or dotted keys, such as ``{"scenario.num_samples": 3}``.
        progress: True for bars in a notebook and lines on standard error elsewhere; a function that takes a line of
            text for each step, such as ``print``; or a ``Progress`` of your own.
        **members: ``backend``, ``collector``, ``reporters`` or ``dataset``, made by hand.

    Raises:
        ConfigError: the file or the mapping cannot be used, or neither or both were given.
    """
    if (config_path is None) == (config is None):
        raise ConfigError("create_benchmark needs one of config_path and config", remedy="give one of the two")
    shown = _shown(progress)
    if config is not None and not isinstance(config, Mapping):
        if overrides:
            raise ConfigError(
                "overrides apply to a file or a mapping, not to a config", remedy="change the config: attrs.evolve"
            )
        return BenchmarkRunner(config, progress=shown, **members)
    from attrs import evolve

    from ai_energy_benchmarks.config.loading import config_from_mapping, load_config
    from ai_energy_benchmarks.config.overrides import with_overrides

    if config_path is not None:
        loaded = load_config(config_path, overrides)
    else:
        assert isinstance(config, Mapping)  # one of the two is given
        loaded = config_from_mapping(with_overrides(with_overrides({}, config), overrides or {}), source="the mapping")
    quiet = tuple(each for each in loaded.reporters if each.type != "console")
    return BenchmarkRunner(evolve(loaded, reporters=quiet), progress=shown, **members)


def _shown(progress: Progress | Callable[[str], object] | bool | None) -> Progress | None:
    """What the caller gave for a progress, as one."""
    if isinstance(progress, bool):
        from ai_energy_benchmarks.runner.bar_progress import bars_or_lines

        return bars_or_lines() if progress else None
    if progress is None or not callable(progress):
        return progress
    from ai_energy_benchmarks.runner.plain_progress import PlainProgress

    return PlainProgress(progress)


def run_benchmark_from_config(config_path: str | Path, overrides: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Run the benchmark of a YAML file and return its report document.

    Args:
        config_path: the YAML file.
        overrides: nested mappings or dotted keys, such as ``{"scenario.num_samples": 3}``.

    Returns:
        The report document as ``result.json`` has it; energy is in J, Wh and kWh as its keys say.

    Raises:
        BenchmarkError: one of its five kinds, as ``create_benchmark`` and ``BenchmarkRunner.run`` raise them.
    """
    return create_benchmark(config_path, overrides=overrides).run()
