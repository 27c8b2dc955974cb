"""The runner that needs nothing: cells run in the environment of the study."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.machine.installing import arguments
from ai_energy_benchmarks.machine.interpreter import module_command
from ai_energy_benchmarks.study.commands import ATTENDED, SHARED, CellCommand, cell_environment
from ai_energy_benchmarks.study.runners.asking import Question, ask, inherited
from ai_energy_benchmarks.study.runners.base import CellWork, Enquiry
from ai_energy_benchmarks.study.runners.handshake import MODULE, Answer, answer


@frozen
class ProcessRunner:
    """Cells are processes of this interpreter."""

    def record(self) -> Mapping[str, str]:
        return {"kind": "process"}

    def pinned(self) -> ProcessRunner:
        return self

    def ask(self, enquiry: Enquiry) -> Answer:
        """Of this process; in a child where cells see fewer GPUs than this process does."""
        if not enquiry.gpus:
            configs = {engine: [config_from_mapping(each) for each in some] for engine, some in enquiry.configs.items()}
            return answer(configs, take_snapshot())
        variables = inherited((), {**enquiry.variables, **cell_environment(enquiry.gpus)})
        install = f"{sys.executable} -m pip install --force-reinstall {arguments(())}"
        return ask(Question(module_command(MODULE), variables, "this environment", install), enquiry)

    def command(self, work: CellWork) -> CellCommand:
        return CellCommand(
            module_command(*ATTENDED, str(work.config)),
            {**work.variables, **cell_environment(work.gpus)},
            shared_command=module_command(SHARED),
        )
