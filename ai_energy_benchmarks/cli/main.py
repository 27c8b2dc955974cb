"""The entry point: subcommands loaded when they are asked for, one clear message per error, the exit codes."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

import click

from ai_energy_benchmarks.cli.exit_codes import CONFIG, DONE, INTERRUPTED, RUN_FAILED
from ai_energy_benchmarks.cli.lazy import LazyGroup
from ai_energy_benchmarks.cli.leaving import Endings, leave
from ai_energy_benchmarks.cli.streams import open_streams, say
from ai_energy_benchmarks.domain.openmp import passive_waiting
from ai_energy_benchmarks.errors import BenchmarkError, ConfigError
from ai_energy_benchmarks.safety.exceptions import without_secrets
from ai_energy_benchmarks.safety.secrets import learn_environment

PROGRAM = "ai-energy-benchmark"
COMMANDS: Mapping[str, str] = {
    "run": "ai_energy_benchmarks.cli.run:run",
    "validate": "ai_energy_benchmarks.cli.validate:validate",
    "recover": "ai_energy_benchmarks.cli.recover:recover",
    "reanalyze": "ai_energy_benchmarks.cli.reanalyze:reanalyze",
    "init": "ai_energy_benchmarks.cli.init:init",
    "schema": "ai_energy_benchmarks.cli.schema:schema",
    "doctor": "ai_energy_benchmarks.cli.doctor:doctor",
    "study": "ai_energy_benchmarks.cli.study:study",
    "batch": "ai_energy_benchmarks.cli.batch:batch",
    "rate": "ai_energy_benchmarks.cli.rate:rate",
    "report": "ai_energy_benchmarks.cli.report:report",
    "export": "ai_energy_benchmarks.cli.export:export",
    "import": "ai_energy_benchmarks.cli.import_:import_results",
    "submit": "ai_energy_benchmarks.cli.submission:submit",
    "verify": "ai_energy_benchmarks.cli.submission:verify",
    "compare": "ai_energy_benchmarks.cli.compare:compare",
    "aienergyscore": "ai_energy_benchmarks.cli.aienergyscore:aienergyscore",
    "list": "ai_energy_benchmarks.cli.list:list_members",
    "small-model": "ai_energy_benchmarks.cli.small_model:small_model",
}

logger = logging.getLogger(__name__)


class Commands(LazyGroup):
    """All commands."""

    TARGETS = COMMANDS


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ai_energy_benchmarks", prog_name=PROGRAM)
def group() -> None:
    """Measure what AI inference costs in energy: joules per token, with the meter, the bounds and a verdict."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line (that of the process if None) and leave with its exit code."""
    open_streams()
    os.environ.update(passive_waiting(os.environ))  # before any engine is loaded; what is started inherits it
    learn_environment()
    with Endings() as endings:
        put_gpus_back()
        code = exit_code(arguments)
        put_gpus_back()
    leave(endings.code or code if code == INTERRUPTED else code)


def put_gpus_back() -> None:
    """Undo what runs that were killed had set GPUs to: those before this command, and those that it started."""
    from ai_energy_benchmarks.machine.gpu_notes import notes_directory

    if any(notes_directory().glob("*.json")):
        from ai_energy_benchmarks.machine.gpu_settings import restore_left

        for sentence in restore_left():
            say(f"note: {sentence}", err=True)


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; errors are written to standard error."""
    try:
        with without_secrets():
            code = group.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        say(text.getvalue().rstrip(), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted", err=True)
        return INTERRUPTED
    except BenchmarkError as error:
        say(f"error: {error}", err=True)
        logger.debug("the error in full", exc_info=error)
        return CONFIG if isinstance(error, ConfigError) else RUN_FAILED
    except SystemExit as error:  # click's, for a stream whose reader is gone
        return error.code if isinstance(error.code, int) else RUN_FAILED
    return code if isinstance(code, int) else DONE
