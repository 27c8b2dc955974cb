"""The runner of engines that need a virtual environment of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.machine.interpreter import foreign_command
from ai_energy_benchmarks.study.commands import ATTENDED, SHARED, CellCommand, cell_environment
from ai_energy_benchmarks.study.runners.base import CellWork

# They would lead the other interpreter to modules of this one (Python manual, "Environment variables").
UNSET = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__", "CONDA_PREFIX")


@frozen
class VenvRunner:
    """Cells are processes of the interpreter of a virtual environment.

    Attributes:
        venv: its directory.
    """

    venv: Path

    @property
    def python(self) -> Path:
        """Its interpreter; not resolved, since the link is what makes it that of the environment."""
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def record(self) -> Mapping[str, str]:
        return {"kind": "venv", "venv": str(self.venv)}

    def command(self, work: CellWork) -> CellCommand:
        return CellCommand(
            foreign_command(str(self.python), *ATTENDED, str(work.config)),
            {**work.variables, **cell_environment(work.gpus), **self.variables()},
            unset=UNSET,
            shared_command=foreign_command(str(self.python), SHARED),
        )

    def variables(self) -> Mapping[str, str]:
        """What its ``activate`` sets: engines start programs of their environment by name."""
        path = os.pathsep.join([str(self.python.parent), os.environ.get("PATH", os.defpath)])
        return {"VIRTUAL_ENV": str(self.venv), "PATH": path}
