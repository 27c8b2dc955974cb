"""The members of what was started here are found by their environment, their session and their descent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ai_energy_benchmarks.machine.control_group import group_members, joining, make_group, remove_group
from ai_energy_benchmarks.machine.launched import MARKER, Launched
from ai_energy_benchmarks.machine.watcher import Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

SLEEP = ["sleep", "300"]


def test_a_worker_in_a_session_of_its_own_is_found_by_its_environment() -> None:
    """And ended; what carries another mark is not."""
    with (
        subprocess.Popen(SLEEP, env={MARKER: "mine"}, start_new_session=True) as worker,
        subprocess.Popen(SLEEP, env={MARKER: "mine-too"}, start_new_session=True) as other,
    ):
        launched = Launched("mine")
        assert launched.members() == {worker.pid}
        launched.end(0.0)
        assert worker.wait(10) != 0
        assert other.poll() is None
        other.kill()


def test_without_the_mark_the_session_and_the_descendants_are_members() -> None:
    """Such as those of a server that clears the environment of its workers."""
    nested = ["/bin/sh", "-c", "setsid sleep 300 & sleep 300"]
    with subprocess.Popen(nested, env={"PATH": "/usr/bin:/bin"}, start_new_session=True) as first:
        launched = Launched("no-such-mark", first.pid)
        for _ in range(500):
            if len(launched.members()) == 3:
                break
            subprocess.run(["sleep", "0.01"], check=True)
        assert len(launched.members()) == 3
        launched.end(0.1)
        assert launched.members() == set()


def test_the_watcher_does_nothing_once_it_is_told_that_all_has_ended(tmp_path: Path) -> None:
    """It has gone when its block is left, and what still carries the mark lives on."""
    with subprocess.Popen(SLEEP, env={MARKER: "watched"}) as worker:
        with Watcher(Launched("watched"), tmp_path / "log"):
            pass
        assert worker.poll() is None
        worker.kill()


def test_a_control_group_holds_whatever_the_command_starts() -> None:
    """Also what clears its environment and begins a session of its own; where no group may be made there is none."""
    group = make_group("ai-energy-benchmark-test")
    if group is None:
        pytest.skip("no control group may be made here")
    command = joining(group, ("/bin/sh", "-c", "env -i setsid sleep 300 & exec sleep 300"))
    try:
        with subprocess.Popen(command, start_new_session=True):
            for _ in range(500):
                if len(group_members(group)) == 2:
                    break
                subprocess.run(["sleep", "0.01"], check=True)
            assert len(group_members(group)) == 2
            Launched("no-such-mark", group=group).end(0.1)
    finally:
        remove_group(group)
    assert not group.exists()


def test_where_no_group_may_be_made_the_command_is_started_as_it_is(tmp_path: Path) -> None:
    """Without version 2, or without the right to write there."""
    assert make_group("x", tmp_path) is None
    assert joining(None, ("a", "b")) == ("a", "b")
