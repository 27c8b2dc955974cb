"""How many files the system lets this process open, against the connections that a load needs."""

from __future__ import annotations

import sys

from ai_energy_benchmarks.machine.processes import open_files

if sys.platform != "win32":
    import resource

# Beyond the connections: the event loop, meters, the journal, the report, and connections that are being replaced.
_OTHERS = 32


def too_few_files(concurrency: int) -> tuple[str, ...]:
    """The problem of a limit below what is needed; empty if it suffices."""
    if sys.platform == "win32":  # which counts no sockets as files
        return ()
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = concurrency + open_files() + _OTHERS
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return ()
    allowed = hard == resource.RLIM_INFINITY or hard >= needed
    how = f"run `ulimit -n {needed}` before" if allowed else f"have the hard limit of {hard:,} raised"
    return (
        f"load.concurrency: {concurrency} connections need a limit of {needed} open files, which is {limit} here; "
        f"fix: {how}, or lower load.concurrency",
    )
