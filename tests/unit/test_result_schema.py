"""The JSON Schema of results: it describes what is written, and refuses what may not be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.domain.result import SCHEMA_VERSION
from ai_energy_benchmarks.results.document.json_schema import result_schema
from ai_energy_benchmarks.results.document.report import report_document
from tests.factories import CPU, completion, failure, reading, result, step, trial
from tests.functional.commands import command_here

jsonschema = pytest.importorskip("jsonschema")

RUNS = {
    "measured": lambda: result([trial(1, reading(), reading(CPU)), trial(2, reading(), reading(CPU))]),
    "not resolved": lambda: result([trial(1, reading(half_width_j=90.0))]),
    "modelled": lambda: result([trial(1, reading(CPU, provenance="modelled"))]),
    "without a meter": lambda: result([trial(1, measured=False)]),
    "all requests failed": lambda: result([trial(1, reading(), outcomes=[failure()])]),
    "with failures": lambda: result([trial(1, reading(), outcomes=[completion(), failure(1)])]),
    "many trials": lambda: result([trial(number, reading()) for number in range(1, 40)]),
    "steps": lambda: result([trial(1, reading())], steps=[step("load", reading())]),
    "no trial": lambda: result([]),
}


def document_of(name: str) -> dict[str, Any]:
    """The report document of a run as a file holds it."""
    return dict(json.loads(json.dumps(report_document(RUNS[name]()))))


def test_the_schema_is_one_and_names_its_version() -> None:
    """A validator accepts it; its id has the version of the documents."""
    schema = result_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert str(schema["$id"]).endswith(f":{SCHEMA_VERSION}")


@pytest.mark.parametrize("name", RUNS)
def test_every_kind_of_document_follows_it(name: str) -> None:
    """Whatever is absent, withheld or left out."""
    jsonschema.validate(document_of(name), result_schema())


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("verdict"),
        lambda document: document.update(schema_version=SCHEMA_VERSION + 1),
        lambda document: document["verdict"].update(level="GOOD"),
        lambda document: document["trials"][0].update(requests=-1),
        lambda document: document["totals"].update(duration_s=-0.5),
        lambda document: document["components"].update(board=document["components"]["gpu"]),
        lambda document: document["components"]["gpu"].update(resolved=False),
        lambda document: document["components"]["gpu"].update(source="estimated"),
        lambda document: document["trials"][0]["energy"]["gpu"].update(energy_j="100"),
        lambda document: document["derived"]["gpu"]["j_per_output_token"].pop("low"),
    ],
)
def test_what_may_not_be_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    """Missing keys, other types, unknown levels and methods, and a number where a figure is not resolved."""
    document = document_of("measured")
    change(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, result_schema())


def test_the_command_prints_it(tmp_path: Path) -> None:
    """``schema --result`` is for programs in other languages."""
    done = command_here("schema", "--result", cwd=tmp_path)
    assert json.loads(done.out) == result_schema()
