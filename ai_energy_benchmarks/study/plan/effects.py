"""Settings that have no effect on an engine, so that cells which differ in them alone are one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache

import attrs

from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.config.members import member_class
from ai_energy_benchmarks.text.problems import InvalidError

# docs/settings.md, the column "honoured by": keys that only servers, or only engines in this process, have.
_SERVERS_ONLY = (
    "backend.endpoint",
    "backend.launch",
    "load.cancel_cap_s",
    "load.concurrency",
    "load.salt",
    "load.watch_server_s",
    "metrics.assume_local",
)
_IN_PROCESS_ONLY = ("scenario.input_shapes.batch_size", "scenario.truncation")
_OPTIONS = "backend.options."


def without_effect(settings: Mapping[str, object], engine: str, engines: Collection[str]) -> dict[str, str]:
    """The settings that change nothing on an engine, with the reason of each.

    An option that no engine of the study has is not among them: it is a mistake.

    Args:
        engines: all engines of the study.
    """
    return {key: reason for key in settings if (reason := _reason(key, engine, engines))}


def _reason(key: str, engine: str, engines: Collection[str]) -> str:
    server = _is_server(engine)
    if server is None:
        return ""
    if not server and key in _SERVERS_ONLY:
        return f"has no effect on {engine}, which is no server"
    if server and key in _IN_PROCESS_ONLY:
        return f"has no effect on {engine}, a server, which forms its own batches"
    if key.startswith(_OPTIONS):
        option = key.removeprefix(_OPTIONS).split(".")[0]
        if option not in _options(engine) and any(option in _options(other) for other in engines):
            return f"is no option of {engine}"
    return ""


@cache
def _is_server(engine: str) -> bool | None:
    try:
        return needs_endpoint(engine)
    except InvalidError:
        return None  # no such engine, which the loader reports


@cache
def _options(engine: str) -> frozenset[str]:
    try:
        options = getattr(member_class("backends", engine), "Options", None)
    except InvalidError:
        return frozenset()
    return frozenset(each.name for each in attrs.fields(options)) if options is not None else frozenset()
