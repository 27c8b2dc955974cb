"""The runner that needs nothing: cells run in the environment of the study."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.machine.interpreter import module_command
from ai_energy_benchmarks.study.commands import ATTENDED, SHARED, CellCommand, cell_environment
from ai_energy_benchmarks.study.runners.base import CellWork


@frozen
class ProcessRunner:
    """Cells are processes of this interpreter."""

    def record(self) -> Mapping[str, str]:
        return {"kind": "process"}

    def command(self, work: CellWork) -> CellCommand:
        return CellCommand(
            module_command(*ATTENDED, str(work.config)),
            {**work.variables, **cell_environment(work.gpus)},
            shared_command=module_command(SHARED),
        )
