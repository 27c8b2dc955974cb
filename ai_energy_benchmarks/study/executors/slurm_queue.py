"""The connection to Slurm: jobs through ``submitit``, the queue through Slurm's own commands.

``submitit`` asks ``sacct`` about jobs, which knows nothing on a cluster without accounting; ``squeue`` knows every job
for ``MinJobAge`` after its end (slurm.conf(5)).
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from attrs import define

from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.results.writing import write_text
from ai_energy_benchmarks.study.executors.orders import Site
from ai_energy_benchmarks.study.executors.slurm_job import FINISH_SUFFIX, run_lane
from ai_energy_benchmarks.study.plan.clusters import SlurmConfig

FOLDER = "slurm"
GONE = "GONE"
_COMMAND_CAP_S = 60.0
_NO_JOB = "Invalid job id"
_REMEDY = "`sinfo` shows whether Slurm runs"
# How long before the end of its time a job is told; what the process has measured is written then.
_NOTICE_S = 60


class Queue(Protocol):
    """What the executor needs of Slurm."""

    def check(self) -> None:
        """Raises:
        BackendError: Slurm or ``submitit`` is missing, or does not answer.
        """

    def submit(
        self,
        site: Site,
        config: SlurmConfig,
        lanes: Sequence[Sequence[str]],
        environment: Mapping[str, str],
        limit_s: float,
    ) -> Sequence[str]:
        """One array with a job for each lane of orders; their ids in the same order."""

    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        """Job → its state as Slurm calls it; ``GONE`` where the queue does not know it any more, else empty."""

    def named(self, site: Site) -> Sequence[str]:
        """Jobs of this study that have not ended."""

    def cancel(self, jobs: Sequence[str]) -> None:
        """Cancel jobs, running or not."""

    def finish(self, site: Site, jobs: Sequence[str]) -> None:
        """Cancel the jobs that have not begun; the others begin no further cell."""


@define
class SlurmQueue:
    """The Slurm cluster that this machine belongs to.

    Attributes:
        study: the directory of the study, whose ``slurm/`` holds orders and logs of jobs.
    """

    study: Path

    def check(self) -> None:
        try:
            import submitit  # noqa: F401 # whether it is there
        except ImportError as error:
            raise BackendError(
                f"executor: slurm needs the package submitit: {error}",
                remedy=install_line("slurm"),
            ) from error
        missing = [name for name in ("sbatch", "srun", "sinfo", "squeue", "scancel") if shutil.which(name) is None]
        if missing:
            raise BackendError(
                f"executor: slurm needs the commands of Slurm; there is no {', '.join(missing)} on the PATH",
                remedy="run the study on a login node of the cluster",
            )
        _command("sinfo", "--noheader")

    def submit(
        self,
        site: Site,
        config: SlurmConfig,
        lanes: Sequence[Sequence[str]],
        environment: Mapping[str, str],
        limit_s: float,
    ) -> Sequence[str]:
        import submitit

        folder = site.directory / FOLDER
        files = [_write_lane(folder, lane) for lane in lanes]
        executor = submitit.SlurmExecutor(folder=folder / "%j", max_num_timeout=0, python=sys.executable)
        executor.update_parameters(**parameters(config, job_name(site), limit_s))
        try:
            with _set(environment):
                jobs = executor.map_array(run_lane, [str(file) for file in files])
        except (submitit.core.utils.FailedJobError, OSError) as error:
            raise BackendError(
                f"Slurm refuses the jobs of the study: {_last_line(str(error))}",
                remedy="correct execution.slurm; `sinfo` lists partitions and their limits",
            ) from error
        for job, file in zip(jobs, files, strict=True):
            (folder / f"{job.job_id}.lane").symlink_to(file.name)
        return [str(job.job_id) for job in jobs]

    def states(self, jobs: Sequence[str]) -> dict[str, str]:
        found = dict.fromkeys(jobs, GONE)
        for array in sorted({job.partition("_")[0] for job in jobs}):  # one that is gone makes all of them fail
            done = _run("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T", f"--jobs={array}")
            states = dict(line.strip().split("|", 1) for line in done.stdout.splitlines() if "|" in line)
            unknown = done.returncode != 0 and _NO_JOB not in done.stderr  # Slurm itself does not answer now
            for job in jobs:
                if job.partition("_")[0] == array and (unknown or job in states):
                    found[job] = "" if unknown else states[job]
        return found

    def named(self, site: Site) -> Sequence[str]:
        lines = _command("squeue", "--noheader", "--array", "--format=%i", f"--name={job_name(site)}")
        return [line.strip() for line in lines.splitlines() if line.strip()]

    def cancel(self, jobs: Sequence[str]) -> None:
        if jobs:
            _command("scancel", *jobs, may_fail=True)

    def finish(self, site: Site, jobs: Sequence[str]) -> None:
        folder = site.directory / FOLDER
        for job in jobs:
            lane = folder / f"{job}.lane"
            if lane.exists():
                lane.resolve().with_suffix(FINISH_SUFFIX).touch()
        _command("scancel", "--state=PENDING", *jobs, may_fail=True)


def job_name(site: Site) -> str:
    """The name of all jobs of a study, by which they are found again."""
    return f"aeb-{hashlib.sha256(str(site.directory).encode()).hexdigest()[:16]}"


def parameters(config: SlurmConfig, name: str, limit_s: float) -> dict[str, object]:
    """What ``submitit`` is given.

    A job has a whole node (``exclusive``) with all its memory (``mem=0``) and is not bound to some of its processors;
    Slurm never begins it again by itself (``no_requeue``), since a second attempt has a directory of its own.
    """
    wanted: dict[str, object] = {
        "job_name": name,
        "nodes": 1,
        "ntasks_per_node": 1,
        "exclusive": True,
        "time": math.ceil(limit_s / 60),
        "signal_delay_s": _NOTICE_S,
        "partition": config.partition,
        "account": config.account,
        "qos": config.qos,
        "constraint": config.constraint,
        "gpus_per_node": config.gpus or None,
        "array_parallelism": config.at_once,
        "setup": list(config.setup) or None,
        "srun_args": ["--cpu-bind=none"],
        "stderr_to_stdout": True,
        "additional_parameters": {"mem": 0, "no_requeue": True, "export": "ALL", **config.options},
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _write_lane(folder: Path, lane: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256("\n".join(lane).encode()).hexdigest()[:16]
    file = folder / f"{name}.jsonl"
    write_text(file, "".join(f"{line}\n" for line in lane))
    return file


@contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    """Variables of the process that submits, which its jobs inherit (sbatch(1), ``--export=ALL``)."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _command(*command: str, may_fail: bool = False) -> str:
    """What a command of Slurm prints.

    Raises:
        BackendError: it fails, unless it may.
    """
    done = _run(*command)
    if done.returncode and not may_fail:
        raise BackendError(f"{command[0]} fails: {_last_line(done.stderr)}", remedy=_REMEDY)
    return done.stdout


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_CAP_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "without a message"
