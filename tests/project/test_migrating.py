"""docs/migrating.md: what it says of older configs is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai_energy_benchmarks.config.loading import load_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/migrating.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")

# A config as version 0.0.x had them, with every key that it knew.
OLDER = """
name: older
backend: {type: pytorch, device: cpu, device_ids: [0], model: org/model, endpoint: null, task: text-generation}
scenario:
  dataset_name: AIEnergyScore/text_generation
  text_column_name: text
  num_samples: 20
  truncation: true
  reasoning: false
  reasoning_params: null
  input_shapes: {batch_size: 1}
  generate_kwargs: {max_new_tokens: 100, min_new_tokens: 50}
metrics: {type: codecarbon, enabled: true, project_name: p, output_dir: ./e, country_iso_code: USA, region: null}
reporter: {type: csv, output_file: ./results/benchmark_results.csv}
output_dir: ./benchmark_output
"""


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = PAGE.split(f"## From {heading}")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def known(key: str) -> bool:
    """Whether a config has this key: in the table of settings, whole or under ``options``."""
    name = key.removeprefix("backend.options.")
    blocks = ("backend.options", "scenario.dataset_options", "scenario.input_shapes", "scenario.generate_kwargs")
    return f"| `{name}` |" in SETTINGS or key in (*blocks, "metrics.collectors", "reporters")


def test_a_config_of_0_0_x_loads_as_it_is(tmp_path: Path) -> None:
    """Every key of the older version is accepted under the name that it had."""
    file = tmp_path / "older.yaml"
    file.write_text(OLDER, encoding="utf-8")
    config = load_config(file)
    assert config.backend.model == "org/model"
    assert config.scenario.generate_kwargs.min_new_tokens == 50
    assert [collector.type for collector in config.metrics.collectors] == ["codecarbon"]
    assert [reporter.type for reporter in config.reporters] == ["csv"]


def test_every_older_key_stands_in_the_table() -> None:
    """The table of 0.0.x has the keys of the config above, no more and no fewer."""
    listed = {cells[0].strip("`") for cells in rows("`ai_energy_benchmarks` 0.0.x")}
    blocks = {"backend": 6, "scenario": 8, "metrics": 6}
    assert {key.partition(".")[0] for key in listed} == {*blocks, "reporter", "output_dir", "name"}
    for block, count in blocks.items():
        assert sum(key.startswith(f"{block}.") for key in listed) == count


@pytest.mark.parametrize("heading", ["`ai_energy_benchmarks` 0.0.x", "`llem` (LLenergyMeasure)"])
def test_every_key_that_the_tables_lead_to_exists(heading: str) -> None:
    """Who follows the table arrives at a key of today's config."""
    for cells in rows(heading):
        for key in re.findall(r"`((?:backend|scenario|protocol|metrics)\.[\w.]+)", cells[1]):
            assert known(key), f"{cells[0]} leads to {key}"
