"""The release checklist of PUBLISHING.md, as far as a program can see it: python scripts/release/check.py

Prints one line per step, and below each open one its fix. Ends with 1 while a step is open.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from changelog import ReleaseError, heading_of
from versions import read_version

ROOT = Path(__file__).parents[2]
PAPERS = ("LICENSE", "PUBLISHING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "CITATION.cff")
# What stands in the README only until the first release is on the index.
BEFORE_RELEASE = "<!-- until the release -->"


@frozen
class Step:
    """One step of the checklist.

    Attributes:
        fix: what to do; None once it is done.
    """

    what: str
    fix: str | None

    @property
    def lines(self) -> str:
        return f"done  {self.what}" if self.fix is None else f"open  {self.what}\n      fix: {self.fix}"


def steps(root: Path = ROOT) -> Iterator[Step]:
    """All steps, in the order in which they are done."""
    try:
        version = read_version(root)
    except ReleaseError as error:
        yield Step("VERSION.txt holds a version", str(error))
        return
    yield _one_version(root, version)
    tagged = f"v{version}" in _git(root, "tag", "--list").split()
    yield Step(f"{version} is not released yet", _fix(tagged, "bumpver update --patch, --minor or --major"))
    heading = heading_of(_text(root, "CHANGELOG.md"), version)
    dated = heading is not None and re.search(r"- \d{4}-\d\d-\d\d$", heading)
    yield Step(
        f"CHANGELOG.md has a dated section for {version}",
        _fix(not dated, f"write the heading '## [{version}] - YYYY-MM-DD' with the day of the release"),
    )
    yield Step(
        "the README says nothing that only holds before the release",
        _fix(BEFORE_RELEASE in _text(root, "README.md"), f"remove the sentences marked {BEFORE_RELEASE}"),
    )
    missing = [name for name in PAPERS if not (root / name).is_file()]
    yield Step("the papers of the project are there", _fix(missing, f"write {', '.join(missing)}"))
    yield _images(root)
    changed = _git(root, "status", "--porcelain")
    yield Step("everything is committed", _fix(changed, "commit or remove what git status shows"))
    branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    yield Step("the release is made from main", _fix(branch != "main", f"merge {branch or 'this commit'} into main"))


def _one_version(root: Path, version: str) -> Step:
    named = {
        "bumpver.toml": re.search(r'^current_version = "(.*)"$', _text(root, "bumpver.toml"), re.MULTILINE),
        "CITATION.cff": re.search(r"^version: (.*)$", _text(root, "CITATION.cff"), re.MULTILINE),
    }
    other = [
        f"{name} has {match[1] if match else 'none'}"
        for name, match in named.items()
        if not match or match[1] != version
    ]
    what = f"VERSION.txt, bumpver.toml and CITATION.cff name {version}"
    return Step(what, _fix(other, f"{'; '.join(other)}: set all with bumpver update"))


def _images(root: Path) -> Step:
    done = subprocess.run(
        [sys.executable, root / "scripts/images/check_images.py", root], capture_output=True, text=True, check=False
    )
    return Step(
        "the Dockerfiles pass their checks",
        _fix(done.returncode, "python scripts/images/check_images.py says what to change"),
    )


def _fix(wrong: object, fix: str) -> str | None:
    return fix if wrong else None


def _text(root: Path, name: str) -> str:
    file = root / name
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False).stdout.strip()


def main() -> int:
    """Print the checklist; the number of an exit code."""
    checklist = list(steps())
    for step in checklist:
        print(step.lines)
    still_open = sum(step.fix is not None for step in checklist)
    print(f"{still_open} steps are open" if still_open else "ready: tag the merged commit, as PUBLISHING.md says")
    return 1 if still_open else 0


if __name__ == "__main__":
    sys.exit(main())
