"""The runner of engines in containers: docker, podman or apptainer, by their command lines."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from ai_energy_benchmarks.environment.software import IMAGE_VARIABLE, VARIABLES
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.container_engines import (
    ContainerEngine,
    Image,
    first_that_works,
    for_image_file,
    image_of,
    look_for,
)
from ai_energy_benchmarks.machine.gpu_notes import DIRECTORY_VARIABLE, notes_directory
from ai_energy_benchmarks.machine.interpreter import foreign_command
from ai_energy_benchmarks.registry import PLUGINS_VARIABLE
from ai_energy_benchmarks.study.commands import (
    ATTENDED,
    MARK_VARIABLE,
    STUDY_VARIABLE,
    CellCommand,
    cell_environment,
)
from ai_energy_benchmarks.study.plan.runner import SIF, ContainerConfig
from ai_energy_benchmarks.study.runners.arguments import ContainerRun, command_line, detached
from ai_energy_benchmarks.study.runners.asking import Question, ask, inherited
from ai_energy_benchmarks.study.runners.base import CellWork, Enquiry
from ai_energy_benchmarks.study.runners.handshake import MODULE, Answer
from ai_energy_benchmarks.study.runners.mounts import Mount, hub_home, mounts_of, same
from ai_energy_benchmarks.study.runners.venv import UNSET

_REFERENCE = re.compile(r"\$\{(\w+)")
# Handed over where they are set: what changes figures, which plugins are offered, and how the Hub is reached.
_HANDED_OVER = (
    *VARIABLES,
    *("CUDA_VISIBLE_DEVICES", PLUGINS_VARIABLE, MARK_VARIABLE, STUDY_VARIABLE),
    *(
        "HF_TOKEN",
        "HF_HUB_CACHE",
        "HF_ENDPOINT",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
    ),
    *("VLLM_CPU_KVCACHE_SPACE", "VLLM_USE_V1", "NCCL_DEBUG", "NCCL_P2P_DISABLE"),
)


@frozen
class ContainerRunner:
    """Cells are containers, each with a fresh engine.

    Attributes:
        engines: those that run in it.
        has_gpus: whether this machine has NVIDIA GPUs.
        engine: what runs it; None until it was looked for.
        image: as it is on this machine; None until then, when the name that the user wrote is what runs.
    """

    config: ContainerConfig
    engines: tuple[str, ...] = ()
    has_gpus: bool = False
    engine: ContainerEngine | None = None
    image: Image | None = None

    def record(self) -> Mapping[str, str]:
        engine = {"engine": self.engine.name} if self.engine else {}
        image = {"digest": self.image.digest, "id": self.image.id} if self.image else {}
        return {"kind": "container", "image": self.config.container, **engine, **image}

    def pinned(self) -> ContainerRunner:
        if self.config.container.endswith(SIF):
            engine = for_image_file(self.config.container, self.config.engine)
        else:
            engine = first_that_works() if self.config.engine == "auto" else look_for(self.config.engine)
        if self._passes_gpus and engine.gpu_gap:
            raise ConfigError(f"{engine.name}: {engine.gpu_gap}", remedy=engine.gpu_fix)
        return evolve(self, engine=engine, image=image_of(engine, self.config.container))

    def ask(self, enquiry: Enquiry) -> Answer:
        texts = "\n".join(text for some in enquiry.texts.values() for text in some)
        mounts = [mount for some in enquiry.texts.values() for text in some for mount in mounts_of(text)]
        changes = {**enquiry.variables, **cell_environment(enquiry.gpus), **self._variables()}
        run = self._run(self._inner(MODULE), mounts, changes, texts)
        install = "build the image with this version of the package: docker/build.sh"
        question = Question(
            command_line(self._in_use, run),
            inherited(UNSET, changes),
            f"image {self.config.container}",
            install,
            detached(self._in_use, run.name),
        )
        return ask(question, enquiry)

    def command(self, work: CellWork) -> CellCommand:
        text = work.config.read_text(encoding="utf-8")
        mounts = [same(work.directory, writable=True), *mounts_of(text)]
        changes = {**work.variables, **cell_environment(work.gpus), **self._variables()}
        # The config may have a relative path for its results, and the container another current directory.
        inner = self._inner(*ATTENDED, "--output-dir", os.path.abspath(work.directory), os.path.abspath(work.config))
        run = self._run(inner, mounts, changes, text)
        return CellCommand(
            command_line(self._in_use, run), changes, unset=UNSET, detached=detached(self._in_use, run.name)
        )

    @property
    def _in_use(self) -> ContainerEngine:
        """Without a look at the machine: the command as its user would type it."""
        name = "docker" if self.config.engine == "auto" else self.config.engine
        return self.engine or ContainerEngine(name, name, "")

    @property
    def _passes_gpus(self) -> bool:
        return self.config.gpus == "all" or (self.config.gpus == "auto" and self.has_gpus)

    def _inner(self, module: str, *arguments: str) -> Sequence[str]:
        return foreign_command(self.config.python, module, *arguments)

    def _run(
        self, inner: Sequence[str], mounts: Iterable[Mount], variables: Mapping[str, str], texts: str
    ) -> ContainerRun:
        kept = [same(path, writable=True) for path in self._kept()]
        names = [*variables, *_HANDED_OVER, *_REFERENCE.findall(texts), *self.config.variables]
        return ContainerRun(
            image=self.image.id if self.image else self.config.container,
            name=f"ai-energy-benchmark-{secrets.token_hex(6)}",
            inner=inner,
            mounts=(*dict.fromkeys([*kept, *mounts]), *self.config.mounts),
            variables=tuple(dict.fromkeys(names)),
            gpus=self._passes_gpus,
            share=self.config.share,
        )

    def _kept(self) -> tuple[Path, ...]:
        """Directories that outlive a container: the cache of the Hub, and the notes of what GPUs were set to before."""
        cache = os.environ.get("HF_HUB_CACHE")
        hub = (hub_home(), *((Path(cache),) if cache else ()))
        kept = (*hub, *((notes_directory().parent,) if self._passes_gpus else ()))
        for path in kept:
            path.mkdir(parents=True, exist_ok=True)  # docker would make it as root
        return kept

    def _variables(self) -> Mapping[str, str]:
        digest = self.image.digest if self.image else "unknown"
        notes = {DIRECTORY_VARIABLE: str(notes_directory().parent)} if self._passes_gpus else {}
        return {"HF_HOME": str(hub_home()), IMAGE_VARIABLE: f"{self.config.container}@{digest}", **notes,
                "PYTHONNOUSERSITE": "1"}  # fmt: skip
