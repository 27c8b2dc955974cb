"""Whether an engine runs on more machines than this one: by its arguments, its environment and its processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from attrs import evolve, frozen

from ai_energy_benchmarks.machine.processes import PROC, ancestors
from ai_energy_benchmarks.machine.programs import Program, environment_of, program_tree, read_program

# Arguments that count nodes: of vLLM, SGLang and torchrun (docs.vllm.ai/en/latest/serving/parallelism_scaling,
# docs.sglang.ai multi-node deployment, pytorch.org/docs/stable/elastic/run.html) and DeepSpeed's launcher.
_NODES = ("--nnodes", "--num-nodes")
# Sizes whose product is the number of processes with a GPU each, in every spelling of vLLM, SGLang and TensorRT-LLM.
_TENSOR = ("--tensor-parallel-size", "-tp", "--tp-size", "--tp")
_PIPELINE = ("--pipeline-parallel-size", "-pp", "--pp-size", "--pp")
_DATA = ("--data-parallel-size", "-dp", "--dp-size", "--dp")
_LAUNCHERS = frozenset(("mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prterun", "srun"))
# Number of processes → number on this machine, as Open MPI (mpirun(1), "Exported Environment Variables"), MPICH and
# torchrun set them.
_WORLDS = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_SIZE", "MPI_LOCALNRANKS"),
    ("WORLD_SIZE", "LOCAL_WORLD_SIZE"),
)
_SLURM_NODES = "SLURM_STEP_NUM_NODES"  # srun(1), output environment variables


@frozen
class Spread:
    """What is not seen from here.

    Attributes:
        reason: a sentence without a full stop.
        certain: whether other machines surely take part; a Ray cluster may well be this machine alone.
    """

    reason: str
    certain: bool


def spread(
    roots: Sequence[int], proc: Path = PROC, gpus: int | None = None, arguments: Sequence[str] = ()
) -> Spread | None:
    """Why not all of an engine runs here; None if nothing says so.

    Args:
        roots: its first processes.
        gpus: how many GPUs this machine has; None if unknown.
        arguments: what the first of the processes was given in addition to its command line.
    """
    tree = program_tree(roots, proc)
    if arguments and tree:
        tree = (evolve(tree[0], command=(*tree[0].command, *arguments)), *tree[1:])
    above = [process for root in roots for process in _launchers(root, proc)]
    for process in (*tree, *above):
        surely = chain(_counted_nodes(process), _far_peers(process), _world(environment_of(process.pid, proc)))
        for reason in surely:
            return Spread(f"{_named(process)} {reason}", certain=True)
        for reason in chain(_too_many(process, gpus), _slurm(environment_of(process.pid, proc))):
            return Spread(f"{_named(process)} {reason}", certain=False)
    return _ray(tree)


def _launchers(pid: int, proc: Path) -> Iterator[Program]:
    """The processes above that start an engine on many machines."""
    for above in ancestors(pid, proc)[1:]:
        program = read_program(above.pid, proc)
        if program is not None and program.names & _LAUNCHERS:
            yield program


def _counted_nodes(process: Program) -> Iterator[str]:
    for name in _NODES:
        value = _value(process.command, name) or ""
        if value.partition(":")[0].isdecimal() and int(value.rpartition(":")[2] or 0) > 1:  # torchrun: least:most
            yield f"was started with {name} {value}"
    if "srun" in process.names:
        value = _value(process.command, "-N", "--nodes") or ""
        if value.isdecimal() and int(value) > 1:
            yield f"was started with --nodes {value}"
    elif process.names & _LAUNCHERS:
        hosts = _value(process.command, "-H", "--host", "-host", "-hosts") or ""
        if len({host.partition(":")[0] for host in hosts.split(",") if host}) > 1:
            yield f"was started on the hosts {hosts}"
        elif (file := _value(process.command, "--hostfile", "-hostfile", "--machinefile", "-machinefile")) is not None:
            yield f"was started on the hosts of {file}"


def _far_peers(process: Program) -> Iterator[str]:
    """vLLM's data parallelism with a part of its copies elsewhere (docs.vllm.ai, Data Parallel Deployment)."""
    command = process.command
    size, local = (_number(command, name) for name in ("--data-parallel-size", "--data-parallel-size-local"))
    size = size or _number(command, "-dp")
    local = local if local is not None else _number(command, "-dpl")
    if size and local is not None and local < size:
        yield f"holds {local} of the {size} copies of the model (--data-parallel-size-local)"
    if _value(command, "--data-parallel-backend", "-dpb") == "ray":
        yield "places copies of the model in a Ray cluster (--data-parallel-backend ray)"


def _too_many(process: Program, gpus: int | None) -> Iterator[str]:
    # SGLang's attention copies share the GPUs of its tensor parallelism (docs.sglang.ai, DP attention).
    shared = "--enable-dp-attention" in process.command
    wanted = 1
    for names in (_TENSOR, _PIPELINE) if shared else (_TENSOR, _PIPELINE, _DATA):
        wanted *= next((size for name in names if (size := _number(process.command, name)) is not None), 1)
    if gpus and wanted > gpus:
        yield f"needs {wanted} GPUs for its parallel sizes, and this machine shows {gpus}"


def _world(environment: Mapping[str, str]) -> Iterator[str]:
    for size, local in _WORLDS:
        if _more(environment.get(size), environment.get(local)):
            yield f"is one of {environment[size]} processes of which {environment[local]} run here ({size})"


def _slurm(environment: Mapping[str, str]) -> Iterator[str]:
    if _more(environment.get(_SLURM_NODES), "1"):
        yield f"runs in a job step of {environment[_SLURM_NODES]} nodes ({_SLURM_NODES})"


def _more(size: str | None, local: str | None) -> bool:
    return bool(size and local and size.isdecimal() and local.isdecimal() and int(size) > int(local) > 0)


def _ray(tree: Sequence[Program]) -> Spread | None:
    """Workers of a Ray cluster are children of its raylet, wherever that is, and not of the engine.

    A raylet that the engine has started itself is among its descendants, and its cluster is this machine's.
    """
    where = "its workers are not in the engine's process tree, and the cluster's other nodes cannot be seen from here"
    by_flag = [process for process in tree if _value(process.command, "--distributed-executor-backend") == "ray"]
    raylets = [process for process in tree if "raylet" in process.names]
    titles = [process for process in tree if any(name.startswith("ray::") for name in process.names)]
    if by_flag and not raylets:
        return Spread(
            f"{_named(by_flag[0])} runs in a Ray cluster (--distributed-executor-backend ray): {where}", False
        )
    if titles and (not raylets or raylets[0] is tree[0]):
        return Spread(
            f"{_named(titles[0])} is an actor of a Ray cluster, whose other nodes cannot be seen from here", False
        )
    return None


def _value(command: Sequence[str], *names: str) -> str | None:
    for position, word in enumerate(command):
        key, equals, value = word.partition("=")
        if key.replace("_", "-") in names or key in names:
            return value if equals else next(iter(command[position + 1 : position + 2]), None)
    return None


def _number(command: Sequence[str], name: str) -> int | None:
    value = _value(command, name)
    return int(value) if value is not None and value.isdecimal() else None


def _named(process: Program) -> str:
    return f"{process.name} (process {process.pid})"
