"""The section of one version in CHANGELOG.md: the body of its release.

python scripts/release/changelog.py VERSION
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class ReleaseError(Exception):
    """A release cannot go on; the message says what to do."""


def heading_of(changelog: str, version: str) -> str | None:
    """The heading line of a version; None if there is none."""
    match = re.search(rf"^## \[{re.escape(version)}\].*$", changelog, re.MULTILINE)
    return match[0].strip() if match else None


def section(changelog: str, version: str) -> str:
    """What stands between the heading of a version and the next one.

    Raises:
        ReleaseError: there is no such heading, or nothing below it.
    """
    heading = heading_of(changelog, version)
    if heading is None:
        raise ReleaseError(f"CHANGELOG.md has no section '## [{version}]'; write one, with what users will notice")
    text = changelog.split(heading, 1)[1]
    body = re.split(r"^## \[|^\[[^\]]+\]: ", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not body:
        raise ReleaseError(f"the section {heading!r} of CHANGELOG.md is empty; write what users will notice")
    return body


def main() -> None:
    """Print the section."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), sys.argv[1]))
    except ReleaseError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
