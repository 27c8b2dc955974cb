"""Asking the environment of a runner what it is, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.result import SCHEMA_VERSION
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.commands import Detached
from ai_energy_benchmarks.study.outside import end_detached
from ai_energy_benchmarks.study.runners.base import Enquiry
from ai_energy_benchmarks.study.runners.handshake import Answer, Obstacle, read_answer

# Importing an engine's package from a cold network disk, or starting a container of 20 GB, takes minutes at worst.
_ANSWER_CAP_S = 300.0
_NOT_INSTALLED = re.compile(r"No module named '?ai_energy_benchmarks(?![\w.])")
_TOO_OLD = re.compile(r"No module named '?ai_energy_benchmarks\.")
_LACKS = re.compile(r"No module named '?([\w.]+)")


@frozen
class Question:
    """How an environment is asked.

    Attributes:
        command: the whole command line.
        variables: its whole environment.
        where: names the environment in messages.
        install: the command that installs this version of this package there.
        detached: what of it runs outside the process that is started.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str]
    where: str
    install: str
    detached: Detached | None = None


def ask(question: Question, enquiry: Enquiry) -> Answer:
    """What the environment answers, with what its fixes have to name.

    Raises:
        ConfigError: it does not answer, or writes reports of another schema version.
    """
    try:
        done = subprocess.run(
            question.command, input=json.dumps(enquiry.texts), env=dict(question.variables), capture_output=True,
            text=True, errors="replace", timeout=_ANSWER_CAP_S, check=False,
        )  # fmt: skip
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise ConfigError(f"{question.where} cannot be started: {error}", remedy=question.install) from error
    except subprocess.TimeoutExpired as error:
        end_detached(question.detached)
        raise ConfigError(
            f"{question.where} has not answered within {_ANSWER_CAP_S:g} s",
            remedy=f"see what it waits for: echo '{{}}' | {shlex.join(question.command)}",
        ) from error
    reply = read_answer(done.stdout)
    if reply is None:
        raise _no_answer(question, done)
    if reply.schema_version != SCHEMA_VERSION:
        raise ConfigError(
            f"{question.where}: ai_energy_benchmarks {reply.package_version} there writes reports of schema version "
            f"{reply.schema_version}, this one of {SCHEMA_VERSION}",
            remedy=question.install,
        )
    return reply


def _no_answer(question: Question, done: subprocess.CompletedProcess[str]) -> ConfigError:
    """The error of an environment that printed something else, with what mends it where that can be seen."""
    last = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "")
    if _NOT_INSTALLED.search(done.stderr):
        return ConfigError(f"{question.where}: ai_energy_benchmarks is not installed there", remedy=question.install)
    if _TOO_OLD.search(done.stderr):
        text = f"{question.where}: ai_energy_benchmarks there is too old to be asked what it is"
        return ConfigError(text, remedy=question.install)
    if lacks := _LACKS.search(done.stderr):
        text = f"{question.where}: ai_energy_benchmarks there lacks a package: {lacks[1]}"
        return ConfigError(text, remedy=question.install)
    return ConfigError(
        f"{question.where} does not answer: {last or f'exit code {done.returncode}'}",
        remedy=f"see what it prints: echo '{{}}' | {shlex.join(question.command)}",
    )


def inherited(unset: Sequence[str], changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process with changes."""
    return {**{name: value for name, value in os.environ.items() if name not in unset}, **changes}


def named_there(reply: Answer, program: str) -> Answer:
    """The answer with fixes that can be pasted here: ``pip`` becomes that of the environment."""
    there = {
        engine: tuple(Obstacle(each.text, re.sub(r"(^|&& )pip ", rf"\1{program} ", each.fix)) for each in some)
        for engine, some in reply.obstacles.items()
    }
    return evolve(reply, obstacles=there)
