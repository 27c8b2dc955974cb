"""The runner of engines that need a virtual environment of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.interpreter import foreign_command
from ai_energy_benchmarks.study.commands import ATTENDED, SHARED, CellCommand, cell_environment
from ai_energy_benchmarks.study.runners.asking import Question, ask, inherited, named_there
from ai_energy_benchmarks.study.runners.base import CellWork, Enquiry
from ai_energy_benchmarks.study.runners.handshake import MODULE, Answer
from ai_energy_benchmarks.study.runners.installing import requirement

# They would lead the other interpreter to modules of this one (Python manual, "Environment variables").
UNSET = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__", "CONDA_PREFIX")


@frozen
class VenvRunner:
    """Cells are processes of the interpreter of a virtual environment.

    Attributes:
        venv: its directory.
        engines: those that run in it, which decide what has to be installed there.
    """

    venv: Path
    engines: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """Its interpreter; not resolved, since the link is what makes it that of the environment."""
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def _pip(self) -> str:
        return f"{self.python} -m pip"

    def record(self) -> Mapping[str, str]:
        return {"kind": "venv", "venv": str(self.venv)}

    def pinned(self) -> VenvRunner:
        install = f"{self._pip} install {requirement(self.engines)}"
        if not self.python.exists():
            what = "holds no virtual environment" if self.venv.is_dir() else "does not exist"
            raise ConfigError(f"venv {self.venv} {what}", remedy=f"python3 -m venv {self.venv} && {install}")
        return self

    def ask(self, enquiry: Enquiry) -> Answer:
        changes = {**enquiry.variables, **cell_environment(enquiry.gpus), **self._activated()}
        question = Question(
            foreign_command(str(self.python), MODULE),
            inherited(UNSET, changes),
            f"venv {self.venv}",
            f"{self._pip} install {requirement(self.engines)}",
        )
        return named_there(ask(question, enquiry), self._pip)

    def command(self, work: CellWork) -> CellCommand:
        return CellCommand(
            foreign_command(str(self.python), *ATTENDED, str(work.config)),
            {**work.variables, **cell_environment(work.gpus), **self._activated()},
            unset=UNSET,
            shared_command=foreign_command(str(self.python), SHARED),
        )

    def _activated(self) -> Mapping[str, str]:
        """What its ``activate`` sets: engines start programs of their environment by name."""
        path = os.pathsep.join([str(self.python.parent), os.environ.get("PATH", os.defpath)])
        return {"VIRTUAL_ENV": str(self.venv), "PATH": path}
