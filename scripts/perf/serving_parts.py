"""What scripts/perf/serving.py stands on: the loopback server, the clients' processes, the environment with aiohttp."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, frozen
from platformdirs import user_cache_path

HERE = Path(__file__).parent
AIOHTTP = "aiohttp==3.14.5"
_CLIENT_CORE, _SERVER_CORE = 0, 1


@frozen
class Load:
    """What a client asks of the server."""

    mode: str
    concurrency: int
    requests: int
    tokens: int
    stagger: bool = False

    @property
    def arguments(self) -> list[str]:
        """As a client's command line takes it."""
        numbers = [str(self.concurrency), str(self.requests), str(self.tokens)]
        return [*numbers, "--stagger"] if self.stagger else numbers


@frozen
class Bench:
    """A running loopback server and the means to send clients to it."""

    port: int

    def endpoint(self, mode: str) -> str:
        """Base URL of a mode: ``flood`` or ``paced``."""
        return f"http://127.0.0.1:{self.port}/{mode}/v1"

    def client(self, script: str, load: Load, python: Path = Path(sys.executable)) -> dict[str, Any]:
        """Run a client to its end and return what it printed."""
        command = [str(python), str(HERE / script), self.endpoint(load.mode), *load.arguments]
        command += ["--core", str(_CLIENT_CORE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
        if done.returncode:
            raise SystemExit(f"{script} failed: {done.stderr[-2000:]}")
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    def log(self) -> dict[str, Any]:
        """What the server saw since it was last asked."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/log", timeout=30) as answer:
            seen: dict[str, Any] = json.load(answer)
            return seen


@contextmanager
def bench() -> Iterator[Bench]:
    """A loopback server, gone at the end."""
    command = [sys.executable, str(HERE / "serving_loopback.py")]
    if (os.cpu_count() or 1) > _SERVER_CORE:
        command += ["--core", str(_SERVER_CORE)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Bench(int(process.stdout.readline()))
        finally:
            process.stdin.close()


def peer_python(given: Path | None) -> Path | str:
    """An interpreter that has aiohttp, in an environment made once for it; or the reason why there is none."""
    directory = user_cache_path("ai_energy_benchmarks") / "perf-aiohttp"
    python = given or directory / "bin" / "python"
    if given is None and not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", directory], capture_output=True, text=True, check=False)
        if made.returncode:
            return f"no environment could be made in {directory}: {made.stderr.strip()[-200:]}"
    if _has_aiohttp(python):
        return python
    if given is not None:
        return f"{given} has no aiohttp"
    command = [str(python), "-m", "pip", "install", "--quiet", AIOHTTP]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    return python if _has_aiohttp(python) else f"{AIOHTTP} could not be installed: {installed.stderr.strip()[-200:]}"


def _has_aiohttp(python: Path) -> bool:
    return subprocess.run([python, "-c", "import aiohttp"], capture_output=True, check=False).returncode == 0


@define
class Busy:
    """How many cores were busy on average, with everything that ran on the machine; None where it does not tell."""

    cores: float | None = None


@contextmanager
def busy_cores() -> Iterator[Busy]:
    """Watch the machine's own account of its processors (proc(5), ``/proc/stat``)."""
    busy, start, start_s = Busy(), _busy_s(), time.perf_counter()
    yield busy
    stop = _busy_s()
    if start is not None and stop is not None:
        busy.cores = (stop - start) / (time.perf_counter() - start_s)


def _busy_s() -> float | None:
    """Seconds that all cores together were not idle; waiting for a disk counts as idle."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
