"""Keys that were renamed before the first release: refused in a config with their new names, read in old results."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ai_energy_benchmarks.text.problems import Path, Problem, dotted

# Block → old key → new key. A list stands in a path by its name alone.
RENAMED: Mapping[Path, Mapping[str, str]] = {
    ("protocol", "warmup"): {"most": "max_requests"},
    ("protocol", "thermal_gate"): {
        "most_celsius": "max_celsius_per_minute",
        "most_power": "max_power_change_per_minute",
    },
    ("metrics", "collectors", "options"): {"widest_delay_s": "max_delay_s", "longest_rest_s": "max_rest_s"},
}


def with_new_name(problem: Problem) -> Problem:
    """A problem of an unknown key that was renamed, with its new name instead of a guess."""
    if problem.unknown is None or not problem.path:  # without a path it is of the config as a whole
        return problem
    *block, key = problem.path
    new = _renamed(tuple(block)).get(str(key))
    return problem if new is None else attrs.evolve(problem, text=f"is now {dotted((*block, new))}; rename the key")


def with_new_names(value: object, block: Path = ()) -> object:
    """The settings of a stored config under the names that they have today."""
    if isinstance(value, Mapping):
        names = _renamed(block)
        return {names.get(key, key): with_new_names(below, (*block, key)) for key, below in value.items()}
    return [with_new_names(below, block) for below in value] if isinstance(value, list) else value


def _renamed(block: Path) -> Mapping[str, str]:
    return RENAMED.get(tuple(part for part in block if isinstance(part, str)), {})
