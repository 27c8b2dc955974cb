"""Which of the processors that Zeus lists are packages of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ai_energy_benchmarks.domain.address import parse_address

# As Zeus itself reads them (zeus.utils.zeusd, ``ZeusdConfig.from_env``).
_SOCKET, _HOST_PORT = "ZEUSD_SOCK_PATH", "ZEUSD_HOST_PORT"


def packages_among(cpu_indices: Iterable[int], rapl_directory: Path) -> list[int]:
    """Places of the processors that are packages.

    Zeus takes every zone at the top of the tree for a processor. Of many client machines one is ``psys``, the whole
    platform with its packages (Linux, ``Documentation/power/powercap/powercap.rst``): a sum would count them twice.

    Args:
        cpu_indices: Zeus' numbers of its processors, which are those of the zones.
        rapl_directory: with a directory for each zone.
    """
    return [
        place
        for place, index in enumerate(cpu_indices)
        if _name(rapl_directory / f"intel-rapl:{index}").startswith("package")
    ]


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return "package"  # Zeus read its energy; a daemon may see what this process does not


def daemon_elsewhere(environment: Mapping[str, str]) -> str | None:
    """Why Zeus would read the processors of another machine; None if it reads this one's."""
    host_port = environment.get(_HOST_PORT)
    if host_port is None or _SOCKET in environment:
        return None
    try:
        local = parse_address(f"http://{host_port}").local
    except ValueError:
        local = False
    if local:
        return None
    return (
        f"{_HOST_PORT}={host_port} names the Zeus daemon of another machine; fix: unset it, or write 127.0.0.1 for the "
        "daemon of this one"
    )
