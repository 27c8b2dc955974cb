"""The public face of one benchmark: check, measure, run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import evolve

from ai_energy_benchmarks.backends.base import Backend, Demand
from ai_energy_benchmarks.config.aienergyscore.classes import BenchmarkConfig as FacadeConfig
from ai_energy_benchmarks.config.aienergyscore.classes import resolve
from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.progress import Progress, Silent
from ai_energy_benchmarks.domain.prompts import Prompt
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.errors import BackendError, BenchmarkError, ConfigError, ReporterError
from ai_energy_benchmarks.metrics.base import MetricsCollector
from ai_energy_benchmarks.reporters.base import Reporter
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.journal import Journal
from ai_energy_benchmarks.results.writing import check_directory
from ai_energy_benchmarks.runner import composition
from ai_energy_benchmarks.runner.event_loop import CutShortError, MonotonicClock, run_to_end
from ai_energy_benchmarks.runner.generating import GaveUpError, Members
from ai_energy_benchmarks.runner.interrupts import Interrupts
from ai_energy_benchmarks.runner.keeping import Keeper
from ai_energy_benchmarks.runner.protocol import Steps
from ai_energy_benchmarks.runner.reasoning import plan_reasoning
from ai_energy_benchmarks.runner.record import Record
from ai_energy_benchmarks.runner.reporting import Outputs
from ai_energy_benchmarks.runner.waiting import wait_passively
from ai_energy_benchmarks.runner.workload import check_passes

logger = logging.getLogger(__name__)

# How long an engine that was given up may still take to end what it started, once the files are written.
_CLEAN_UP_CAP_S = 5.0


class BenchmarkRunner:
    """Composes a backend, a meter and reporters, and runs one benchmark in the order of the protocol.

    Args:
        config: from ``load_config``, or the façade classes of ``config.parser``, which stay mutable until
            the run begins.
        backend, collector, reporters, dataset: members made by hand; what is not given is made from the config.
        clock: for tests; the monotonic clock otherwise.
        progress: told how far the steps have come, never inside a window.
        findings: what the caller knows of this run and the verdict should say too.
        interrupts: what keeps signals from cutting writing short, for the command line; without it no handler of the
            process is touched.

    Attributes:
        result: the last ``BenchmarkResult``, also after an interrupt; None before.
        files: the files that ``run`` wrote.
        failures: one error for each reporter that failed; ``run`` raises the first if nothing else is raised.
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
        self._clock = clock or MonotonicClock()
        self._progress = progress or Silent()
        self._findings = findings
        self._interrupts = interrupts
        self._given_backend = backend is not None
        self._waiting: tuple[Finding, ...] = ()
        self._checked: BenchmarkConfig | None = None
        self.result: BenchmarkResult | None = None
        self.files: tuple[Path, ...] = ()
        self.failures: tuple[ReporterError, ...] = ()
        self.most_output_tokens: int | None = None
        if backend is not None:
            self.backend = backend

    @cached_property
    def backend(self) -> Backend:
        """The engine, made when first asked for; callers may delete it to free it early."""
        return composition.make_backend(self.config, self._progress)

    @property
    def config(self) -> BenchmarkConfig:
        """The config as it stands now, resolved."""
        return self._given if isinstance(self._given, BenchmarkConfig) else resolve(self._given)

    def check(self) -> None:
        """Check all that can be checked without loading the model; a second check of the same config is free.

        Raises:
            BenchmarkError: what is in the way, with its fix.
        """
        config = self.config
        if config == self._checked:
            return
        if not self._given_backend and not needs_endpoint(config.backend.type):
            self._waiting = tuple(wait_passively())
        scenario = config.scenario
        sample = plan_reasoning(config).formatter.format(0, Prompt(0, ""))
        demand = Demand(scenario.generate_kwargs, scenario.input_shapes.batch_size, config.load.concurrency, sample)
        problems = self.backend.problems(demand)
        if problems:
            raise BackendError("\n".join(problems))
        members = self._members(config, take_snapshot())
        passes = check_passes(config, members.dataset, members.reasoning.formatter, members.backend)
        with members.collector:
            pass
        if self._reporters is None and config.reporters:
            check_directory(config.output_dir)
        self._checked = config
        self.most_output_tokens = passes.most_output_tokens(scenario.generate_kwargs.max_new_tokens)

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
        config = self.config
        return self._measured(config, self._record(), Keeper(config))

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
        config = self.config
        record, outputs = self._record(), Outputs(config, self._reporters)
        with self._interrupts or nullcontext(Interrupts()) as interrupts, outputs.keeping(record) as journal:
            try:
                result = self._measured(config, record, Keeper(config, journal, interrupts))
            except KeyboardInterrupt as interrupt:
                self._report(outputs, journal)
                if isinstance(interrupt, CutShortError):
                    interrupt.finish(_CLEAN_UP_CAP_S)
                raise
            except Exception:  # raised again; what was measured must not be lost with it
                if record.trials:
                    self._report(outputs, journal)
                elif journal is not None:
                    journal.reported = True
                raise
            self._report(outputs, journal)
        if self.failures:
            raise self.failures[0]
        return report_document(result)

    def _record(self) -> Record:
        return Record(take_snapshot(), findings=[*self._findings, *self._waiting])

    def _measured(self, config: BenchmarkConfig, record: Record, keeper: Keeper) -> BenchmarkResult:
        steps = Steps(config, self._members(config, record.environment), record, keeper)
        try:
            try:
                run_to_end(steps.run())
            finally:
                keeper.interrupts.hold()
        except GaveUpError:
            record.ending = "stopped"
        except KeyboardInterrupt:
            record.ending = "interrupted"
            raise
        except Exception as error:  # raised again; the result says how the run ended, whoever broke it
            record.ending = "stopped"
            record.findings.append(Finding("FAIL", "stopped", f"{type(error).__name__}: {error}"))
            raise
        finally:
            self.result = record.result(config, keeper.close(record))
        return self.result

    def _report(self, outputs: Outputs, journal: Journal | None) -> None:
        if self.result is None:
            return
        reported = outputs.report(self.result, journal)
        self.files, self.failures = reported.files, reported.failures
        for failure in reported.failures:
            logger.info("%s", failure)

    def _members(self, config: BenchmarkConfig, environment: Environment) -> Members:
        return Members(
            backend=self.backend,
            collector=self._collector or composition.make_collector(config, environment),
            dataset=self._dataset or composition.make_dataset(config),
            reasoning=plan_reasoning(config),
            clock=self._clock,
            progress=self._progress,
        )


