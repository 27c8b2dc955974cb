"""The papers of the project: what others need to carry it on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ai_energy_benchmarks as package

ROOT = Path(__file__).parents[2]
PAPERS = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(paper: Path) -> None:
    """Every relative link names a file that exists, and a heading of it where it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", paper.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (paper.parent / name) if name else paper
        assert file.exists(), f"{paper.name}: {target}"
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{paper.name}: {target}"


def test_scripts_and_workflows_that_the_papers_name_exist() -> None:
    """A checklist that names a script which is gone cannot be followed."""
    for paper in PAPERS:
        for name in re.findall(
            r"(?:\./)?((?:scripts|docker)/[\w/.-]+\.(?:py|sh))\b", paper.read_text(encoding="utf-8")
        ):
            assert (ROOT / name).is_file(), f"{paper.name}: {name}"
    publishing = (ROOT / "PUBLISHING.md").read_text(encoding="utf-8")
    for workflow, environment in re.findall(r"`([\w-]+\.yml)` \| `(\w+)`", publishing):
        text = (ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
        assert f"environment: {environment}" in text


def test_the_citation_has_the_version_of_the_package() -> None:
    """Who cites the software cites the version that made the figures."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == (ROOT / "VERSION.txt").read_text(encoding="utf-8").strip()
    assert citation["authors"] == [{"name": "ai_energy_benchmarks contributors"}]


def test_a_deprecated_name_works_and_says_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every use of it warns with the name of its replacement, and gives what it always gave."""
    monkeypatch.setitem(package._DEPRECATED, "load_config", "ai_energy_benchmarks.config.loading.load_config")
    monkeypatch.delitem(vars(package), "load_config", raising=False)
    for _ in range(2):
        with pytest.warns(DeprecationWarning, match="load_config is deprecated .* use ai_energy_benchmarks.config"):
            assert callable(package.load_config)


def test_deprecated_names_stand_in_the_changelog() -> None:
    """A name that warns is public still, and the changelog has it under Deprecated."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    listed = "".join(re.findall(r"^### Deprecated\n(.*?)(?=^##)", changelog, re.MULTILINE | re.DOTALL))
    assert package._DEPRECATED.keys() <= set(package.__all__)
    assert [name for name in package._DEPRECATED if name not in listed] == []


def checklist(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What the release checklist prints."""
    command = [sys.executable, ROOT / "scripts/release/check.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_release_checklist_names_what_is_open_with_its_fix() -> None:
    """Each line is done or open; an open one says what to do, and any open one is an exit code of 1."""
    done = checklist()
    lines = done.stdout.splitlines()
    assert all(line.startswith(("done ", "open ", "      fix: ")) for line in lines[:-1])
    opened = [number for number, line in enumerate(lines) if line.startswith("open ")]
    assert all(lines[number + 1].startswith("      fix: ") for number in opened)
    assert done.returncode == (1 if opened else 0)
    version = (ROOT / "VERSION.txt").read_text(encoding="utf-8").strip()
    assert f"done  VERSION.txt, bumpver.toml and CITATION.cff name {version}" in lines
