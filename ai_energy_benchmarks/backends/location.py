"""Where the engine behind an endpoint runs: the processes that listen on its port, followed through proxies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from ai_energy_benchmarks.backends.proxies import Proxy, recognised, targets
from ai_energy_benchmarks.backends.several_nodes import spread
from ai_energy_benchmarks.domain.address import Address
from ai_energy_benchmarks.domain.engine import Location
from ai_energy_benchmarks.machine.containers import behind
from ai_energy_benchmarks.machine.hardware import nvidia_gpus
from ai_energy_benchmarks.machine.listeners import owners, sockets_on, with_parent
from ai_energy_benchmarks.machine.processes import PROC
from ai_energy_benchmarks.machine.programs import Program, read_program

# A proxy before a proxy before a proxy; more than that is a circle.
_DEEPEST = 4
_OVERRULE = "set metrics.assume_local: true if the engine runs on this machine alone"


def locate(address: Address, proc: Path = PROC, gpus: int | None = None) -> Location:
    """The engine's processes, or why they are not known.

    Args:
        gpus: how many GPUs this machine has; None counts their device files.
    """
    found = _followed(address, proc, _DEEPEST)
    if not address.local and found.elsewhere is None:
        found = evolve(
            found, elsewhere=f"{address.authority} is another machine, whose energy the meters here cannot see"
        )
    return _with_spread(found, proc, gpus) if found.process_ids else found


def of_tree(pid: int, proc: Path = PROC, gpus: int | None = None, arguments: Sequence[str] = ()) -> Location:
    """The same of an engine whose first process is known.

    Args:
        arguments: what that was given in addition to its command line, in the same form.
    """
    return _with_spread(Location((pid,)), proc, gpus, arguments)


def _with_spread(found: Location, proc: Path, gpus: int | None, arguments: Sequence[str] = ()) -> Location:
    part = spread(found.process_ids, proc, gpus if gpus is not None else nvidia_gpus() or None, arguments)
    if part is None:
        return found
    remedy = "" if part.certain else f"; fix: {_OVERRULE}, with the GPUs in backend.device_ids"
    reason = f"only a part of the engine can be seen: {part.reason}{remedy}"
    return evolve(found, elsewhere=reason, certain=part.certain)


def _followed(address: Address, proc: Path, depth: int) -> Location:
    inodes = sockets_on(proc / "net", address.port, loopback=address.local)
    listeners = owners(inodes, proc)
    if not listeners:
        return Location(unknown=_unknown(address.port, bool(inodes)))
    roots: list[int] = []
    for process in (entry for pid in listeners if (entry := read_program(pid, proc)) is not None):
        proxy = recognised(process)
        if proxy is None:
            # A service manager holds the sockets of the services that it starts (sd_listen_fds(3)).
            roots += [] if process.starts_anything else [with_parent(process.pid, proc)]
            continue
        beyond = _beyond(process, proxy, address.port, proc, depth)
        if beyond.elsewhere is not None or not beyond.process_ids:
            return beyond
        roots += beyond.process_ids
    if not roots:
        return Location(unknown=f"only a service manager is seen to listen on port {address.port}")
    return Location(tuple(dict.fromkeys(roots)), by_port=True)


def _beyond(process: Program, proxy: Proxy, port: int, proc: Path, depth: int) -> Location:
    """What is behind a proxy."""
    listens = f"{process.name} (process {process.pid}) listens on port {port} and passes requests on to"
    there = f"fix: run this package on the machine that serves, or {_OVERRULE}"
    if proxy.kind == "remote":
        return Location(elsewhere=f"{listens} another machine; {there}")
    if proxy.kind == "container" and (pids := behind(process, proc)):
        return Location(tuple(dict.fromkeys(with_parent(pid, proc) for pid in pids)), by_port=True)
    if proxy.kind == "target" and depth > 0:
        addresses = targets(process)
        far = next((each for each in addresses if not each.local), None)
        if far is not None:
            return Location(elsewhere=f"{listens} {far.authority}; {there}")
        parts = [_followed(each, proc, depth - 1) for each in addresses]
        if (far_part := next((part for part in parts if part.elsewhere is not None), None)) is not None:
            return far_part
        if parts and all(part.process_ids for part in parts):
            return Location(tuple(dict.fromkeys(pid for part in parts for pid in part.process_ids)), by_port=True)
    return Location(
        elsewhere=f"{listens} servers that cannot be found from here; fix: give the engine's own port in "
        f"backend.endpoint, name its GPUs in backend.device_ids, or {_OVERRULE}",
        overruled_by_gpus=True,
    )


def _unknown(port: int, listens: bool) -> str:
    if listens:
        return (
            f"the process that listens on port {port} belongs to another user or to a container whose processes are "
            "not visible here"
        )
    return f"no process of this machine is seen to listen on port {port}"