def create_benchmark(
    config_path: str | Path | None = None,
    *,
    config: BenchmarkConfig | FacadeConfig | None = None,
    overrides: Mapping[str, object] | None = None,
) -> BenchmarkRunner:
    """A runner from a YAML file, or from a config.

    It prints nothing: the console reporter of a file is for the command line and is left out here; what there is to
    tell goes to the logger ``ai_energy_benchmarks``. No signal handler is set; a running event loop is no obstacle.

    Raises:
        ConfigError: the file cannot be used, or neither or both were given.
    """
    if (config_path is None) == (config is None):
        raise ConfigError("create_benchmark needs config_path or config, one of the two")
    if config is not None:
        if overrides:
            raise ConfigError("overrides apply to a file; change the config itself instead")
        return BenchmarkRunner(config)
    assert config_path is not None  # one of the two is given
    loaded = load_config(config_path, overrides)
    quiet = tuple(each for each in loaded.reporters if each.type != "console")
    return BenchmarkRunner(evolve(loaded, reporters=quiet))


def run_benchmark_from_config(config_path: str | Path, overrides: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Run the benchmark of a YAML file and return its report document.

    Args:
        overrides: nested mappings or dotted keys, such as ``{"scenario.num_samples": 3}``.
    """
    return create_benchmark(config_path, overrides=overrides).run()
