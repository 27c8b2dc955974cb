"""Which version a build has, and whether everything that names it agrees.

    python scripts/release/versions.py of-this-commit --run-number N [--write]
    python scripts/release/versions.py check --tag vX.Y.Z [--wheel FILE] [--on-branch BRANCH]

A commit that carries the tag ``v<VERSION.txt>`` is that version. Any other commit is a development build of it,
``<VERSION.txt>.devN``, where N is the number of the workflow run: nothing is committed for it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from changelog import ReleaseError, heading_of
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[2]


def read_version(root: Path = ROOT) -> str:
    """The text of VERSION.txt.

    Raises:
        ReleaseError: it is no PEP 440 version in its normal form, or is itself a development version.
    """
    text = (root / "VERSION.txt").read_text(encoding="utf-8").strip()
    try:
        version = Version(text)
    except InvalidVersion as error:
        raise ReleaseError(f"VERSION.txt holds {text!r}, which is no PEP 440 version; set it with bumpver") from error
    if str(version) != text or version.dev is not None or version.local is not None:
        raise ReleaseError(f"VERSION.txt holds {text!r}; it must be X.Y.Z or X.Y.ZrcN; set it with bumpver")
    return text


def build_version(version: str, run_number: int, tags_here: Collection[str], all_tags: Collection[str]) -> str:
    """The version of a build.

    Args:
        version: what VERSION.txt holds.
        run_number: number of the workflow run.
        tags_here: tags of the commit that is built.
        all_tags: every tag of the repository.

    Raises:
        ReleaseError: another commit already carries this version's tag, so a development build would sort before a
            version that users have.
    """
    tag = f"v{version}"
    if tag in tags_here:
        return version
    if tag in all_tags:
        raise ReleaseError(
            f"VERSION.txt holds {version}, but {tag} is the tag of another commit: that version is released. "
            "Set the next one: bumpver update --patch (or --minor, --major; with --tag rc a candidate of it)"
        )
    return f"{version}.dev{run_number}"


def check_agreement(tag: str, wheel: str | None, root: Path = ROOT) -> str:
    """The version on which the tag, VERSION.txt, the changelog and the wheel agree.

    Args:
        wheel: the wheel's file name; None if it is not built yet.

    Raises:
        ReleaseError: they do not agree; the message has all values.
    """
    version = read_version(root)
    heading = heading_of((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    named = {"tag": tag, "VERSION.txt": version, "CHANGELOG.md": heading, "wheel": wheel}
    found = {
        "tag": tag.removeprefix("v") if tag.startswith("v") else None,
        "CHANGELOG.md": version if heading and re.search(r"- \d{4}-\d\d-\d\d$", heading) else None,
        "wheel": wheel_version(wheel) if wheel is not None else version,
    }
    if any(each != version for each in found.values()):
        values = "\n".join(f"  {name:<13} {value if value is not None else 'none'}" for name, value in named.items())
        raise ReleaseError(
            f"tag, VERSION.txt, changelog and wheel do not name one version:\n{values}\n"
            "The tag must be v<VERSION.txt>, and CHANGELOG.md must have the heading "
            f"'## [{version}] - YYYY-MM-DD' with the day of the release"
        )
    return version


def wheel_version(name: str) -> str | None:
    """The version in a wheel's file name; None if the name is not that of one of our wheels."""
    match = re.fullmatch(r"ai_energy_benchmarks-([^-]+)-py3-none-any\.whl", Path(name).name)
    return match[1] if match else None


def check_branch(tag: str, branch: str, root: Path = ROOT) -> None:
    """Refuse a tag whose commit is not on a branch.

    Raises:
        ReleaseError: it is not, or there is no such tag or branch.
    """
    command = ["git", "merge-base", "--is-ancestor", f"{tag}^{{commit}}", branch]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.strip() or f"the commit of {tag} is not on {branch}"
        raise ReleaseError(f"{why}; merge it first, then set the tag on the merged commit")


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def main() -> None:
    """Parse the arguments and print the version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_commit = commands.add_parser("of-this-commit")
    of_commit.add_argument("--run-number", type=int, required=True)
    of_commit.add_argument("--write", action="store_true", help="write it to VERSION.txt of this checkout")
    check = commands.add_parser("check")
    check.add_argument("--tag", required=True)
    check.add_argument("--wheel")
    check.add_argument("--on-branch", help="the tag's commit must be on this branch")
    arguments = parser.parse_args()
    try:
        if arguments.command == "check":
            if arguments.on_branch:
                check_branch(arguments.tag, arguments.on_branch)
            print(check_agreement(arguments.tag, arguments.wheel))
            return
        tags_here, all_tags = _git("tag", "--points-at", "HEAD"), _git("tag")
        version = build_version(read_version(), arguments.run_number, tags_here, all_tags)
    except ReleaseError as error:
        sys.exit(f"error: {error}")
    if arguments.write:
        (ROOT / "VERSION.txt").write_text(f"{version}\n", encoding="utf-8")
    print(version)


if __name__ == "__main__":
    main()
