"""Text or plain mappings to a checked ``BenchmarkConfig``, and back. The only way in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as File

import attrs

from ai_energy_benchmarks.config import checks
from ai_energy_benchmarks.config.aienergyscore.legacy import modernise
from ai_energy_benchmarks.config.aienergyscore.profiles import with_profile
from ai_energy_benchmarks.config.key_paths import with_its_place
from ai_energy_benchmarks.config.known_blocks import KnownBlocks
from ai_energy_benchmarks.config.members import config_converter
from ai_energy_benchmarks.config.model import BenchmarkConfig, MetricsConfig
from ai_energy_benchmarks.config.overrides import override_paths, with_overrides
from ai_energy_benchmarks.config.renamed_keys import with_new_name, with_new_names
from ai_energy_benchmarks.config.user_defaults import UserDefaults
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.safety.marking import marked
from ai_energy_benchmarks.safety.secrets import learn_environment
from ai_energy_benchmarks.text import yaml_text
from ai_energy_benchmarks.text.converter import structure_fields
from ai_energy_benchmarks.text.problems import InvalidError, Path, Place, Problem, refusal, shown

__all__ = [
    "checked_mapping",
    "config_from_mapping",
    "config_from_yaml",
    "config_to_mapping",
    "config_to_yaml",
    "learn_secrets",
    "load_config",
    "mapping_from_file",
]

logger = logging.getLogger(__name__)
_REMEDY = "correct these keys; `ai-energy-benchmark validate FILE` checks a file without running it"


def load_config(
    path: str | File,
    overrides: Mapping[str, object] | None = None,
    *,
    profile: str | None = None,
    defaults: UserDefaults | None = None,
) -> BenchmarkConfig:
    """Read a YAML file.

    Args:
        path: of the file.
        overrides: nested mappings or dotted keys, laid over the file (``{"scenario.num_samples": 3}``).
        profile: a name of ``config.profiles``, whose settings are laid under the file.
        defaults: of ``config.user_defaults``, laid under all of these.

    Raises:
        ConfigError: the file cannot be read, or with all problems in it: path, line, value and nearest valid name.
    """
    document = yaml_text.read(File(path), otherwise=", or use run --model NAME")
    return _from_document(document, str(path), overrides or {}, profile, defaults)


def mapping_from_file(path: str | File) -> Mapping[str, object]:
    """The plain mapping in a YAML file, before any of its keys is checked.

    Args:
        path: of the file.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has problems as YAML.
    """
    document = yaml_text.read(File(path))
    if document.problems:
        raise refusal(str(path), document.problems, place_in(document, {}), remedy=_REMEDY)
    return document_mapping(document, str(path))


def config_from_yaml(text: str, source: str = "YAML text", *, stored: bool = False) -> BenchmarkConfig:
    """The config in a YAML text; ``source`` names it in messages.

    Args:
        text: YAML.
        source: names the text in messages.
        stored: whether the text is the ``config.yaml`` of a result: a reference ``${NAME}`` in it stands for a secret,
            and becomes ``***``; keys that were renamed since are read.

    Raises:
        ConfigError: with all problems.
    """
    document = yaml_text.parse(text, source, stored=stored)
    if stored:
        document = attrs.evolve(document, value=with_new_names(document.value))
    return _from_document(document, source, {})


def config_from_mapping(mapping: Mapping[str, object], source: str = "the config") -> BenchmarkConfig:
    """The config in plain mappings, lists and scalars. Text is taken as it is: ``${NAME}`` is replaced in files only.

    Args:
        mapping: blocks and keys as a file has them.
        source: names the mapping in messages.

    Raises:
        ConfigError: with all problems.
    """
    return _checked(mapping, source, (), lambda path: Place())


def config_to_mapping(config: BenchmarkConfig) -> dict[str, object]:
    """Plain mappings, lists and scalars, defaults included, from which the same config can be made.

    Args:
        config: as it was loaded.
    """

    def plain(_: object, __: object, value: object) -> object:
        if isinstance(value, tuple):
            return list(value)
        return str(value) if isinstance(value, File) else value

    return attrs.asdict(config, value_serializer=plain)


def config_to_yaml(config: BenchmarkConfig) -> str:
    """YAML text from which the same config can be read, but for secrets: they are ``${NAME}`` or ``***``.

    Args:
        config: as it was loaded.
    """
    return yaml_text.dump(marked(config_to_mapping(config)))


def learn_secrets(config: BenchmarkConfig) -> None:
    """Know the secrets of a config and of the environment, so that nothing that is written later holds them.

    Args:
        config: as it was loaded.
    """
    learn_environment()
    marked(config_to_mapping(config))


def document_mapping(document: yaml_text.Document, source: str) -> Mapping[str, object]:
    """The mapping that a config file must hold; a warning for each number that YAML 1.1 takes for another.

    Raises:
        ConfigError: it holds a list or a single value.
    """
    if not isinstance(document.value, Mapping):
        wrong = "is empty" if document.value is None else f"must hold a mapping with keys, got {shown(document.value)}"
        raise ConfigError(
            f"{source} {wrong}",
            remedy="a config needs at least backend.type and backend.model",
        )
    for doubt in document.doubts:
        logger.warning("%s, line %s: %s", source, document.line(doubt.path), doubt)
    return document.value


def place_in(document: yaml_text.Document, overrides: Mapping[str, object]) -> Callable[[Path], Place]:
    """How to find the place of a path that is in the file or came from an override."""
    changed = [path for path, _ in override_paths(overrides)]

    def place(path: Path) -> Place:
        overridden = any(path[: len(each)] == each for each in changed)
        return Place(override=True) if overridden else Place(document.line(path))

    return place


def _from_document(
    document: yaml_text.Document,
    source: str,
    overrides: Mapping[str, object],
    profile: str | None = None,
    defaults: UserDefaults | None = None,
) -> BenchmarkConfig:
    mapping = with_overrides(document_mapping(document, source), overrides)
    if profile is not None:
        mapping = with_profile(profile, mapping)
    if defaults is not None:
        mapping, source = defaults.under(mapping), f"{source} with the defaults of {defaults.file}"
    return _checked(mapping, source, document.problems, place_in(document, overrides))


def _checked(
    mapping: Mapping[str, object], source: str, known: tuple[Problem, ...], place: Callable[[Path], Place]
) -> BenchmarkConfig:
    config, problems = checked_mapping(mapping, known)
    if problems or config is None:
        raise refusal(source, problems, place, remedy=_REMEDY)
    return config


def checked_mapping(
    mapping: Mapping[str, object], known: Sequence[Problem] = (), blocks: KnownBlocks | None = None
) -> tuple[BenchmarkConfig | None, tuple[Problem, ...]]:
    """Structure and check a config without raising.

    Args:
        mapping: blocks and keys as a file has them.
        known: problems of the text that held it. Of a path that they name nothing further is reported.
        blocks: what configs that were checked before share with this one.

    Returns:
        The config, or None where it cannot be made, and all problems with their paths as written.
    """
    learn_environment()
    secured = marked(mapping)
    assert isinstance(secured, Mapping)
    modern = modernise(secured)
    problems = [*known, *modern.problems]
    config: BenchmarkConfig | None = None
    try:
        hooks = blocks.hooks if blocks else None
        config = structure_fields(config_converter(), BenchmarkConfig, _with_collectors(modern.mapping), hooks)
        later = checks.problems(config)
    except InvalidError as error:
        later = error.problems
    reported = {problem.path for problem in problems}
    named = (with_new_name(with_its_place(problem)) for problem in later)
    written = (attrs.evolve(problem, path=modern.as_written(problem.path)) for problem in named)
    problems += [problem for problem in written if problem.path not in reported]
    return config, tuple(problems)


def _with_collectors(mapping: Mapping[str, object]) -> Mapping[str, object]:
    """The default meters by name, so that each gets options of its own class."""
    metrics = mapping.get("metrics", {})
    if not isinstance(metrics, Mapping) or "collectors" in metrics:
        return mapping
    defaults = [member.type for member in MetricsConfig().collectors]
    return {**mapping, "metrics": {**metrics, "collectors": defaults}}
