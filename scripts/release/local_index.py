"""Two kinds of package index on loopback, for rehearsals: one that takes uploads, one whose files can be yanked."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
