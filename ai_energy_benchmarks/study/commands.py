"""How the process of a cell is started."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ai_energy_benchmarks.config.user_defaults import SWITCH

# A process of this package's own command, which ends when whoever started it does; the config follows.
ATTENDED = ("ai_energy_benchmarks.cli.attended", "run", "-v")
# In the environment of every process of one cell; a server that a cell launches has a mark of its own besides.
MARK_VARIABLE = "AEB_CELL_MARK"
# And which study's: its directory.
STUDY_VARIABLE = "AEB_CELL_STUDY"
# A process in which several cells run; the number of the descriptor that it reports to follows.
SHARED = "ai_energy_benchmarks.cli.sharing"


@frozen
class Detached:
    """Work that goes on outside the process that was started, such as a container that a daemon runs.

    Attributes:
        end: the command that ends it at once.
        first_process: the command that prints the number of its first process on this machine.
    """

    end: tuple[str, ...]
    first_process: tuple[str, ...]


@frozen
class CellCommand:
    """How one cell is measured, as its runner says.

    Attributes:
        command: the whole command line; its last part is the path of the cell's config.
        environment: variables to set in addition to those that the process inherits.
        unset: variables that it must not inherit.
        shared_command: starts a process for several cells of a block, once the number of the descriptor that it
            reports to is added; empty where there is no such process.
        detached: what of it runs outside the process; None where nothing does.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(factory=dict)
    unset: tuple[str, ...] = ()
    shared_command: tuple[str, ...] = ()
    detached: Detached | None = None


def cell_environment(gpus: tuple[str, ...]) -> Mapping[str, str]:
    """Variables for it: the GPUs that it may see, and no defaults of the user's, which its config has already."""
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
    return {SWITCH: "1", **visible}
