"""Labels: of AI Energy Score's size, for its whole method only, and never to be taken for an official one."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ai_energy_benchmarks.reporters.label import MARK, Label, label_svg
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.full_method import DATASET, deviations
from tests.factories import reading, result, trial
from tests.functional.commands import command_here

LABEL = Label("org/<b>model & co</b>", 3, 12.34, "text generation, class A", 4, "Test GPU", "2026-11-26")
SVG = "{http://www.w3.org/2000/svg}"


def whole_method(model: str = "org/model", factor: float = 1.0) -> dict[str, Any]:
    """A document as ten runs over the 1,000 prompts of the method would write it."""
    run = result([trial(number, reading(energy_j=100 * factor)) for number in range(1, 11)])
    document: dict[str, Any] = json.loads(json.dumps(report_document(run)))
    document["verdict"]["level"] = "WARN"
    document["config"] |= {"model": model, "dataset": DATASET, "num_samples": 1000, "batch_size": 1}
    generate = {"do_sample": False, "max_new_tokens": 10, "min_new_tokens": 10}
    document["config"]["settings"] = {"load": {"concurrency": 1}, "scenario": {"generate_kwargs": generate}}
    document["summary"] |= {"total_prompts": 1000, "successful_prompts": 1000}
    document["backend_info"]["parameters"] = 135_000_000
    return document


def test_the_label_has_its_form_and_its_mark() -> None:
    """260 × 364, three filled stars of five, and names from outside are text."""
    root = ElementTree.fromstring(label_svg(LABEL))
    assert (root.get("width"), root.get("height")) == ("260", "364")
    assert [star.get("fill") for star in root.iter(f"{SVG}polygon")] == ["#111"] * 3 + ["#fff"] * 2
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert MARK in texts
    assert "12.3 Wh" in texts


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("summary.trials", 3, "it has 3 runs, not 10"),
        ("config.num_samples", 100, "it has 100 prompts, not 1,000"),
        ("summary.successful_prompts", 999, "it has 999 requests that succeeded in a run, not 1,000"),
        ("config.dataset", "builtin", f"its prompts are of builtin, not of {DATASET}"),
        ("config.batch_size", 8, "it has 8 prompts in a batch, not 1"),
        ("config.settings.load.concurrency", 4, "it has 4 requests in flight, not 1"),
        ("config.settings.scenario.generate_kwargs.do_sample", True, "decoding is not known to be greedy"),
        ("config.settings.scenario.generate_kwargs.max_new_tokens", 50, "its output is not exactly 10 tokens a prompt"),
        ("verdict.level", "FAIL", "its verdict is FAIL"),
        ("ending", "stopped", "its run was stopped"),
    ],
)
def test_only_the_whole_method_has_one(path: str, value: object, why: str) -> None:
    """Each deviation is named."""
    document = whole_method()
    assert deviations(document) == ()
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    place[last] = value
    assert deviations(document) == (why,)


def test_rate_writes_labels_and_says_who_has_none(tmp_path: Path) -> None:
    """A short run is rated, but has no label; a PNG has the same size."""
    short = whole_method("org/short", 2.0)
    short["summary"]["trials"] = 3
    for name, document in {"whole": whole_method(), "short": short}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(document))
    done = command_here("rate", "whole", "short", "--label", "labels", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "org/short: no label: it has 3 runs, not 10" in done.out
    assert MARK in (tmp_path / "labels" / "org-model-text_generation-class-A.svg").read_text()
    pytest.importorskip("vl_convert")
    picture = (tmp_path / "labels" / "org-model-text_generation-class-A.png").read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (260, 364)
