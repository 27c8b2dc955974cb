"""PUBLISHING.md followed word by word, up to what only an index can do; rehearse.sh does that."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import reproduce

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "PUBLISHING.md").read_text(encoding="utf-8")


class Clone:
    """A repository with the files of this one, whose origin takes pushes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "clone"
        reproduce.copy_tracked(ROOT, self.directory)
        subprocess.run(["git", "init", "--quiet", "--bare", directory / "origin"], check=True)
        for words in ("init --quiet --initial-branch=main", "add --all", "commit --quiet -m Everything",
                      f"remote add origin {directory / 'origin'}", "push --quiet origin main"):  # fmt: skip
            self.run(f"git {words}")

    def run(self, line: str, *, code: int = 0) -> str:
        """Run a command line of the page here; what it printed."""
        identity = {f"GIT_{role}_{what}": f"{what.lower()}@example.org"
                    for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.directory, env=os.environ | identity | {"PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def edit(self, name: str, pattern: str, replacement: str) -> None:
        """Change one place of a file."""
        file = self.directory / name
        text, times = re.subn(pattern, replacement, file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert times == 1, (name, pattern, times)
        file.write_text(text, encoding="utf-8")


def written(beginning: str) -> str:
    """The command line of the page that begins so."""
    found = re.search(rf"(?:^|`)({re.escape(beginning)}[^`\n]*)", TEXT, re.MULTILINE)
    assert found, f"PUBLISHING.md has no command {beginning}"
    return found[1]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_the_steps_of_a_release_lead_to_a_tag_that_the_workflow_accepts(clone: Clone) -> None:
    """Version, changelog, README, checklist, merge, trial build, tag: each command of the page, in its order."""
    clone.run("git switch --quiet --create release")
    clone.run(f"{written('bumpver update --patch').replace('--patch', '--minor')} --no-fetch")
    version = (clone.directory / "VERSION.txt").read_text(encoding="utf-8").strip()
    clone.edit("CHANGELOG.md", r"^## \[.*\] - unreleased$", f"## [{version}] - 2026-12-01")
    if "until the release" in (clone.directory / "README.md").read_text(encoding="utf-8"):
        clone.edit("README.md", r"^Until .* is on the package index.*\n<!-- until the release -->\n", "")
    clone.run("git commit --quiet --all -m Release")
    checklist = written("python scripts/release/check.py")
    opened = [line for line in clone.run(checklist, code=1).splitlines() if line.startswith("open")]
    assert opened == ["open  the release is made from main"]
    clone.run("git switch --quiet main && git merge --quiet --ff-only release && git push --quiet origin main")
    assert clone.run(checklist).splitlines()[-1].startswith("ready: tag the merged commit")
    clone.run(written("git push origin main:ppe"))
    number = "python scripts/release/versions.py of-this-commit --run-number 7"
    assert clone.run(number).strip() == f"{version}.dev7"
    clone.run(written("git tag vX.Y.Z ").replace("X.Y.Z", version))
    agreement = f"python scripts/release/versions.py check --tag v{version} --on-branch origin/main"
    assert clone.run(agreement).strip() == version
    assert clone.run(number).strip() == version


def test_a_candidate_is_published_as_such_and_becomes_the_release(clone: Clone) -> None:
    """The commands of the table, and the tag before the branch, so that the workflow finds the candidate."""

    def bumped(beginning: str, further: str = "") -> str:
        clone.run(f"{written(beginning)} {further} --no-fetch")
        return (clone.directory / "VERSION.txt").read_text(encoding="utf-8").strip()

    clone.run("bumpver update --set-version 0.3.0 --no-fetch")
    assert bumped("bumpver update --patch", "--tag rc") == "0.3.1rc0"
    assert bumped("bumpver update --tag-num") == "0.3.1rc1"
    tag, branch = written("git tag vX.Y.ZrcN"), written("git push origin main:ppe")
    assert TEXT.index("git tag vX.Y.ZrcN") < TEXT.rindex(branch)
    clone.run(tag.replace("X.Y.ZrcN", "0.3.1rc1"))
    clone.run(branch)
    number = "python scripts/release/versions.py of-this-commit --run-number 7"
    assert clone.run(number).strip() == "0.3.1rc1"
    assert bumped("bumpver update --tag final") == "0.3.1"
    clone.run("git tag v0.3.1 && git commit --quiet --allow-empty -m Later")
    clone.run(number, code=1)  # a development build of a released version
    assert bumped("bumpver update --patch") == "0.3.2"
    assert clone.run(number).strip() == "0.3.2.dev7"


def test_every_command_of_the_page_is_a_program_that_is_there_or_named() -> None:
    """Lines of code begin with git, pip, bumpver, a script of this repository, or this package's command."""
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    assert lines
    known = {"git", "pip", "bumpver", "docker", "python", "ai-energy-benchmark"}
    assert [line for line in lines if shlex.split(line, comments=True)[0] not in known] == []
