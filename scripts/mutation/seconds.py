"""A pytest plugin: writes the processor time of each test that passed to the file that AEB_TEST_SECONDS names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_seconds: dict[str, float] = {}
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure a test with its fixtures and child processes, but not the waiting for other programs."""
    before = sum(os.times()[:4])
    result = yield
    _seconds[item.nodeid] = sum(os.times()[:4]) - before
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test that fails or is skipped here cannot notice a change."""
    if not report.passed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write what was measured."""
    passed = {test: seconds for test, seconds in _seconds.items() if test not in _failed}
    Path(os.environ["AEB_TEST_SECONDS"]).write_text(json.dumps(passed), encoding="utf-8")
