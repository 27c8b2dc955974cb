"""Low and high of a modelled energy are no bounds: the document says so, and no other tool is given them as some."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_energy_benchmarks.domain.power import Provenance
from ai_energy_benchmarks.results.document.json_schema import result_schema
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.document.sections import NO_BOUNDS
from ai_energy_benchmarks.results.exports.figures import exported
from ai_energy_benchmarks.results.exports.prometheus import textfile
from ai_energy_benchmarks.results.exports.trackers import _metrics
from ai_energy_benchmarks.results.quotable import has_bounds
from tests.factories import CPU, reading, result, trial


def document_of(provenance: Provenance) -> dict[str, Any]:
    """A GPU's measured 100 J with bounds, and the CPU's 50 J by a method whose ends are the value itself."""
    readings = reading(), reading(CPU, 50.0, 0.0, meter="m", provenance=provenance)
    return dict(json.loads(json.dumps(report_document(result([trial(1, *readings), trial(2, *readings)])))))


@pytest.mark.parametrize(("provenance", "why"), [("modelled", NO_BOUNDS), ("measured", None), ("integrated", None)])
def test_a_component_says_whether_its_ends_are_bounds(provenance: Provenance, why: str | None) -> None:
    """Next to the ends, which stay; a total of what was measured has bounds."""
    document = document_of(provenance)
    cpu = document["components"]["cpu"]
    assert (cpu["energy_low_j"], cpu["energy_j"], cpu["energy_high_j"]) == (50.0, 50.0, 50.0)
    assert cpu["bounds_absent"] == why
    assert document["components"]["gpu"]["bounds_absent"] is None
    assert document["components"]["total"]["bounds_absent"] is None
    assert has_bounds(document, "cpu") == (why is None)
    assert has_bounds(document, "gpu")


@pytest.mark.parametrize("provenance", ["modelled", "measured"])
def test_other_tools_are_given_bounds_of_meters_alone(provenance: Provenance) -> None:
    """The value in any case; documents without the key, as earlier versions wrote them, are alike."""
    document = document_of(provenance)
    older = {**document, "components": {name: dict(of) for name, of in document["components"].items()}}
    for component in older["components"].values():
        del component["bounds_absent"]
    for written in (document, older):
        lines, values = textfile(written).splitlines(), _metrics(written)
        for name, bounded in (("cpu", provenance == "measured"), ("gpu", True)):
            of_name = [line for line in lines if f'component="{name}"' in line]
            for figure in ("pass_energy_joules", "energy_per_output_token_joules", "average_power_watts"):
                known = {end for end in ("", "_low", "_high") if any(f"{figure}{end}{{" in line for line in of_name)}
                assert known == ({"", "_low", "_high"} if bounded else {""})
            assert values[f"{name}.energy_j"] == (50.0 if name == "cpu" else 100.0)
            assert (f"{name}.energy_j_low" in values, f"{name}.energy_j_high" in values) == (bounded, bounded)
        assert not any(figure.bounded for figure in exported(written) if not figure.component)


def test_the_schema_describes_the_key_and_requires_it_of_no_earlier_document() -> None:
    """Text or null; nothing else."""
    jsonschema = pytest.importorskip("jsonschema")
    document = document_of("modelled")
    jsonschema.validate(document, result_schema())
    del document["components"]["cpu"]["bounds_absent"]
    jsonschema.validate(document, result_schema())
    document["components"]["cpu"]["bounds_absent"] = True
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, result_schema())
