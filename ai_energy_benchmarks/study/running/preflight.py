"""Before the first cell: whether the engines and GPUs of a study are there, in the environment of each runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.safety.handing_over import handed_over
from ai_energy_benchmarks.study.cells import Cell
from ai_energy_benchmarks.study.plan.clusters import LOCAL, RayConfig
from ai_energy_benchmarks.study.plan.design import ExecutionConfig
from ai_energy_benchmarks.study.plan.study import Study
from ai_energy_benchmarks.study.runners.base import CellRunner, Enquiry
from ai_energy_benchmarks.study.runners.choice import PROCESS, runners_of
from ai_energy_benchmarks.study.runners.handshake import Answer
from ai_energy_benchmarks.study.running.gpus import StudyGpus, study_gpus
from ai_energy_benchmarks.text.yaml_text import dump

# Of each engine, configs that differ in what may be missing; more differ in values, not in kind.
_MOST_ASKED = 100
_ASKED = ("backend.", "gpu.", "metrics.", "scenario.dataset", "scenario.text_column", "scenario.num_samples")


@frozen
class Obstacle:
    """What keeps the cells of an engine from running, or all of them.

    Attributes:
        engine: empty if it concerns all.
        fix: a command or a setting; empty where nothing helps.
    """

    engine: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        named = f"{self.engine}: {self.text}" if self.engine else self.text
        return f"{named}\n  fix: {self.fix}" if self.fix else named


@frozen
class Preflight:
    """What was found before the first cell.

    Attributes:
        runners: engine → its runner, with what names its environment for good.
        facts: name → value of what must stay the same in the environments of venvs and containers.
        obstacles: what keeps cells from running.
        warnings: what does not, but makes figures hard to compare.
        gpus: those of the study.
    """

    runners: Mapping[str, CellRunner] = field(factory=dict)
    facts: Mapping[str, object] = field(factory=dict)
    obstacles: tuple[Obstacle, ...] = ()
    warnings: tuple[str, ...] = ()
    gpus: StudyGpus = field(factory=StudyGpus)

    def refuse(self) -> None:
        """Return if every cell can run.

        Raises:
            ConfigError: with all that is in the way.
        """
        if not self.obstacles:
            return
        if len(self.obstacles) == 1:
            (only,) = self.obstacles
            text = f"{only.engine}: {only.text}" if only.engine else only.text
            raise ConfigError(text, remedy=only.fix or None)
        lines = [f"  {line}" for obstacle in self.obstacles for line in str(obstacle).splitlines()]
        raise ConfigError("\n".join([f"{len(self.obstacles)} problems prevent this study:", *lines]))


def look(study: Study, cells: Sequence[Cell], environment: Environment) -> Preflight:
    """Ask the environment of every runner; nothing is loaded and no server is contacted.

    Where cells run on other machines, their engines are not asked for here, but the way to these machines is.

    Args:
        environment: of this machine.
    """
    obstacles: list[Obstacle] = []
    gpus, elsewhere = StudyGpus(), study.config.execution.executor != LOCAL
    try:
        gpus = StudyGpus() if elsewhere else study_gpus(study.config.execution.gpus, environment.boards)
    except ConfigError as error:
        obstacles.append(Obstacle("", error.message, error.remedy or ""))
    engines = {cell.engine: None for cell in cells}
    runners = runners_of(study.config.execution.runners, has_gpus=bool(environment.boards))
    found = _Findings(dict(runners), {}, obstacles, [])
    for runner, some in _grouped({engine: runners.get(engine, PROCESS) for engine in engines}).items():
        if not (elsewhere and runner == PROCESS):  # the nodes have what counts, and check it themselves
            _look_at(runner, some, _enquiry(study, cells, some, gpus), found)
    if elsewhere:
        found.warnings.extend(f"on this machine, {str(each).splitlines()[0]}" for each in found.obstacles)
        found.obstacles.clear()
        _look_for_scheduler(study.config.execution, environment, found)
    found.warnings.extend(_other_versions(found.facts, environment.package_version))
    return Preflight(found.runners, found.facts, tuple(found.obstacles), tuple(found.warnings), gpus)


@frozen
class _Findings:
    runners: dict[str, CellRunner]
    facts: dict[str, object]
    obstacles: list[Obstacle]
    warnings: list[str]


def _look_for_scheduler(execution: ExecutionConfig, environment: Environment, found: _Findings) -> None:
    """Whether the scheduler that the study names can be reached from this machine, as far as can be seen here."""
    ready = registry.readiness("executors", execution.executor, environment)
    if ready.state == "missing":
        found.obstacles.append(Obstacle(f"executor: {execution.executor}", ready.detail, ready.remedy or ""))
    elif ready.state == "limited" and execution.ray in (None, RayConfig()):
        # Connecting shows whether it holds: a cluster at an address of its own leaves nothing on this machine.
        found.warnings.append(f"executor: {execution.executor}: {ready.detail}; fix: {ready.remedy}")


def _grouped(runners: Mapping[str, CellRunner]) -> dict[CellRunner, list[str]]:
    """Runner → its engines; engines of one environment are asked about together."""
    groups: dict[CellRunner, list[str]] = {}
    for engine, runner in runners.items():
        groups.setdefault(runner, []).append(engine)
    return groups


def _look_at(runner: CellRunner, engines: Sequence[str], enquiry: Enquiry, found: _Findings) -> None:
    try:
        pinned = runner.pinned()
        reply = pinned.ask(enquiry)
    except ConfigError as error:
        found.obstacles.extend(Obstacle(engine, error.message, error.remedy or "") for engine in engines)
        return
    where = "" if runner == PROCESS else f" in {' '.join([*runner.record().values()][:2])}"
    for engine in engines:
        found.runners[engine] = pinned
        gaps = reply.obstacles.get(engine, ())
        found.obstacles.extend(Obstacle(f"{engine}{where}", gap.text, gap.fix) for gap in gaps)
        if runner != PROCESS:
            found.facts.update({f"{engine}: {name}": value for name, value in _facts(pinned, reply).items()})


def _facts(runner: CellRunner, reply: Answer) -> dict[str, object]:
    libraries = {f"library {name}": version for name, version in reply.libraries.items()}
    return {**runner.record(), "package_version": reply.package_version, "python": reply.python, **libraries}


def _other_versions(facts: Mapping[str, object], version: str) -> Iterator[str]:
    for name, value in facts.items():
        if name.endswith(": package_version") and value != version:
            engine = name.removesuffix(": package_version")
            yield f"{engine} is measured by ai_energy_benchmarks {value}, the study is run by {version}"


def _enquiry(study: Study, cells: Sequence[Cell], engines: Sequence[str], gpus: StudyGpus) -> Enquiry:
    configs: dict[str, dict[str, Mapping[str, object]]] = {engine: {} for engine in engines}
    texts: dict[str, list[str]] = {engine: [] for engine in engines}
    variables: dict[str, str] = {}
    for cell in cells:
        some = configs.get(cell.engine)
        if some is None or len(some) >= _MOST_ASKED:
            continue
        kind = repr([pair for pair in cell.settings.items() if pair[0].startswith(_ASKED)])
        if kind not in some:
            some[kind] = mapping = with_overrides(study.config.base, cell.settings)
            named, secrets = handed_over(mapping)
            texts[cell.engine].append(dump(named))
            variables |= secrets
    return Enquiry({engine: tuple(some.values()) for engine, some in configs.items()}, texts, variables, gpus.visible)
