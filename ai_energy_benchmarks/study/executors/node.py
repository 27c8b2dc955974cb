"""What runs on a node: one cell at a time, in a process of its own, with the same limits as on one machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.environment import Board, Environment
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.errors import BenchmarkError, ConfigError, ReporterError
from ai_energy_benchmarks.machine.launched import Launched
from ai_energy_benchmarks.study.drift import fingerprint
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun, NodeFacts
from ai_energy_benchmarks.study.executors.local import Child
from ai_energy_benchmarks.study.executors.orders import CellOrder
from ai_energy_benchmarks.study.executors.token import has_token
from ai_energy_benchmarks.study.locks import lock_directory, locked

# In the environment of a cell's processes: which study on which node they belong to.
PLACE_VARIABLE = "AEB_CELL_PLACE"
_GRACE_S = 30.0
_LEFT_CAP_S = 60.0
_LOOK_S = 0.25
_KILLED = -9
# Variables in which schedulers say where a job is; nothing that could be a secret.
_SCHEDULER = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_GPUS", "SLURM_JOB_PARTITION",
              "CUDA_VISIBLE_DEVICES")  # fmt: skip


@frozen
class _Unasked:
    """A cell on a node is finished; who does not want that ends its job."""

    finish: bool = False


def run_order(order: CellOrder, scheduler: Mapping[str, str] | None = None) -> tuple[CellEnd, dict[str, bytes]]:
    """Run one cell on this node.

    Args:
        scheduler: what the scheduler says of the node, in addition to its variables.

    Returns:
        How it ended; and, where the node does not see the study's directory, the files that it left, by their path
        below the cell's directory.
    """
    environment = take_snapshot()
    gpus = given_gpus(environment.boards, os.environ.get("CUDA_VISIBLE_DEVICES"))
    here = {name: value for name in _SCHEDULER if (value := os.environ.get(name)) is not None}
    facts = NodeFacts(
        socket.gethostname(), gpus, environment=_fingerprint(environment, gpus), scheduler={**here, **(scheduler or {})}
    )
    with _directory(order) as (run, copied):
        try:
            _check(order, environment)
            with locked(gpus, Path(order.study)):
                _end_what_was_left(order)
                facts = evolve(facts, gap_s=_rest(order.gap_s))
                facts = evolve(facts, started_utc=datetime.now(timezone.utc).isoformat(timespec="milliseconds"))
                end = _ended(run, order, gpus)
                _stamp().touch()
        except BenchmarkError as error:
            run.log.write_text(f"error: {error}\n", encoding="utf-8")
            end = CellEnd(run, "exited", None, 0.0, str(error))
        files = _files(run.directory) if copied else {}
    return evolve(end, node=facts), files


def given_gpus(boards: tuple[Board, ...], visible: str | None) -> tuple[str, ...]:
    """UUIDs of the GPUs that the scheduler gave to this process, from what it wrote into ``CUDA_VISIBLE_DEVICES``.

    It writes UUIDs, or indices in the order of the PCI bus, which is NVML's (CUDA C++ Programming Guide, "CUDA
    Environment Variables"; Slurm, "Generic Resource (GRES) Scheduling"). Unset means all that the driver shows.
    """
    if visible is None:
        return tuple(board.id for board in boards)
    known = {str(board.index): board.id for board in boards}
    given = []
    for name in filter(None, (part.strip() for part in visible.split(","))):
        found = known.get(name) or next((board.id for board in boards if board.id.startswith(name)), None)
        if found is not None:
            given.append(found)
    return tuple(given)


def _fingerprint(environment: Environment, gpus: tuple[str, ...]) -> dict[str, object]:
    """Of the node as such: which GPUs one job gets is no change of it, and the variable that says so neither."""
    facts = fingerprint(environment)
    facts.pop("variable CUDA_VISIBLE_DEVICES", None)
    facts["priority of cells (nice)"] = os.getpriority(os.PRIO_PROCESS, 0)
    facts["kind of its GPUs"] = ", ".join(sorted({board.name for board in environment.boards if board.id in gpus}))
    return facts


def _check(order: CellOrder, environment: Environment) -> None:
    if environment.package_version != order.version:
        raise ConfigError(
            f"{socket.gethostname()} has ai_energy_benchmarks {environment.package_version}, the study {order.version}",
            remedy=f'on every node: pip install "ai_energy_benchmarks=={order.version}"',
        )
    if not Path(order.command[0]).exists():
        raise ConfigError(
            f"{socket.gethostname()} has no {order.command[0]}, which runs the study",
            remedy="install the same environment at the same path on every node",
        )


def sees(order: CellOrder) -> bool:
    """Whether this node sees the directory of the study, and may write there."""
    if not has_token(Path(order.study), order.token):
        return False
    try:
        with tempfile.TemporaryFile(dir=order.directory):
            return True
    except OSError:
        return False


@contextmanager
def _directory(order: CellOrder) -> Iterator[tuple[CellRun, bool]]:
    """The cell as it runs here: in the study's directory if this node sees that, else in a temporary one."""
    if sees(order):
        yield _run(order), False
        return
    place = tempfile.mkdtemp(prefix="aeb-cell-")
    try:
        moved = evolve(
            order,
            directory=place,
            log=order.log.replace(order.directory, place),
            command=tuple(part.replace(order.directory, place) for part in order.command),
        )
        Path(moved.command[-1]).write_text(_with_directory(order.config, place), encoding="utf-8")
        yield _run(moved), True
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _with_directory(config: str, place: str) -> str:
    from ai_energy_benchmarks.text import yaml_text

    written = yaml_text.parse(config, "the cell").value
    assert isinstance(written, Mapping), "as this package wrote it"
    return yaml_text.dump({**written, "output_dir": place})


