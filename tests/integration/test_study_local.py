"""The executor of one machine, with real child processes; the locks on GPUs; Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import ReporterError
from ai_energy_benchmarks.study.commands import MARK_VARIABLE, STUDY_VARIABLE, Detached
from ai_energy_benchmarks.study.executors.base import CellEnd, CellRun
from ai_energy_benchmarks.study.executors.local import LocalExecutor
from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE, locked
from ai_energy_benchmarks.study.running.leftovers import end_orphans
from ai_energy_benchmarks.study.running.stopping import StopRequests
from tests.container_stand_in import IMAGE_ID, install

# Starts a grandchild that cuts itself loose, as servers do, and says its process number.
LOOSE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
print(child.pid, flush=True)
"""


def execute(tmp_path: Path, code: str, stop: StopRequests | None = None, **limits: float) -> CellEnd:
    cell = CellRun("a", 1, (sys.executable, "-c", code), tmp_path, tmp_path / "cell.log", {"EXTRA": "x"}, **limits)  # type: ignore[arg-type] # of two limits
    (end,) = LocalExecutor(grace_s=0.3).run(iter([cell]), stop or StopRequests())
    return end


def log(tmp_path: Path) -> str:
    return (tmp_path / "cell.log").read_text()


def test_a_child_has_its_environment_and_its_log(tmp_path: Path) -> None:
    """What it prints is kept, both streams, and how it ended is reported."""
    code = "import os, sys; print(os.environ['EXTRA'], flush=True); print('e', file=sys.stderr); sys.exit(3)"
    end = execute(tmp_path, code)
    assert (end.how, end.exit_code, log(tmp_path)) == ("exited", 3, "x\ne\n")
    assert 0 < end.wall_s < 60


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize(
    ("ending", "limits", "how"),
    [
        ("", {}, "exited"),
        ("time.sleep(300)", {"timeout_s": 0.6}, "timed out"),
        ("time.sleep(300)", {"silence_s": 0.6}, "silent"),
    ],
)
def test_a_cell_ends_as_a_tree(tmp_path: Path, ending: str, limits: dict[str, float], how: str) -> None:
    """By itself, on a timeout or on silence, nothing that it started lives on, also in a session of its own."""
    end = execute(tmp_path, LOOSE + ending, **limits)
    assert end.how == how
    assert end.reason
    assert gone(int(log(tmp_path).split()[0]))


def test_a_container_that_ignores_its_grace_is_killed(tmp_path: Path) -> None:
    """What runs in it does not end with its standard input; the engine ends it by its name, once."""
    stand_in = install(tmp_path / "docker", "docker", Path(sys.executable))
    docker = str(stand_in.bin / "docker")
    deaf = "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
    command = (docker, "run", "--name", "cell", "--entrypoint", "python3", IMAGE_ID, "-c", deaf)
    detached = Detached((docker, "kill", "cell"), (docker, "inspect", "cell"))
    cell = CellRun("a", 1, command, tmp_path, tmp_path / "cell.log", timeout_s=1.0, detached=detached)
    (end,) = LocalExecutor(grace_s=0.3).run(iter([cell]), StopRequests())
    assert (end.how, end.reason) == ("timed out", "it took longer than execution.timeout_s (1 s)")
    assert stand_in.calls("kill") == [["kill", "cell"]]
    pid, until_s = int(log(tmp_path).split()[0]), time.monotonic() + 20
    while not gone(pid) and time.monotonic() < until_s:
        time.sleep(0.02)
    assert gone(pid)


def test_a_child_that_computes_is_not_silent(tmp_path: Path) -> None:
    """It may print nothing for a whole trial."""
    end = execute(tmp_path, "import time\nwhile time.process_time() < 1.5: pass", silence_s=0.5)
    assert (end.how, end.exit_code) == ("exited", 0)


def test_asked_to_finish_a_child_reads_that_once(tmp_path: Path) -> None:
    """It ends in its own time, and what it wrote counts."""
    stop = StopRequests()
    stop.request()
    end = execute(tmp_path, "import sys; print(repr(sys.stdin.readline())); sys.exit(130)", stop)
    assert (end.how, end.exit_code) == ("interrupted", 130)
    assert log(tmp_path) == "'finish\\n'\n"


