"""The command lines of docker, podman and apptainer, which share most of their arguments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from attrs import frozen

from ai_energy_benchmarks.machine.container_engines import ContainerEngine
from ai_energy_benchmarks.study.commands import Detached
from ai_energy_benchmarks.study.plan.runner import Share
from ai_energy_benchmarks.study.runners.mounts import Mount


@frozen
class ContainerRun:
    """One container.

    Attributes:
        image: what names it for good.
        name: of the container.
        inner: the command line in it.
        mounts: as ``HOST:CONTAINER`` and ``HOST:CONTAINER:ro``.
        variables: names of environment variables that are handed over; their values are in no command line.
        gpus: whether all NVIDIA GPUs are passed through; which of them count is what ``CUDA_VISIBLE_DEVICES`` says.
        share: namespaces of the host.
    """

    image: str
    name: str
    inner: Sequence[str]
    mounts: Sequence[Mount | str]
    variables: Sequence[str]
    gpus: bool
    share: Sequence[Share]


def command_line(engine: ContainerEngine, run: ContainerRun) -> tuple[str, ...]:
    """The command that runs it in the foreground, with the standard input of its first process open."""
    build = _apptainer if engine.name == "apptainer" else _docker_like
    return tuple(build(engine, run))


def detached(engine: ContainerEngine, name: str) -> Detached | None:
    """How a container is ended that is no child of its command; those of apptainer are."""
    if engine.name == "apptainer":
        return None
    return Detached(
        end=(engine.program, "kill", name),
        first_process=(engine.program, "inspect", "--format", "{{.State.Pid}}", name),
    )


def _docker_like(engine: ContainerEngine, run: ContainerRun) -> Iterator[str]:
    podman = engine.name == "podman"
    yield from (engine.program, "run", "--rm", "--interactive", "--name", run.name)
    yield from ("--label", "ai_energy_benchmarks=cell")
    yield from _user(engine)
    if podman:
        yield from ("--security-opt", "label=disable")  # SELinux would keep the container from what is mounted
    for space in run.share:
        yield from (f"--{space}", "host")
    if not podman and "pid" not in run.share:
        yield "--init"  # else the first process is ours, which reaps no processes that lost their parents
    if run.gpus:
        # By CDI in podman, by the toolkit's hook in docker. NVML is "utility" (NVIDIA Container Toolkit, "Specialized
        # Configurations with Docker").
        yield from ("--device", "nvidia.com/gpu=all") if podman else ("--gpus", "all")
        yield from ("--env", "NVIDIA_DRIVER_CAPABILITIES=compute,utility")
    for mount in run.mounts:
        yield from ("--mount", mount.mount()) if isinstance(mount, Mount) else ("--volume", mount)
    for name in run.variables:
        yield from ("--env", name)
    program, *arguments = run.inner
    yield from ("--entrypoint", program, run.image, *arguments)


def _user(engine: ContainerEngine) -> Iterator[str]:
    """Whoever runs the study, so that the results are theirs."""
    if not hasattr(os, "getuid"):
        return
    user = f"{os.getuid()}:{os.getgid()}"
    if not engine.rootless:
        yield from ("--user", user)
    elif engine.name == "podman":
        yield from ("--userns", "keep-id", "--user", user)
    # In a rootless docker root is whoever runs it, and all others are users that own nothing.


def _apptainer(engine: ContainerEngine, run: ContainerRun) -> Iterator[str]:
    """Apptainer runs as the user who calls it, with that environment, home and network."""
    yield from (engine.program, "exec")
    for space in ("pid", "ipc"):
        if space not in run.share:
            yield f"--{space}"
    if run.gpus:
        yield "--nv"
    for mount in run.mounts:
        yield from ("--bind", mount.bind() if isinstance(mount, Mount) else mount)
    yield from (run.image, *run.inner)
