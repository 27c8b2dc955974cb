"""A pytest plugin: collects the tests once, then runs those of each mutant in a fork.

A request is a line of JSON with the module, its source, the changed source and the tests; the answer is a line of JSON
with the outcome and the test that failed. A test that fails is run again, and fails only if it fails twice.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType
from typing import IO, Any

import pytest
from _pytest.runner import runtestprotocol
from swap import NotInFunctionsError, functions_of, swap

_PATIENCE_S = 900.0
_functions: dict[str, list[FunctionType]] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Answer requests until there are no more."""
    items = {item.nodeid: item for item in session.items}
    _functions.update(functions_of("ai_energy_benchmarks"))
    # A collection in a fork would write to every object, and so copy all memory of the process.
    gc.freeze()
    with (
        os.fdopen(int(os.environ["AEB_REQUESTS"])) as requests,
        os.fdopen(int(os.environ["AEB_ANSWERS"]), "w") as answers,
    ):
        for line in requests:
            request = json.loads(line)
            tests = [items[test] for test in request["tests"] if test in items]
            answers.write(json.dumps(_forked(request, tests)) + "\n")
            answers.flush()
    return True


def _forked(request: dict[str, Any], tests: Sequence[pytest.Item]) -> tuple[str, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as answer:
            _child(request, tests, answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        ready, _, _ = select.select([answer], [], [], _PATIENCE_S)
        if not ready:
            os.kill(child, signal.SIGKILL)
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if text:
        outcome, by = json.loads(text)
        return outcome, by
    if ready and os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return "noticed", f"more than {request['endless_s']} s of processor time"
    return "undecided", f"a fork ended with status {status}"


def _child(request: dict[str, Any], tests: Sequence[pytest.Item], answer: IO[str]) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (request["endless_s"], request["endless_s"]))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        source = Path(request["file"]).read_text(encoding="utf-8")
        swap(request["module"], source, request["mutated"], _functions.get(request["module"], ()))
    except NotInFunctionsError:
        json.dump(("undecided", "not in a function"), answer)
        return
    for item, following in zip(tests, [*tests[1:], None], strict=True):
        if _fails(item, following) and _fails(item, following):
            json.dump(("noticed", item.nodeid), answer)
            return
    json.dump(("not noticed", f"{len(tests)} tests run this line"), answer)


def _fails(item: pytest.Item, following: pytest.Item | None) -> bool:
    item._initrequest()  # type: ignore[attr-defined]  # new fixtures, as pytest-rerunfailures makes them
    return any(report.failed for report in runtestprotocol(item, nextitem=following, log=False))