def _run(order: CellOrder) -> CellRun:
    working = Path(order.working_directory)
    return CellRun(
        cell=order.cell,
        cycle=order.cycle,
        command=order.command,
        directory=Path(order.directory),
        log=Path(order.log),
        environment={**order.variables, PLACE_VARIABLE: _place(order)},
        timeout_s=order.timeout_s,
        silence_s=order.silence_s,
        unset=order.unset,
        detached=order.detached,
        working_directory=working if working.is_dir() else Path(order.directory),
    )


def _place(order: CellOrder) -> str:
    return hashlib.sha256(f"{order.study}\n{socket.gethostname()}\n{lock_directory()}".encode()).hexdigest()[:32]


def _ended(run: CellRun, order: CellOrder, gpus: tuple[str, ...]) -> CellEnd:
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
    child = Child(evolve(run, environment={**run.environment, **visible}, gpus=gpus), _GRACE_S)
    end = child.run(_Unasked())
    if end.how == "exited" and end.exit_code == _KILLED:
        reason = "its process was killed (SIGKILL), as the system does where memory runs out"
        return evolve(end, how="lost", reason=reason)
    return end


def _end_what_was_left(order: CellOrder) -> None:
    """Two cells on a node would measure each other: what a lost worker of this study has left ends first."""
    earlier = Launched(_place(order), variable=PLACE_VARIABLE)
    until_s = time.monotonic() + _LEFT_CAP_S
    while earlier.members():
        if time.monotonic() > until_s:
            earlier.end(patience_s=0.0)
            if left := earlier.members():
                raise ReporterError(
                    f"processes of an earlier cell still run on {socket.gethostname()}: {sorted(left)}",
                    remedy="end them, or take the node out of the cluster",
                )
        time.sleep(_LOOK_S)


def _rest(gap_s: float) -> float:
    """Rest until the last cell on this node is so long ago; for how long."""
    try:
        since_s = time.time() - _stamp().stat().st_mtime
    except OSError:
        return 0.0
    rest_s = max(0.0, gap_s - max(0.0, since_s))
    time.sleep(rest_s)
    return rest_s


def _stamp() -> Path:
    """A file that is as old as the last cell on this node."""
    return lock_directory() / "last-cell"


def _files(directory: Path) -> dict[str, bytes]:
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                file = Path(folder, name)
                found[file.relative_to(directory).as_posix()] = file.read_bytes()
    return found
