"""Single keys changed from the command line or from Python, over a config as read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.safety.keys import is_secret
from ai_energy_benchmarks.safety.marking import marked, masked
from ai_energy_benchmarks.safety.urls import HIDDEN
from ai_energy_benchmarks.text.problems import Path, dotted, shown
from ai_energy_benchmarks.text.yaml_text import parse, scalar


def with_overrides(mapping: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """A copy of ``mapping`` with the overrides laid over it.

    Args:
        overrides: nested mappings or dotted keys (``{"scenario.num_samples": 3}``). Mappings are merged, all
            else replaces what stood there.

    Raises:
        ConfigError: an override goes through a value that is no mapping.
    """
    result = _copied(mapping)
    for path, value in override_paths(overrides):
        _set(result, path, value)
    return result


def override_paths(overrides: Mapping[str, object], parent: Path = ()) -> Iterator[tuple[Path, object]]:
    """The path and value of every single override; an empty mapping is a value."""
    for key, value in overrides.items():
        path = (*parent, *str(key).split("."))
        if isinstance(value, Mapping) and value:
            yield from override_paths(value, path)
        else:
            yield path, value


def parse_assignments(assignments: Iterable[str]) -> dict[str, object]:
    """``["scenario.num_samples=3"]`` → ``{"scenario.num_samples": 3}``.

    A value is typed as an unquoted YAML scalar; one that begins with ``[``, ``{`` or a quote is read as YAML.

    Raises:
        ConfigError: an assignment has no ``=``, or no key, or its value is not YAML.
    """
    found: dict[str, object] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not all(key.split(".")):
            raise ConfigError(
                f"override {_shown_assignment(assignment)} is not of the form key=value",
                remedy="write -o scenario.num_samples=3",
            )
        secret = any(map(is_secret, key.split(".")))
        quoted = f"{key}={HIDDEN if secret else masked(text)}"
        found[key] = marked(_value(text, f"override {quoted!r}"), secret=secret)
    return found


def _shown_assignment(assignment: str) -> str:
    shown_words = masked(["-o", assignment])
    assert isinstance(shown_words, list)
    return shown(shown_words[1])


def _value(text: str, source: str) -> object:
    if not text.startswith(("[", "{", '"', "'")):
        return scalar(text)
    document = parse(text, source)
    if document.problems:
        raise ConfigError(f"{source}: {document.problems[0].text}", remedy="write the value as it would stand in YAML")
    return document.value


def _copied(mapping: Mapping[str, object]) -> dict[str, object]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in mapping.items()}


def _set(target: dict[str, object], path: Path, value: object) -> None:
    for depth, key in enumerate(path[:-1], start=1):
        inner = target.setdefault(str(key), {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"override {dotted(path)}: {dotted(path[:depth])} is {shown(inner)}, which has no keys",
                remedy=f"override {dotted(path[:depth])} as a whole",
            )
        target = inner
    last = str(path[-1])
    if value == {} and isinstance(target.get(last), dict):
        return
    target[last] = value