def test_a_child_ends_when_its_study_is_killed(tmp_path: Path) -> None:
    """Its standard input ends, however the study ends."""
    code = f"""
from pathlib import Path
from ai_energy_benchmarks.study.executors.base import CellRun
from ai_energy_benchmarks.study.commands import MARK_VARIABLE
from ai_energy_benchmarks.study.executors.local import LocalExecutor
from ai_energy_benchmarks.study.running.stopping import StopRequests
import sys
child = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
place = Path({str(tmp_path)!r})
cell = CellRun("a", 1, (sys.executable, "-c", child), place, place / "cell.log")
list(LocalExecutor().run(iter([cell]), StopRequests()))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as study:
        pid = int(wait_for_line(tmp_path / "cell.log"))
        study.send_signal(signal.SIGKILL)
    until_s = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < until_s:
        time.sleep(0.02)
    assert gone(pid)


def wait_for_line(file: Path) -> str:
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        if file.exists() and (text := file.read_text()).endswith("\n"):
            return text
        time.sleep(0.02)
    raise AssertionError(f"nothing in {file}")


def test_what_a_killed_study_left_running_is_ended(tmp_path: Path) -> None:
    """A cell that does not hear of the end would share the machine with the next; others' processes are left alone."""
    variables = {**os.environ, STUDY_VARIABLE: str(tmp_path.resolve())}
    with (
        subprocess.Popen([sys.executable, "-c", LOOSE + "time.sleep(300)"], env=variables) as deaf,
        subprocess.Popen(["sleep", "300"], env={**os.environ, STUDY_VARIABLE: str(tmp_path / "other")}) as other,
    ):
        end_orphans(tmp_path, cap_s=0.3)
        assert deaf.wait(10) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
    end_orphans(tmp_path, cap_s=60)  # nothing is left to wait for


def test_a_second_interrupt_stops_the_child_now(tmp_path: Path) -> None:
    """What cut the wait short is raised on after the end was yielded."""

    class Impatient(StopRequests):
        @property
        def finish(self) -> bool:
            raise KeyboardInterrupt

    cell = CellRun("a", 1, (sys.executable, "-c", LOOSE + "time.sleep(300)"), tmp_path, tmp_path / "cell.log")
    ends = LocalExecutor(grace_s=0.1).run(iter([cell]), Impatient())
    assert next(ends).how == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        next(ends)


def test_the_mark_of_a_cell_is_not_ours() -> None:
    """Otherwise a study within a study would end itself."""
    assert MARK_VARIABLE not in os.environ


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "locks"))
    return tmp_path / "locks"


def test_two_studies_do_not_share_a_gpu(tmp_path: Path, locks: Path) -> None:
    """The second is refused with the first one's name, until that ends; other GPUs are free."""
    with locked(["GPU-a", "GPU-b"], tmp_path / "first"):
        with pytest.raises(
            ReporterError, match=rf"GPU GPU-b is in use by another study \(.*first, process {os.getpid()}"
        ):
            locked(["GPU-b"], tmp_path).__enter__()
        with locked(["GPU-c"], tmp_path):
            pass
    with locked(["GPU-b"], tmp_path):
        pass


def test_without_gpus_the_host_is_locked(tmp_path: Path, locks: Path) -> None:
    """Two studies would share its processors."""
    with locked([], tmp_path), pytest.raises(ReporterError, match="this host is in use by another study"):
        locked([], tmp_path).__enter__()
    assert (locks.stat().st_mode & 0o7777, (locks / "host.lock").stat().st_mode & 0o777) == (0o1777, 0o666)


def test_a_lock_ends_with_its_process(tmp_path: Path, locks: Path) -> None:
    """After SIGKILL too."""
    code = f"""
import sys
from pathlib import Path
from ai_energy_benchmarks.study.locks import locked
with locked(["GPU-a"], Path("x")):
    print("held", file=open({str(tmp_path / "held")!r}, "w"), flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as holder:
        wait_for_line(tmp_path / "held")
        with pytest.raises(ReporterError):
            locked(["GPU-a"], tmp_path).__enter__()
        holder.kill()
    with locked(["GPU-a"], tmp_path):
        pass


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path, locks: Path) -> None:
    """The directory is everyone's."""
    locks.mkdir()
    (tmp_path / "precious").write_text("x")
    (locks / "GPU-a.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(ReporterError, match="cannot lock GPU-a"):
        locked(["GPU-a"], tmp_path).__enter__()
    assert (tmp_path / "precious").read_text() == "x"


@pytest.mark.parametrize("text", ['{"study":' * 100_000, "[]", "\x00"])
def test_what_a_holder_has_written_is_not_trusted(tmp_path: Path, locks: Path, text: str) -> None:
    """The directory is everyone's: the study is refused all the same, without a name."""
    with locked(["GPU-a"], tmp_path):
        (locks / "GPU-a.lock").write_text(text)
        with pytest.raises(ReporterError, match="GPU GPU-a is in use by another study, and"):
            locked(["GPU-a"], tmp_path).__enter__()


def test_a_pipe_in_the_place_of_a_lock_is_refused(tmp_path: Path, locks: Path) -> None:
    """Nothing waits for what may be written to it."""
    locks.mkdir()
    os.mkfifo(locks / "GPU-a.lock")
    with pytest.raises(ReporterError, match="is no file"):
        locked(["GPU-a"], tmp_path).__enter__()


def test_the_first_interrupt_asks_and_the_second_raises() -> None:
    """In the main thread; afterwards the handler is what it was."""
    before = signal.getsignal(signal.SIGINT)
    said: list[str] = []
    with StopRequests(lambda: said.append("finishing")) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        stop.wait(5)
        assert (stop.finish, said) == (True, ["finishing"])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before
