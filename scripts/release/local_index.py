"""Two kinds of package index on loopback, for rehearsals: one that takes uploads, one whose files can be yanked.

    python scripts/release/local_index.py VARIABLE=FILE[,FILE …] … -- COMMAND [ARGUMENT …]

runs a command next to one index per variable: twine uploads the files to it, and the variable holds its address.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def serving(command: Sequence[str], port: int) -> Iterator[str]:
    """Run a server until the block ends; gives its address once it answers.

    Raises:
        TimeoutError: it does not answer within 20 s.
    """
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"{address}/", timeout=1):
                    break
            except (URLError, ConnectionError):
                time.sleep(0.1)
        else:
            raise TimeoutError(f"nothing answers at {address}")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def upload_index(directory: Path) -> Iterator[str]:
    """An index that keeps uploads in a directory, takes them from anybody and no file twice; gives its address."""
    directory.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port), "-P", ".", "-a", "."]
    with serving([*command, "--disable-fallback", str(directory)], port) as address:
        yield address


@contextmanager
def yanking_index(directory: Path, wheels: Sequence[Path], yanked: Sequence[Path]) -> Iterator[str]:
    """A static index of wheels, some of them yanked as PEP 592 says; gives its address."""
    page = directory / "simple" / "ai-energy-benchmarks"
    page.mkdir(parents=True)
    lines = []
    for wheel in wheels:
        (page / wheel.name).write_bytes(wheel.read_bytes())
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        mark = ' data-yanked="rehearsed"' if wheel in yanked else ""
        lines.append(f'<a href="{wheel.name}#sha256={digest}"{mark}>{wheel.name}</a>')
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>", encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(directory)]
    with serving(command, port) as address:
        yield address


def upload(address: str, files: Sequence[str | Path]) -> None:
    """Upload distributions with twine, as the publishing action does.

    Raises:
        subprocess.CalledProcessError: the index or twine refused them; ``stderr`` says why.
    """
    login = ("--repository-url", f"{address}/", "--username", "any", "--password", "any", "--disable-progress-bar")
    command = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--verbose", *login, *map(str, files)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def main() -> int:
    """Start the indexes, run the command, end the indexes; the command's exit code."""
    if "--" not in sys.argv[2:-1]:
        sys.exit(__doc__)
    split = sys.argv.index("--")
    environment = dict(os.environ)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="local-index-")))
        for word in sys.argv[1:split]:
            variable, _, files = word.partition("=")
            environment[variable] = stack.enter_context(upload_index(work / variable))
            upload(environment[variable], files.split(","))
        return subprocess.run(sys.argv[split + 1 :], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
