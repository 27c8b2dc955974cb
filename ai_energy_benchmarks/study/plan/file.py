"""Reading the file of a study: everything that is wrong with it in one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as File

import attrs
from attrs import evolve

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.loading import document_mapping, place_in
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.config.user_defaults import UserDefaults, laid_under
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.safety.handing_over import handed_over
from ai_energy_benchmarks.study.plan.axes import Axis, read_axes
from ai_energy_benchmarks.study.plan.partial import Partial
from ai_energy_benchmarks.study.plan.runner import with_whole_paths
from ai_energy_benchmarks.study.plan.study import REMEDY, Study, StudyConfig, is_study
from ai_energy_benchmarks.text import yaml_text
from ai_energy_benchmarks.text.converter import plain_converter
from ai_energy_benchmarks.text.problems import InvalidError, Path, Place, Problem, nearest, refusal

_SWEEP = "sweep."
# In a study one process measures a cell once; the scatter between processes is what the intervals are made of.
_CELL_DEFAULTS: Mapping[str, object] = {"protocol": {"trials": 1, "repeats": "cycles"}}


def load_study(
    path: str | File, overrides: Mapping[str, object] | None = None, *, defaults: UserDefaults | None = None
) -> Study:
    """Read the file of a study; its cells are checked by ``study.expansion``.

    Args:
        overrides: nested mappings or dotted keys, laid over the file (``{"base.scenario.num_samples": 3}``).
        defaults: of the user, laid under ``base``.

    Raises:
        ConfigError: the file cannot be read, or with all problems in it.
    """
    document, overrides = yaml_text.read(File(path)), overrides or {}
    axes = {key: value for key, value in overrides.items() if key.startswith(_SWEEP)}
    others = {key: value for key, value in overrides.items() if key not in axes}
    mapping = _with_axes(with_overrides(document_mapping(document, str(path)), others), axes)
    if "backend" in mapping and not is_study(mapping):
        raise ConfigError(
            f"{path} is a single benchmark, not a study",
            remedy=f"`ai-energy-benchmark validate {path}` checks it and `ai-energy-benchmark run {path}` measures it; "
            "a study has base, sweep or experiments",
        )
    under = defaults.mapping if defaults else {}
    return _study(mapping, str(path), document.problems, place_in(document, others), under)


def _with_axes(mapping: dict[str, object], axes: Mapping[str, object]) -> dict[str, object]:
    """Axes have dots in their names, so ``sweep.load.concurrency=[1, 8]`` sets one key of ``sweep``."""
    before = mapping.get("sweep", {})
    if not axes or not isinstance(before, Mapping):
        return mapping
    sweep = dict(before)
    for key, value in axes.items():
        name = key.removeprefix(_SWEEP)
        engine, _, inner = name.partition(".")
        if inner and engine in registry.names("backends"):
            scope = sweep.get(engine, {})
            sweep[engine] = {**(scope if isinstance(scope, Mapping) else {}), inner: value}
        else:
            sweep[name] = value
    return {**mapping, "sweep": sweep}


def study_from_mapping(mapping: Mapping[str, object], source: str = "the study") -> Study:
    """The study in plain mappings, lists and scalars.

    Raises:
        ConfigError: with all problems.
    """
    return _study(mapping, source, (), lambda path: Place(), {})


def study_to_yaml(config: StudyConfig, seed: int) -> str:
    """The text of ``study.yaml``: the study with what its cells took from elsewhere, without its place.

    A secret that the user wrote as ``${NAME}`` stays that, another one becomes ``${AEB_SECRET_…}``.
    """
    plain = attrs.asdict(evolve(config, output_dir=None, design=evolve(config.design, seed=seed)))
    named, _ = handed_over({key: value for key, value in plain.items() if key != "output_dir"})
    return yaml_text.dump(_listed(named))


def _listed(value: object) -> object:
    """Lists for tuples and text for paths, which YAML does not have; keys that are not set are absent."""
    if isinstance(value, Mapping):
        return {key: _listed(each) for key, each in value.items() if each is not None}
    if isinstance(value, File):
        return str(value)
    return [_listed(each) for each in value] if isinstance(value, (list, tuple)) else value


def _study(
    mapping: Mapping[str, object],
    source: str,
    known: tuple[Problem, ...],
    place: Callable[[Path], Place],
    defaults: Mapping[str, object],
) -> Study:
    config, axes, problems = _read(mapping)
    problems = [*known, *problems]
    if problems or config is None:
        partial = Partial.of(mapping, problems)
        further = partial.problems(lambda: _completed(*_read(partial.mapping)[:2], source, place, defaults))
        raise refusal(source, [*problems, *further], place, remedy=REMEDY)
    return _completed(config, axes, source, place, defaults)


def _read(mapping: Mapping[str, object]) -> tuple[StudyConfig | None, tuple[Axis, ...], list[Problem]]:
    """The keys and the axes of a study, as far as they can be read, and what is wrong with them."""
    problems: list[Problem] = []
    config: StudyConfig | None = None
    axes: tuple[Axis, ...] = ()
    try:
        config = plain_converter().structure(mapping, StudyConfig)
    except InvalidError as error:
        problems += error.problems
    sweep = mapping.get("sweep")
    if isinstance(sweep, Mapping):
        axes, wrong = read_axes({str(key): value for key, value in sweep.items()})
        problems += wrong
    problems += _contradictions(mapping)
    problems += _unknown_engines(config)
    return config, axes, problems


def _completed(
    config: StudyConfig | None,
    axes: tuple[Axis, ...],
    source: str,
    place: Callable[[Path], Place],
    defaults: Mapping[str, object],
) -> Study:
    """The study with what its cells take from elsewhere."""
    config = config or StudyConfig()
    if config.execution.isolation == "shared":
        config = evolve(config, design=evolve(config.design, blocks=True))
    base = laid_under(laid_under(_CELL_DEFAULTS, defaults), config.base)
    execution = evolve(config.execution, runners=with_whole_paths(config.execution.runners))
    return Study(evolve(config, base=base, execution=execution), axes, source, place)


def _unknown_engines(config: StudyConfig | None) -> list[Problem]:
    known = registry.names("backends")
    named = config.execution.runners if config is not None else {}
    return [
        Problem(("execution", "runners", name), f"is no engine{nearest(name, known)}; known: {', '.join(known)}")
        for name in named
        if name not in known
    ]


def _contradictions(mapping: Mapping[str, object]) -> list[Problem]:
    found = []
    base, design = mapping.get("base"), mapping.get("design")
    for key in ("name", "output_dir"):
        if isinstance(base, Mapping) and key in base:
            found.append(Problem(("base", key), f"belongs to the study; write {key} at the top of the file"))
    if isinstance(design, Mapping) and design.get("cycles") is not None and design.get("until") is not None:
        found.append(Problem(("design", "cycles"), "contradicts until, which decides how many there are; keep one"))
    until = design.get("until") if isinstance(design, Mapping) else None
    if isinstance(until, Mapping):
        fewest, most = until.get("min_cycles", 3), until.get("max_cycles", 20)
        if isinstance(fewest, int) and isinstance(most, int) and fewest > most:
            text = f"must be at least min_cycles ({fewest}), got {most}"
            found.append(Problem(("design", "until", "max_cycles"), text))
    return found
