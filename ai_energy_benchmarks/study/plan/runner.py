"""``execution.runners`` of a study: which engine runs where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from attrs import evolve, frozen

from ai_energy_benchmarks.text.ranges import Text

SIF = ".sif"
Share = Literal["network", "pid", "ipc"]


@frozen
class VenvConfig:
    """An engine in a virtual environment of its own, which this package is installed in too.

    Attributes:
        venv: its directory; relative to the current directory of the command that begins the study.
    """

    venv: Path


@frozen
class ContainerConfig:
    """An engine in a container, whose image holds this package too.

    Attributes:
        container: the image; of apptainer the path of a ``.sif`` file.
        engine: what runs it; ``auto`` takes the first of docker, podman and apptainer that works.
        mounts: further ``HOST:CONTAINER`` or ``HOST:CONTAINER:ro`` paths; the cell's directory, the model, the
            dataset and the cache of the Hub are mounted without being named.
        variables: names of further environment variables that are handed on, with the values they have here.
        gpus: ``auto`` passes all GPUs through if this machine has any.
        share: namespaces of the host that are shared: its network (servers at ``localhost``, the Hub), its processes
            (so that other work on the machine can be seen), its shared memory (which engines on several GPUs need).
        python: the interpreter in the image that has the engine and this package.
    """

    container: Text
    engine: Literal["auto", "docker", "podman", "apptainer"] = "auto"
    mounts: tuple[Text, ...] = ()
    variables: tuple[Text, ...] = ()
    gpus: Literal["auto", "all", "none"] = "auto"
    share: tuple[Share, ...] = ("network", "pid", "ipc")
    python: Text = "python3"


RunnerConfig = Literal["process"] | VenvConfig | ContainerConfig


def with_whole_paths(runners: Mapping[str, RunnerConfig]) -> dict[str, RunnerConfig]:
    """The same with paths that hold wherever the study is resumed; links are kept, since venvs are made of them."""
    return {engine: _whole(config) for engine, config in runners.items()}


def _whole(config: RunnerConfig) -> RunnerConfig:
    if isinstance(config, VenvConfig):
        return VenvConfig(Path(os.path.abspath(config.venv.expanduser())))
    if isinstance(config, ContainerConfig) and config.container.endswith(SIF):
        return evolve(config, container=os.path.abspath(os.path.expanduser(config.container)))
    return config
