"""A real Ray on this machine with two nodes, started and ended by a test in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

# Each node locks in a directory of its own: on real nodes two cells do not share a machine.
_CODE = """
import json, sys
from ray.cluster_utils import Cluster

nodes = json.loads(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args=nodes[0])
others = [cluster.add_node(**node) for node in nodes[1:]]
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "kill":  # the last node, as a machine that loses its power
        cluster.remove_node(others.pop(), allow_graceful=False)
        print("killed", flush=True)
cluster.shutdown()
"""


def why_not() -> str:
    """Why Ray cannot run here; empty if it can."""
    return "" if find_spec("ray") else 'ray is not installed (pip install "ai_energy_benchmarks[ray]")'


@frozen
class RealRay:
    """A cluster that runs.

    Attributes:
        environment: variables with which a study finds it.
    """

    environment: dict[str, str]
    process: subprocess.Popen[str]

    def kill_a_node(self) -> None:
        """End one that is not the head, with all its workers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        while self.process.stdout.readline().strip() != "killed":
            pass


@contextmanager
def real_ray(place: Path, nodes: int = 2, *, exclusive: int = 1) -> Iterator[RealRay]:
    """Start a cluster whose nodes each have one place for a cell, or none."""
    import json

    place.mkdir(parents=True, exist_ok=True)
    made = [
        {
            "num_cpus": 1, "resources": {"exclusive": 1} if exclusive else {}, "include_dashboard": False,
            "env_vars": {"AEB_LOCK_DIR": str(place / f"locks{number}")},
        }
        for number in range(nodes)
    ]  # fmt: skip
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    with (place / "ray.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(made)], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if ":" in line and line.strip().rpartition(":")[2].isdigit():
                yield RealRay({"RAY_ADDRESS": line.strip()}, process)
                break
        else:
            raise RuntimeError(f"Ray does not start: {(place / 'ray.log').read_text()[-2000:]}")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def hidden_node(cluster: RealRay, directory: Path, place: Path) -> Iterator[None]:
    """A further node of the cluster that does not see a directory, in a mount namespace of its own (unshare(1))."""
    ray = Path(sys.executable).with_name("ray")
    address = cluster.environment["RAY_ADDRESS"]
    start = (
        f"mount -t tmpfs none '{directory}' && exec '{ray}' start --block --address={address}"
        """ --num-cpus=1 --resources='{"exclusive": 1}' --disable-usage-stats"""
    )
    environment = {**os.environ, "AEB_LOCK_DIR": str(place / "locks-hidden")}
    with (place / "hidden.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", start], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until_s = time.monotonic() + 90
        while "Ray runtime started" not in (place / "hidden.log").read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError((place / "hidden.log").read_text(errors="replace")[-2000:])
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
