"""Whether a wheel holds the package, its metadata, and nothing else.

python scripts/release/wheel_contents.py WHEEL
"""

from __future__ import annotations

import email.message
import email.parser
import re
import sys
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from changelog import ReleaseError

ROOT = Path(__file__).parents[2]
PACKAGE = "ai_energy_benchmarks"
LARGEST_BYTES = 1_500_000  # of which Vega, Vega-Lite and vega-embed take 0.27; more is data that crept in
# Code, the typing marker, and the data and templates that the package reads.
SUFFIXES = {".py", ".typed", ".yaml", ".json", ".jsonl", ".csv", ".html", ".css", ".js"}
# The licences of scripts that are vendored stand next to them.
LICENCE = ".LICENSE.txt"
NEEDED = ("__init__.py", "py.typed")
METADATA_FILES = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
FIELDS = (
    "Name",
    "Version",
    "Summary",
    "License-Expression",
    "Requires-Python",
    "Classifier",
    "Keywords",
)


def problems(wheel: Path, root: Path = ROOT) -> Iterator[str]:
    """One sentence for each thing that is wrong, with its fix."""
    if wheel.stat().st_size > LARGEST_BYTES:
        yield f"it has {wheel.stat().st_size} bytes, more than {LARGEST_BYTES}; move large data out of the package"
    with zipfile.ZipFile(wheel) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
        directory = next((name.parts[0] for name in names if name.parts[0].endswith(".dist-info")), "")
        yield from name_problems(names, root)
        metadata = f"{directory}/METADATA"
        if metadata in archive.namelist():
            yield from metadata_problems(email.parser.Parser().parsestr(archive.read(metadata).decode()))
        else:
            yield "it has no METADATA; build it with build_wheel.sh"


def name_problems(names: Collection[PurePosixPath], root: Path) -> Iterator[str]:
    """Strays and gaps among the files of a wheel."""
    held = set()
    for name in names:
        inside = PurePosixPath(*name.parts[1:])
        if name.parts[0].endswith(".dist-info"):
            if str(inside) not in METADATA_FILES:
                yield f"{name} does not belong into the metadata; remove it"
        elif name.parts[0] != PACKAGE:
            yield f"{name} lies outside of {PACKAGE}/; exclude it in pyproject.toml ([tool.setuptools.packages.find])"
        elif "tests" in name.parts or not (name.suffix in SUFFIXES or name.name.endswith(LICENCE)):
            yield f"{name} is no part of the package; exclude it, or allow its suffix in wheel_contents.py"
        else:
            held.add(str(inside))
    source = root / PACKAGE
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source).as_posix()
        if path.is_file() and "__pycache__" not in path.parts and relative not in held:
            yield f"{PACKAGE}/{relative} is missing; name its suffix in pyproject.toml ([tool.setuptools.package-data])"
    yield from (f"{PACKAGE}/{name} is missing" for name in NEEDED if name not in held)


def metadata_problems(metadata: email.message.Message) -> Iterator[str]:
    """Fields that an index or a user needs."""
    for field in FIELDS:
        if not metadata.get_all(field):
            yield f"METADATA has no {field}; set it in pyproject.toml"
    if not metadata.get_all("Project-URL"):
        yield "METADATA has no Project-URL; build with AEB_REPOSITORY_URL set to the address of the repository"
    if not re.search(r"\S", str(metadata.get_payload())):
        yield "METADATA has no description; name the README in pyproject.toml"
    direct = [line for line in metadata.get_all("Requires-Dist") or [] if " @ " in line]
    yield from (f"requirement {line!r} names an address, which indexes refuse" for line in direct)


def check(wheel: Path, root: Path = ROOT) -> None:
    """Raise if anything is wrong.

    Raises:
        ReleaseError: with every problem.
    """
    found = list(problems(wheel, root))
    if found:
        raise ReleaseError("\n  ".join([f"{wheel.name} cannot be published:", *found]))


def main() -> None:
    """Check the wheel that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    wheel = Path(sys.argv[1])
    try:
        check(wheel)
    except ReleaseError as error:
        sys.exit(f"error: {error}")
    print(f"{wheel.name}: contents and metadata are complete, {wheel.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
