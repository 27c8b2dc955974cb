"""The comparison of two files of scripts/gpu_acceptance.sh."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import attrs
import gpu_compare
import gpu_fields
import pytest
import ratios

from ai_energy_benchmarks.domain.environment import Environment

COUNTER = {"readings": 9000, "tick_median_s": 0.1, "tick_p95_s": 0.11, "call_median_s": 2e-5, "delay_median_s": 0.05}


@pytest.fixture
def document() -> dict[str, Any]:
    """A file as gpu_acceptance.py writes it, cut to what is compared."""
    return {
        "device": "cuda:0",
        "environment": {
            "boards": [{"name": "NVIDIA H100 80GB HBM3"}],
            "driver_version": "580.1",
            "package_version": "0.1.0",
            "libraries": {"torch": "2.13.0"},
        },
        "fields": {"total energy": COUNTER, "power usage": {"absent": "Not Supported"}},
        "slowdown": {"what": "time with the collector over time without", "value": 1.001},
        "windows": {"long": [], "long_variation": 0.004, "short_over_long": 1.002},
        "agreement": {"zeus": {"value": 0.998}},
    }


def changed(last: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [row.name for row in gpu_compare.compare(last, new) if row.verdict == "CHANGED"]


def test_the_same_file_has_no_change(document: dict[str, Any]) -> None:
    """Every field that the file has is compared, and a field that neither file has is no row."""
    rows = gpu_compare.compare(document, document)
    assert {row.verdict for row in rows} == {"ok"}
    assert {row.name for row in rows} == {
        "environment: driver_version", "environment: package_version", "environment: libraries: torch",
        "total energy: tick_median_s", "total energy: tick_p95_s", "total energy: call_median_s",
        "total energy: delay_median_s", "slowdown: value", "windows: long_variation", "windows: short_over_long",
        "agreement: zeus: value",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("fields.total energy.tick_median_s", 0.109, []),
        ("fields.total energy.tick_median_s", 0.111, ["total energy: tick_median_s"]),
        ("fields.total energy.tick_median_s", 0.02, ["total energy: tick_median_s"]),  # five times as fast
        ("fields.total energy.call_median_s", 3.9e-5, []),
        ("fields.total energy.delay_median_s", None, ["total energy: delay_median_s"]),
        ("fields.power usage", {"tick_median_s": 0.1}, ["power usage: tick_median_s"]),  # absent before
        ("slowdown.value", 1.02, ["slowdown: value"]),
        ("agreement.zeus.value", 0.97, ["agreement: zeus: value"]),
        ("agreement", {"absent": "neither Zeus nor CodeCarbon is installed here"}, ["agreement: zeus: value"]),
        ("environment.driver_version", "590.2", []),
    ],
)
def test_a_change_beyond_its_limit_is_named(
    document: dict[str, Any], path: str, value: object, names: list[str]
) -> None:
    """Larger and smaller alike, and a field that fell silent or appeared; a new driver is shown without a verdict."""
    new = copy.deepcopy(document)
    *above, last = path.split(".")
    place = new
    for key in above:
        place = place[key]
    place[last] = value
    assert changed(document, new) == names


def test_every_field_of_the_table_is_one_that_the_measurement_writes() -> None:
    """The names in FIELDS are those of gpu_fields.describe and of the rows of ratios."""
    described = gpu_fields.describe(gpu_fields.Watch(lambda: 1.0), [], counter=True)
    rows = attrs.fields_dict(ratios.Row)
    for field in gpu_compare.FIELDS:
        if field.path[0] == "fields":
            assert field.path[-1] in described
        elif field.path[0] in ("slowdown", "agreement"):
            assert field.path[-1] in rows
        elif field.path[0] == "environment":
            assert field.path[1] in attrs.fields_dict(Environment)


def test_another_gpu_is_not_compared(document: dict[str, Any]) -> None:
    """Nor a file of a run on the processor."""
    other = copy.deepcopy(document)
    other["environment"]["boards"][0]["name"] = "NVIDIA A100-SXM4-80GB"
    with pytest.raises(gpu_compare.NotComparableError, match="of NVIDIA H100 80GB HBM3, the new one of NVIDIA A100"):
        gpu_compare.compare(document, other)
    with pytest.raises(gpu_compare.NotComparableError, match="has no GPU in it"):
        gpu_compare.compare(document, document | {"device": "cpu"})


def test_the_exit_code_says_what_was_found(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 without a change, 1 with one, 2 where nothing can be compared."""
    last, new = tmp_path / "last.json", tmp_path / "new.json"
    monkeypatch.setattr(sys, "argv", ["gpu_compare.py", str(last), str(new)])
    assert gpu_compare.main() == 2
    assert "last.json cannot be read" in capsys.readouterr().err
    last.write_text(json.dumps(document))
    new.write_text(json.dumps(document))
    assert gpu_compare.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "11 fields: ok"
    new.write_text(json.dumps(document | {"slowdown": {"value": 1.5}}))
    assert gpu_compare.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 11 fields changed: slowdown: value"
