"""Real processes between the client and a server: a tunnel, and a port forwarder of a real network namespace."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.location import locate
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.domain.address import parse_address
from ai_energy_benchmarks.domain.engine import Location
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.metrics.cpu.modelled import ModelledCpuCollector, ModelledCpuOptions
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.servers import Exchange, delta, running, usage

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of other processes")

# Listens on a port and copies bytes to another; says so once it listens, and ends with its input.
FORWARD = """
import socket, sys, threading
listening = socket.create_server(("127.0.0.1", 0))
def copy(source, sink):
    while block := source.recv(65536):
        sink.sendall(block)
    sink.close()
def accept():
    while True:
        inner, _ = listening.accept()
        outer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        for pair in ((inner, outer), (outer, inner)):
            threading.Thread(target=copy, args=pair, daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
print(listening.getsockname()[1], flush=True)
input()
"""
# In a network of its own: gives the loopback device an address (netdevice(7): SIOCSIFADDR, SIOCSIFFLAGS) and listens.
CONTAINER = """
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    address = struct.pack("16sHH4s8x", b"lo", socket.AF_INET, 0, socket.inet_aton("10.77.0.2"))
    fcntl.ioctl(control, 0x8916, address)
    fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
listening = socket.create_server(("0.0.0.0", 8000))
print("listening", flush=True)
input()
"""
# A launcher with two children: one listens, the other works for half a second after a line of input.
LAUNCHER = """
import os, socket, sys, time
listening = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    time.sleep(60)
port = listening.getsockname()[1]
listening.close()
print(port, flush=True)
input()
if os.fork() == 0:
    while time.process_time() < 0.5: pass
    os._exit(0)
os.wait()
print("done", flush=True)
input()
os.killpg(0, 9)
"""


@contextlib.contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process and the line that it says first; it ends with its input."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.communicate("\n")


def named(name: str, folder: Path) -> str:
    """This interpreter under another name, which is then also that of its process."""
    program = folder / name
    # The start of a virtual environment's interpreter depends on its place, so it is the real one.
    program.symlink_to(os.path.realpath(sys.executable))
    return str(program)


async def answer(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for _ in range(3):
        await exchange.event(delta(content="a"))
    await exchange.event(usage(4, 3))
    await exchange.end_stream()


def run(
    endpoint: str, output_dir: Path, metrics: Mapping[str, object], device_ids: list[int] | None = None
) -> BenchmarkResult:
    config = config_from_mapping(
        {
            "backend": {"type": "openai", "model": "scripted", "endpoint": endpoint, "device_ids": device_ids},
            "scenario": {"num_samples": 2, "generate_kwargs": {"max_new_tokens": 3}},
            "protocol": {"trials": 1, "bare_idle_s": 0, "resident_idle_s": 0, "warmup": {"requests": 0}},
            "metrics": {"collectors": ["modelled"], **metrics},
            "reporters": [],
            "output_dir": str(output_dir),
        }
    )
    return BenchmarkRunner(config).measure()


def test_a_run_through_a_tunnel_has_no_energy(tmp_path: Path) -> None:
    """Tokens and times are those of the server; the energy is that of another machine, and the verdict says so."""
    with (
        running(answer) as server,
        started(named("ssh", tmp_path), "-S", "-c", FORWARD, str(parse_address(server.endpoint).port)) as (
            tunnel,
            port,
        ),
    ):
        endpoint = f"http://127.0.0.1:{port}/v1"
        result = run(endpoint, tmp_path / "out", {})
        overruled = run(endpoint, tmp_path / "out", {"assume_local": True})
    (trial,) = result.trials
    assert len(trial.completions) == 2
    assert trial.measurement is not None
    assert trial.measurement.readings == ()
    message = next(each.message for each in result.verdict.findings if each.check == "engine location")
    assert result.verdict.level == "FAIL"
    assert message.startswith(
        f"ssh (process {tunnel.pid}) listens on port {port} and passes requests on to another machine"
    )
    told = next(each for each in overruled.verdict.findings if each.check == "engine location")
    assert (told.level, told.message.endswith("metrics.assume_local overrules this")) == ("INFO", True)


def test_a_port_of_a_container_leads_to_the_process_inside(tmp_path: Path) -> None:
    """As docker-proxy is started; the process listens in a network namespace of its own."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network namespace")
    proxy = ("-c", FORWARD, "1", "-container-ip", "10.77.0.2", "-container-port", "8000")
    with (
        started(unshare, "-rn", sys.executable, "-S", "-c", CONTAINER) as (container, said),
        started(named("docker-proxy", tmp_path), "-S", *proxy) as (_, port),
    ):
        assert said == "listening"
        location = locate(parse_address(f"http://localhost:{port}"))
    assert location == Location((container.pid,), by_port=True)


def test_a_server_of_this_process_is_this_process() -> None:
    """And not the program that has started it, which has started the client too."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        location = locate(parse_address(f"http://127.0.0.1:{listening.getsockname()[1]}"))
    assert location.process_ids == (os.getpid(),)


def test_the_workers_beside_a_router_are_in_the_energy(tmp_path: Path) -> None:
    """The process that listens does nothing; its launcher's other child did the work, 2 J of it, and had 0 J."""
    with (
        started(sys.executable, "-S", "-c", LAUNCHER) as (launcher, port),
        ModelledCpuCollector(ModelledCpuOptions(watts_per_thread=4.0)) as meter,
    ):
        assert launcher.stdin is not None
        assert launcher.stdout is not None
        location = locate(parse_address(f"http://127.0.0.1:{port}"))
        # Not by_port: whether it is a router is decided by what else this machine does, which is no part of this test.
        meter.attach(Workload(location.process_ids))
        start = meter.mark()
        launcher.stdin.write("\n")
        launcher.stdin.flush()
        launcher.stdout.readline()
        (reading,) = meter.read(start, meter.mark()).readings
    assert (location.process_ids, location.by_port) == ((launcher.pid,), True)
    assert reading.bounds_j.low <= 0.55 * 4.0
    assert reading.bounds_j.high >= 0.45 * 4.0
