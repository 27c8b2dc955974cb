"""docs/studies.md names every key of a study with its default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from ai_energy_benchmarks.study.executors.base import How
from ai_energy_benchmarks.study.manifest import CellState, CloseReason
from ai_energy_benchmarks.study.plan.clusters import RayConfig, SlurmConfig
from ai_energy_benchmarks.study.plan.design import (
    BreakerConfig,
    CoolingConfig,
    DesignConfig,
    ExecutionConfig,
    UntilConfig,
)
from ai_energy_benchmarks.study.plan.study import StudyConfig

BLOCKS: dict[str, type] = {
    "design": DesignConfig,
    "design.until": UntilConfig,
    "design.thermal_gate": CoolingConfig,
    "execution": ExecutionConfig,
    "execution.breaker": BreakerConfig,
    "execution.ray": RayConfig,
    "execution.slurm": SlurmConfig,
}
BODY = ("base", "sweep", "experiments", "exclude", "constraints", "design", "execution")


def keys() -> Iterator[tuple[str, object]]:
    yield from ((each.name, None) for each in attrs.fields(StudyConfig) if each.name not in BODY)
    for prefix, block in BLOCKS.items():
        for each in attrs.fields(block):
            if f"{prefix}.{each.name}" not in BLOCKS or each.name in ("thermal_gate", "ray", "slurm"):
                yield f"{prefix}.{each.name}{'.ENGINE' if each.name == 'runners' else ''}", each.default


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "studies.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("key", "default"), list(keys()))
def test_every_key_is_described_with_its_default(page: str, key: str, default: object) -> None:
    """In the table of keys."""
    *_, row = re.findall(rf"^\| `{re.escape(key)}` \|.*$", page, re.MULTILINE)
    shown = row.split("|")[3].strip().strip("`")
    if isinstance(default, bool):
        assert shown == str(default).lower()
    elif isinstance(default, int | float):
        assert float(shown) == default
    elif isinstance(default, str):
        assert shown == default


def test_every_word_of_the_manifest_is_described(page: str) -> None:
    """Its states and the reasons to leave off."""
    for word in (*CellState.__args__, *CloseReason.__args__):  # type: ignore[attr-defined] # of Literal
        assert f"`{word}`" in page
    assert set(How.__args__) - set(CellState.__args__) == {"exited"}  # type: ignore[attr-defined] # the same
