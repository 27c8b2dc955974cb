"""Which of Zeus' processors count."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.metrics.zeus_packages import daemon_elsewhere, packages_among


def test_the_platform_is_no_package(tmp_path: Path) -> None:
    """Zeus lists ``psys`` as a processor, and its energy has that of the packages in it."""
    for number, name in {0: "package-0", 1: "psys", 2: "package-1-die-0"}.items():
        (tmp_path / f"intel-rapl:{number}").mkdir()
        (tmp_path / f"intel-rapl:{number}" / "name").write_text(f"{name}\n")
    assert packages_among([0, 1, 2], tmp_path) == [0, 2]
    assert packages_among([1, 2], tmp_path) == [1]
    assert packages_among([0, 7], tmp_path) == [0, 1]  # a zone that only the daemon sees


@pytest.mark.parametrize(
    ("environment", "elsewhere"),
    [
        ({}, False),
        ({"ZEUSD_HOST_PORT": "127.0.0.1:4938"}, False),
        ({"ZEUSD_HOST_PORT": "[::1]:4938"}, False),
        ({"ZEUSD_HOST_PORT": "gpu-7:4938"}, True),
        ({"ZEUSD_HOST_PORT": "10.0.0.7:4938"}, True),
        ({"ZEUSD_HOST_PORT": ":"}, True),
        ({"ZEUSD_HOST_PORT": "gpu-7:4938", "ZEUSD_SOCK_PATH": "/run/zeusd.sock"}, False),
    ],
)
def test_a_daemon_of_another_machine_is_not_read(environment: dict[str, str], elsewhere: bool) -> None:
    """Its processors are not those of the engine; Zeus prefers a socket, which is of this machine."""
    reason = daemon_elsewhere(environment)
    assert (reason is not None) is elsewhere
    assert reason is None or environment["ZEUSD_HOST_PORT"] in reason
