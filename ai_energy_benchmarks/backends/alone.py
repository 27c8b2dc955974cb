"""One engine in this process at a time: two would count each other's processor time, and load into each other's way."""

from __future__ import annotations

import threading

from attrs import define, field

from ai_energy_benchmarks.errors import BackendError


@define
class _Loaded:
    lock: threading.Lock = field(factory=threading.Lock)
    threads: dict[int, tuple[int, str]] = field(factory=dict)  # id of the engine's owner → its thread and its model


_loaded = _Loaded()


def begin_alone(owner: object, model: str) -> None:
    """Call before an engine is loaded. The same thread may load another one, which then works while this one rests.

    Raises:
        BackendError: another thread has an engine.
    """
    here = threading.get_ident()
    with _loaded.lock:
        for thread, other in _loaded.threads.values():
            if thread != here:
                raise BackendError(
                    f"{other} is loaded in another thread of this process; each would count the other's energy",
                    remedy="run the benchmarks one after the other, or each in a process of its own",
                )
        _loaded.threads[id(owner)] = here, model


def end_alone(owner: object) -> None:
    """Call once it is released."""
    with _loaded.lock:
        _loaded.threads.pop(id(owner), None)
