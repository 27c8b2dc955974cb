"""What the environment of a runner is and lacks, which a study asks in each before its first cell.

Nothing is loaded and no server is contacted. ``cli.handshake`` answers in a process of that environment.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.loading import config_from_yaml
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.progress import Silent
from ai_energy_benchmarks.domain.result import SCHEMA_VERSION
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.environment.software import library_versions, package_version
from ai_energy_benchmarks.errors import BenchmarkError
from ai_energy_benchmarks.runner.composition import make_backend, make_collector, make_dataset
from ai_energy_benchmarks.runner.looking import look
from ai_energy_benchmarks.runner.obstacles import Obstacles
from ai_energy_benchmarks.text.json_text import parsed

MODULE = "ai_energy_benchmarks.cli.handshake"
# Before the answer, since libraries print to standard output as they are imported.
MARK = "ai_energy_benchmarks handshake: "


@frozen
class Obstacle:
    """What keeps an engine from running.

    Attributes:
        fix: a command or a setting; empty where nothing helps.
    """

    text: str
    fix: str = ""


@frozen
class Answer:
    """The environment of a runner.

    Attributes:
        schema_version: of the reports that its copy of this package writes.
        libraries: installed version of each library that can change a figure.
        obstacles: engine → what keeps it from running.
    """

    schema_version: int
    package_version: str
    python: str
    libraries: Mapping[str, str]
    obstacles: Mapping[str, tuple[Obstacle, ...]]


def answer(configs: Mapping[str, Sequence[BenchmarkConfig]], environment: Environment) -> Answer:
    """That of this process, for engines with some of their configs."""
    return Answer(
        SCHEMA_VERSION,
        package_version(),
        platform.python_version(),
        library_versions(),
        {engine: tuple(dict.fromkeys(_obstacles(some, environment))) for engine, some in configs.items()},
    )


def _obstacles(configs: Iterable[BenchmarkConfig], environment: Environment) -> Iterator[Obstacle]:
    for config in configs:
        ready = registry.readiness("backends", config.backend.type, environment)
        if ready.state == "missing":
            yield Obstacle(ready.detail, ready.remedy or "")
            return
        yield from (Obstacle(error.message, error.remedy or "") for error in _in_the_way(config, environment))


def _in_the_way(config: BenchmarkConfig, environment: Environment) -> tuple[BenchmarkError, ...]:
    """As a run checks itself, but for prompts that would have to be downloaded."""
    found = Obstacles()

    def looked() -> None:
        backend = make_backend(config, Silent())
        on_the_hub = registry.dataset_for(config.scenario.dataset_name) == "huggingface"
        look(
            config,
            backend,
            found,
            dataset=None if on_the_hub else lambda: make_dataset(config),
            collector=lambda: make_collector(config, environment, backend),
        )

    found.tried(looked)
    return found.errors


def written(reply: Answer) -> str:
    """The line that ``read_answer`` reads."""
    obstacles = {engine: [[each.text, each.fix] for each in some] for engine, some in reply.obstacles.items()}
    return MARK + json.dumps(
        {"schema_version": reply.schema_version, "package_version": reply.package_version, "python": reply.python,
         "libraries": dict(reply.libraries), "obstacles": obstacles}
    )  # fmt: skip


def read_answer(text: str) -> Answer | None:
    """The answer in what a process has printed; None if there is none that can be read."""
    line = next((line for line in text.splitlines() if line.startswith(MARK)), None)
    if line is None:
        return None
    try:
        fields = parsed(line.removeprefix(MARK))
        obstacles = {engine: tuple(Obstacle(*each) for each in some) for engine, some in fields["obstacles"].items()}
        version, package = fields["schema_version"], fields["package_version"]
        return Answer(version, package, fields["python"], fields["libraries"], obstacles)
    except (ValueError, KeyError, TypeError, AttributeError):  # cut short, or another program's
        return None


def reply_to(texts: Mapping[str, Sequence[str]]) -> Answer:
    """The answer to engines with some of their configs as YAML."""
    configs: dict[str, list[BenchmarkConfig]] = {}
    refused: dict[str, tuple[Obstacle, ...]] = {}
    for engine, some in texts.items():
        try:
            configs[engine] = [config_from_yaml(text, f"a cell of {engine}") for text in some]
        except BenchmarkError as error:  # another version of this package, with other keys
            refused[engine] = (Obstacle(error.message, error.remedy or ""),)
    reply = answer(configs, take_snapshot())
    return evolve(reply, obstacles={**reply.obstacles, **refused})
