"""Two configs as one study, so that they are measured in turns: drift of the machine then favours neither."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ai_energy_benchmarks.config.loading import mapping_from_file
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.plan.axes import flat_settings
from ai_energy_benchmarks.study.plan.study import is_study
from ai_energy_benchmarks.text.yaml_text import dump

# Pairing leaves one degree of freedom less than cycles. At a CV of 1 % six cycles call a true +8 % a regression of
# more than 5 % in 97 % of cases, five in 91 %; an even number lets each config come first equally often.
CYCLES = 6
_OF_THE_STUDY = ("name", "output_dir")


def study_of_two(first: Path, second: Path, directory: Path, cycles: int = CYCLES) -> str:
    """The text of a study file with the config of A and that of B as its cells, in this order.

    Raises:
        ConfigError: a file cannot be read, is a study itself, or both say the same.
    """
    configs = [_config(file) for file in (first, second)]
    if configs[0] == configs[1]:
        raise ConfigError(f"{first} and {second} ask for the same", remedy="name two configs that differ")
    flat = [flat_settings(config) for config in configs]
    common = {key: value for key, value in flat[0].items() if key in flat[1] and flat[1][key] == value}
    study = {
        "name": f"{first.stem} against {second.stem}",
        "base": with_overrides({}, common),
        "experiments": [{key: value for key, value in of.items() if key not in common} for of in flat],
        # Of two cells a Williams design is AB BA AB …: each comes first, and follows the other, equally often.
        "design": {"cycles": cycles, "order": "latin_square"},
        "output_dir": str(directory),
    }
    return dump(study)


def _config(file: Path) -> Mapping[str, object]:
    mapping = mapping_from_file(file)
    if is_study(mapping):
        raise ConfigError(f"{file} is a study", remedy="run it, and compare two of its cells: STUDY:CELL")
    return {key: value for key, value in mapping.items() if key not in _OF_THE_STUDY}
