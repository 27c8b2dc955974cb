"""``execution.runners`` of a study: which engine runs where."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import frozen

from ai_energy_benchmarks.text.ranges import Text

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
