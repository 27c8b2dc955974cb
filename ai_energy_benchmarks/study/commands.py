"""How the process of a cell is started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ai_energy_benchmarks.config.user_defaults import SWITCH
from ai_energy_benchmarks.machine.interpreter import module_command


def cell_command(config: Path) -> tuple[str, ...]:
    """A process of this package's own command, which ends when whoever started it does."""
    return module_command("ai_energy_benchmarks.cli.attended", "run", "-v", str(config))


def cell_environment(gpus: tuple[str, ...]) -> Mapping[str, str]:
    """Variables for it: the GPUs that it may see, and no defaults of the user's, which its config has already."""
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
    return {SWITCH: "1", **visible}
