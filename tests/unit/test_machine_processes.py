"""Whose the numbers of a driver's process list are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ai_energy_benchmarks.machine.namespaces import counts_as_host, listed_as
from tests.fake_proc import FakeProc

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /proc")


@needs_linux
def test_on_the_host_the_drivers_numbers_are_ours() -> None:
    """The processes of a tree are found among them, and no others."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert listed_as([os.getpid()], [child.pid, 1]) == {child.pid}
        assert listed_as([child.pid], [os.getpid(), 1]) == frozenset()
    finally:
        child.communicate(b"\n")


def test_a_container_sees_its_engine_where_the_driver_counts_as_it_does(tmp_path: Path) -> None:
    """Newer drivers translate the numbers and leave out what the container cannot see."""
    proc = FakeProc(tmp_path / "proc", host=False)
    proc.add(50, 1, "python3")
    proc.add(57, 50, "VLLM::EngineCore")
    proc.be(50)
    assert not counts_as_host(proc.root)
    assert listed_as([50], [57], proc.root) == {57}
    assert listed_as([50], [], proc.root) == frozenset()


def test_a_container_cannot_tell_whose_the_hosts_numbers_are(tmp_path: Path) -> None:
    """Older drivers count as the host does: that is not the same as having found nothing."""
    proc = FakeProc(tmp_path / "proc", host=False)
    proc.add(57, 1, "python3")
    assert listed_as([57], [23_457], proc.root) is None


def test_the_hosts_proc_in_a_container_shows_whose_the_numbers_are(tmp_path: Path) -> None:
    """This process calls itself 7, the host calls it 23457; another container has a 7 of its own."""
    proc = FakeProc(tmp_path / "proc")
    proc.add(23_457, 1, "python3", numbers=(23_457, 7), pid_namespace="ours")
    proc.add(23_460, 23_457, "VLLM::EngineCore", numbers=(23_460, 9), pid_namespace="ours")
    proc.add(31_000, 1, "python3", numbers=(31_000, 7), pid_namespace="theirs")
    proc.be(23_457)
    assert listed_as([7], [23_460, 31_000], proc.root) == {23_460}
    assert listed_as([7], [9], proc.root) == {9}


def test_without_proc_nothing_can_be_matched(tmp_path: Path) -> None:
    """As on other systems."""
    assert listed_as([1], [1], tmp_path / "missing") is None


@needs_linux
def test_a_real_pid_namespace_with_the_hosts_proc_is_seen_through() -> None:
    """The process in it calls itself by another number than the /proc of the host does."""
    unshare = ["unshare", "-r", "--pid", "--fork"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("this user may not make a PID namespace")
    if not counts_as_host():
        pytest.skip("/proc is not that of the host")
    code = """
import os
from ai_energy_benchmarks.machine.namespaces import listed_as
outer = int(os.readlink("/proc/self"))
assert outer != os.getpid()
assert listed_as([os.getpid()], [outer, 1_000_000]) == {outer}
assert listed_as([os.getpid()], [os.getpid()]) == {os.getpid()}
"""
    subprocess.run([*unshare, sys.executable, "-c", code], check=True)
