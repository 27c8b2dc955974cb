"""A real Slurm on this machine: one node, as root, started and ended by a test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
_START_CAP_S = 60.0

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={place}/munge/socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
ReturnToService=2
KillWait=20
MinJobAge=300
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=60 State=UP
"""


def why_not() -> str:
    """Why Slurm cannot run here; empty if it can."""
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        return f"Slurm is not installed: no {', '.join(missing)} (apt-get install slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "starting Slurm needs root"


@contextmanager
def real_slurm(place: Path) -> Iterator[dict[str, str]]:
    """Start munge and Slurm with all their files in a directory; gives the variables that their commands need."""
    for name in ("state", "spool", "munge"):
        (place / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    conf = place / "slurm.conf"
    conf.write_text(
        _CONF.format(host=host, place=place, port=_port(), node_port=_port(), cpus=os.cpu_count()), encoding="utf-8"
    )
    environment = {"SLURM_CONF": str(conf)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_munge(place / "munge"))
        _until((place / "munge" / "socket").exists, "munged opens no socket")
        for daemon in (["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            with (place / f"{daemon[0]}.out").open("wb") as out:
                started.append(
                    subprocess.Popen(
                        daemon, env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True
                    )
                )
        _until(lambda: _state(environment) == "idle", "the node does not become idle")
        yield environment
    finally:
        for process in reversed(started):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _munge(place: Path) -> subprocess.Popen[bytes]:
    key = place / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    place.chmod(0o711)
    options = {"key-file": key, "socket": place / "socket", "pid-file": place / "pid", "log-file": place / "log",
               "seed-file": place / "seed"}  # fmt: skip
    command = ["munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in options.items())]
    with (place / "out").open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)


def _state(environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"], env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    return done.stdout.strip()


def _until(true, problem: str) -> None:  # type: ignore[no-untyped-def] # of tests
    until_s = time.monotonic() + _START_CAP_S
    while not true():
        if time.monotonic() > until_s:
            raise RuntimeError(problem)
        time.sleep(0.2)


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
