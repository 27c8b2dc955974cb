"""The package index on which releases are tried, and an installation from it.

    python scripts/release/index.py install-back VERSION [--directory VENV]

The index that every client uses by default is never named. That of trials stands here and nowhere else in Python code;
``AEB_TEST_INDEX`` replaces it, as a rehearsal on a local index does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from changelog import ReleaseError

TEST_INDEX = "https://test.pypi.org"
NAME = "ai_energy_benchmarks"
SMOKE = Path(__file__).with_name("smoke.py")


def simple_url() -> str:
    """Where pip finds what was uploaded."""
    return f"{os.environ.get('AEB_TEST_INDEX', TEST_INDEX).rstrip('/')}/simple/"


def upload_url() -> str:
    """Where twine uploads to; a local index takes uploads at its root."""
    local = os.environ.get("AEB_TEST_INDEX")
    return f"{local.rstrip('/')}/" if local else f"{TEST_INDEX}/legacy/"


def install(python: Path, version: str, *, tries: int = 10, pause_s: float = 30.0) -> None:
    """Install one version from the trial index, its dependencies from the default one.

    An index lists a new version some time after the upload, so this is tried again.

    Raises:
        ReleaseError: it never appeared, or does not install; the message is pip's last.
    """
    command = [
        str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir",
        "--extra-index-url", simple_url(), f"{NAME}=={version}",
    ]  # fmt: skip

    def attempt() -> str | None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else done.stderr

    problem = retried(attempt, tries, pause_s)
    if problem is not None:
        raise ReleaseError(f"{NAME} {version} could not be installed from {simple_url()}:\n{problem}")


def retried(attempt: Callable[[], str | None], tries: int, pause_s: float) -> str | None:
    """Call until there is no problem; the last problem if there always is."""
    problem = attempt()
    for _ in range(tries - 1):
        if problem is None:
            break
        time.sleep(pause_s)
        problem = attempt()
    return problem


def install_back(version: str, directory: Path) -> None:
    """Install one version into a new environment and try it there.

    Raises:
        ReleaseError: it does not install, or does not work.
    """
    subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
    python = directory / "bin" / "python"
    install(python, version)
    done = subprocess.run([python, "-I", SMOKE, version], capture_output=True, text=True, cwd=directory, check=False)
    print(done.stdout, end="")
    if done.returncode:
        raise ReleaseError(f"the installed {NAME} {version} does not work:\n{done.stderr}")


def main() -> None:
    """Parse the arguments and install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    back = commands.add_parser("install-back")
    back.add_argument("version")
    back.add_argument("--directory", type=Path, help="make the environment here (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            install_back(arguments.version, arguments.directory or Path(temporary))
        except ReleaseError as error:
            sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
