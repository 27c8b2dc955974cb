"""Whether the same commit gives the same wheel, byte by byte, also by way of the sdist.

    python scripts/release/reproduce.py

Builds in two fresh copies of the tracked files, under different paths and at different times, and once more from the
sdist. Prints the hash.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from changelog import ReleaseError

ROOT = Path(__file__).parents[2]


def copy_tracked(root: Path, target: Path) -> Path:
    """Copy the repository's files, without ignored ones, into a new directory."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in listing.stdout.splitlines():
        if (root / line).is_file():
            (target / line).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / line, target / line)
            (target / line).chmod(0o755 if os.access(root / line, os.X_OK) else 0o644)
    return target


def build(source: Path, epoch: str) -> Path:
    """The wheel that build_wheel.sh makes of a copy.

    Raises:
        ReleaseError: it cannot be built; the message is the build's own.
    """
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": epoch,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run([source / "build_wheel.sh"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"build_wheel.sh failed:\n{done.stderr}")
    return Path(done.stdout.strip())


def unpack(sdist: Path, target: Path) -> Path:
    """The source directory inside an sdist."""
    with tarfile.open(sdist) as archive:
        archive.extractall(target, filter="data")
    [source] = target.iterdir()
    return source


def sha256(path: Path) -> str:
    """Hash of a file, as hexadecimal text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(root: Path = ROOT, epoch: str = "1700000000") -> str:
    """The one hash of all three builds.

    Raises:
        ReleaseError: they differ.
    """
    with tempfile.TemporaryDirectory() as directory:
        source = copy_tracked(root, Path(directory, "first"))
        copy = shutil.copytree(source, Path(directory, "a second, longer path"))
        first, second = build(source, epoch), build(copy, epoch)
        [sdist] = first.parent.glob("*.tar.gz")
        third = build(unpack(sdist, Path(directory, "from sdist")), epoch)
        hashes = {"first build": sha256(first), "second build": sha256(second), "from the sdist": sha256(third)}
    if len(set(hashes.values())) > 1:
        lines = "\n".join(f"  {name:<14} {value}" for name, value in hashes.items())
        raise ReleaseError(f"the same source gave different wheels; compare them with diffoscope:\n{lines}")
    return hashes["first build"]


def main() -> None:
    """Check this repository."""
    try:
        print(f"three builds, one wheel: sha256 {check()}")
    except ReleaseError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
