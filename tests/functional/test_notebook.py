"""The example notebook runs, in Jupyter and as plain Python, and what it shows is the page of the report."""

from __future__ import annotations

import json
import os
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks import open_result
from tests.tiny_model import save_tiny_model

pytest.importorskip("transformers", reason="the example runs PyTorch")

NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"


@pytest.fixture
def notebook(tmp_path: Path) -> dict[str, Any]:
    """The example, of a model of a few thousand weights and without the idle baseline."""
    model = save_tiny_model(tmp_path / "tiny", end_ids=[1])
    text = NOTEBOOK.read_text(encoding="utf-8")
    for theirs, ours in {
        "HuggingFaceTB/SmolLM2-135M-Instruct": str(model),
        '\\"resident_idle_s\\": 2': '\\"resident_idle_s\\": 0',
        '\\"num_samples\\": 10': '\\"num_samples\\": 2',
    }.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    return dict(json.loads(text))


def sources(notebook: dict[str, Any]) -> list[str]:
    """Its code cells in order."""
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_its_cells_are_plain_python(
    notebook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every cell runs without IPython; the steps go to standard error as lines."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] in ("IPython", "ipykernel")]:
        monkeypatch.delitem(sys.modules, name)
    space: dict[str, Any] = {}
    for source in sources(notebook):
        exec(compile(source, "cell", "exec"), space)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "trials: done" in shown.err
    assert space["shown"].trials["number"].to_list() == [1, 2, 3]
    assert len(open_result(tmp_path / "results" / "notebook").requests) == 6


@pytest.mark.heavy
def test_it_runs_in_jupyter(notebook: dict[str, Any], tmp_path: Path) -> None:
    """A kernel, with its own event loop, runs every cell; the result and the chart are shown, the bars drawn."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    os.environ.setdefault("PYTHONPATH", str(NOTEBOOK.parents[1]))
    done = nbformat.from_dict(notebook)
    nbformat.validate(done)
    nbclient.NotebookClient(done, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {cell["id"]: cell["outputs"] for cell in done["cells"] if cell["cell_type"] == "code"}
    assert "3/3" in "".join(part["text"] for part in outputs["run"])
    for cell in ("result", "plot"):
        [output] = outputs[cell]
        page = output["data"]["text/html"]
        assert page.startswith("<iframe srcdoc=")
        assert "<!doctype html>" in unescape(page)
