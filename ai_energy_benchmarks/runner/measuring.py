"""What checking and running one benchmark takes; ``BenchmarkRunner`` imports this only when it is asked for that."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from attrs import define, evolve

from ai_energy_benchmarks.backends.alone import running_alone
from ai_energy_benchmarks.backends.base import Backend
from ai_energy_benchmarks.config.loading import config_to_yaml
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.progress import Progress, Silent
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.errors import BackendError, ReporterError
from ai_energy_benchmarks.machine.forks import forked_with_threads
from ai_energy_benchmarks.machine.gpu_settings import GpuSettings
from ai_energy_benchmarks.metrics.base import MetricsCollector
from ai_energy_benchmarks.reporters.base import Reporter
from ai_energy_benchmarks.results.journal import Journal
from ai_energy_benchmarks.results.writing import check_directory
from ai_energy_benchmarks.runner import composition
from ai_energy_benchmarks.runner.event_loop import CutShortError, MonotonicClock, run_to_end
from ai_energy_benchmarks.runner.generating import GaveUpError, Members
from ai_energy_benchmarks.runner.gpu_state import gpu_state_findings, gpu_targets
from ai_energy_benchmarks.runner.interrupts import Interrupts
from ai_energy_benchmarks.runner.keeping import Keeper
from ai_energy_benchmarks.runner.logged_progress import LoggedProgress, log_verdict
from ai_energy_benchmarks.runner.looking import look
from ai_energy_benchmarks.runner.obstacles import Obstacles
from ai_energy_benchmarks.runner.protocol import Steps
from ai_energy_benchmarks.runner.reasoning import plan_reasoning
from ai_energy_benchmarks.runner.record import Record
from ai_energy_benchmarks.runner.reporting import Outputs
from ai_energy_benchmarks.runner.trust import trust_findings

logger = logging.getLogger(__name__)

# How long an engine that was given up may still take to end what it started, once the files are written.
_CLEAN_UP_CAP_S = 5.0


@define
class Measuring:
    """One benchmark of a resolved config.

    Attributes:
        collector, reporters, dataset, clock, progress: made by hand; None makes those of the config.
        findings: what the caller knows of this run and the verdict should say too.
        result: what was seen, also after an interrupt; None before.
        files: the files that ``run`` wrote.
        failures: one error for each reporter that failed.
    """

    config: BenchmarkConfig
    backend: Backend
    collector: MetricsCollector | None = None
    reporters: Sequence[Reporter] | None = None
    dataset: Dataset | None = None
    clock: Clock | None = None
    progress: Progress | None = None
    findings: Sequence[Finding] = ()
    result: BenchmarkResult | None = None
    files: tuple[Path, ...] = ()
    failures: tuple[ReporterError, ...] = ()

    def check(self) -> int:
        """Check all that can be checked without loading the model.

        Returns:
            How many tokens a trial generates at most.

        Raises:
            BenchmarkError: what is in the way, with its fix.
        """
        if forked_with_threads():
            raise BackendError(
                "this process was forked after its parent had written a result: the threads of the frame library are "
                "in the parent alone, and the first file would wait for them for ever",
                remedy="start it as a process of its own, such as with multiprocessing's method spawn",
            )
        config, obstacles = self.config, Obstacles()
        passes = look(
            config, self.backend, obstacles, dataset=self._prompts, collector=lambda: self._meter(take_snapshot())
        )
        if self.reporters is None and config.reporters:
            obstacles.tried(lambda: check_directory(config.output_dir))
        obstacles.report()
        assert passes is not None  # else something was in the way
        return passes.most_output_tokens(config.scenario.generate_kwargs.max_new_tokens)

    def measure(self) -> BenchmarkResult:
        """Run the benchmark; nothing is written."""
        with self._gpus_set():
            return self._measured(self._record(), Keeper(self.config), Interrupts())

    def run(self, interrupts: Interrupts | None) -> BenchmarkResult:
        """Measure, and hand the result to every reporter."""
        with self._gpus_set():
            return self._run(interrupts)

    @contextmanager
    def _gpus_set(self) -> Iterator[None]:
        """The GPUs as the config wants them, from before the snapshot until the last report is written."""
        targets = gpu_targets(self.config)
        self.findings = (*self.findings, *gpu_state_findings(targets))
        with GpuSettings(targets):
            yield

    def _run(self, interrupts: Interrupts | None) -> BenchmarkResult:
        record, outputs = self._record(), Outputs(self.config, self.reporters)
        with interrupts or nullcontext(Interrupts()) as entered, outputs.keeping(record) as journal:
            entered.take_back()  # polars, which the journal uses, has set a handler of its own
            try:
                result = self._measured(record, Keeper(self.config, journal), entered)
            except KeyboardInterrupt as interrupt:
                self._report(outputs, journal)
                if journal is not None and self.result is None and not record.trials:
                    journal.reported = True  # nothing was measured yet, so that there is nothing to recover
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
        return result

    def _record(self) -> Record:
        return Record(take_snapshot(), findings=[*self.findings, *trust_findings(self.config)])

    def _measured(self, record: Record, keeper: Keeper, interrupts: Interrupts) -> BenchmarkResult:
        logger.info("run %s: %s with %s", record.run_id, self.config.backend.model, self.config.backend.type)
        logger.debug("the config as used:\n%s", config_to_yaml(self.config))
        members = self._members(record.environment)
        progress = LoggedProgress(members.progress, record)
        steps = Steps(self.config, evolve(members, progress=progress), record, keeper)
        in_process = not getattr(self.backend, "needs_endpoint", False)
        try:
            try:
                with running_alone(in_process=in_process):
                    run_to_end(steps.run())
            finally:
                interrupts.hold()
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
            record.findings.extend(_of_another_engine(self.config, record))
            self.result = record.result(self.config, keeper.close(record))
            log_verdict(self.result)
        return self.result

    def _report(self, outputs: Outputs, journal: Journal | None) -> None:
        if self.result is None:
            return
        reported = outputs.report(self.result, journal)
        self.files, self.failures = reported.files, reported.failures
        for failure in reported.failures:
            logger.info("%s", failure)

    def _members(self, environment: Environment) -> Members:
        return Members(
            backend=self.backend,
            collector=self._meter(environment),
            dataset=self._prompts(),
            reasoning=plan_reasoning(self.config),
            clock=self.clock or MonotonicClock(),
            progress=self.progress or Silent(),
        )

    def _meter(self, environment: Environment) -> MetricsCollector:
        return self.collector or composition.make_collector(self.config, environment, self.backend)

    def _prompts(self) -> Dataset:
        return self.dataset or composition.make_dataset(self.config)


def _of_another_engine(config: BenchmarkConfig, record: Record) -> tuple[Finding, ...]:
    """That a backend made by hand ran in place of the one that the config names."""
    engine, named = record.engine, config.backend
    if engine is None or engine.backend == named.type:
        return ()
    message = f"{engine.backend} was made by hand; {named.type} with {named.model}, which the config names, did not run"
    return (Finding("INFO", "backend", message),)
