"""``compare`` as its users start it: exit codes, formats, refusals."""

from __future__ import annotations

import json
from pathlib import Path

from tests.functional.commands import command
from tests.unit.test_compare import BASE, changed


def write(directory: Path, factor: float) -> Path:
    """Five results of one configuration that scatter by 1 %."""
    for number, scatter in enumerate((1.0, 1.01, 0.99, 1.005, 0.995)):
        value = 5 * factor * scatter
        per_token = {"value": value, "low": value, "high": value}
        document = changed(BASE, {"derived__gpu__j_per_output_token": per_token, "run_id": f"{number}"})
        (directory / str(number)).mkdir(parents=True)
        (directory / str(number) / "result.json").write_text(json.dumps(document))
    return directory


def test_three_exit_codes_and_three_formats(tmp_path: Path) -> None:
    """0 passes, 4 is a regression, 5 is neither; text, Markdown and JSON say which."""
    first, second = write(tmp_path / "a", 1.0), write(tmp_path / "b", 1.1)
    text = command("compare", first, second, "--fail-above", "5%", cwd=tmp_path)
    assert (text.code, text.out.splitlines()[0]) == (4, "REGRESSION: B is more than 5% worse"), text.err
    page = command("compare", first, second, "--fail-above", "0.1", "--format", "markdown", cwd=tmp_path)
    assert (page.code, page.out.splitlines()[0][-8:]) == (5, "e cycles"), page.out
    file = tmp_path / "comparison.json"
    done = command("compare", first, second, "--fail-above", "20%", "--format", "json", "--output", file, cwd=tmp_path)
    assert (done.code, done.out, json.loads(file.read_text())["decision"]) == (0, "", "pass")


def test_a_refusal_leaves_with_2(tmp_path: Path) -> None:
    """Two sides of other work, a share that could be either, and a missing side."""
    first = write(tmp_path / "a", 1.0)
    other = tmp_path / "other"
    other.mkdir()
    (other / "result.json").write_text(json.dumps(changed(BASE, {"config__batch_size": 4})))
    refused = command("compare", first, other, cwd=tmp_path)
    assert refused.code == 2
    assert "load: batch_size is 1 in A, 4 in B" in refused.err
    assert "fix: measure the same work, or --allow load" in refused.err
    for arguments in ((first, other, "--fail-above", "5"), (first,)):
        assert command("compare", *arguments, cwd=tmp_path).code == 2
