"""An engine of another distribution that loads at once and takes a stated time for a request, in real time.

Studies start each cell as a process of its own, which finds this engine through its entry point: with the directory of
``install`` on ``PYTHONPATH`` a config may name ``backend.type: test-fast``.
"""

from __future__ import annotations

from pathlib import Path

_MODULE = '''
"""An engine that sleeps."""

from __future__ import annotations

import asyncio
import os
import time
from array import array

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.errors import BackendError


@frozen
class FastOptions:
    """Options.

    Attributes:
        request_s: how long a request takes.
        fails: refuse to load.
        hangs: never load.
    """

    request_s: float = 0.05
    fails: bool = False
    hangs: bool = False


class FastBackend:
    """Generates four tokens a request."""

    Options = FastOptions
    needs_endpoint = False
    tokenizer = None

    def __init__(self, settings):
        self.settings = settings
        self.options = settings.options
        self.stays_loaded = False
        self.loads = 0

    @classmethod
    def from_settings(cls, settings):
        return cls(settings)

    def problems(self, demand):
        return ()

    def __enter__(self):
        if self.options.fails:
            raise BackendError("the fast engine was told to fail")
        while self.options.hangs:
            time.sleep(1)
        if not (self.stays_loaded and self.loads):
            self.loads += 1
        return self

    def __exit__(self, *_):
        return None

    def facts(self):
        settings = {"process": os.getpid(), "loads": self.loads}
        return EngineFacts(
            "test-fast", "sleeping engine", self.settings.model, device="cpu", board_ids=(), settings=settings
        )

    def process_ids(self):
        return (os.getpid(),)

    def counters(self):
        return None

    async def generate(self, batch):
        sent_s = time.perf_counter()
        await asyncio.sleep(self.options.request_s)
        now_s = time.perf_counter()
        step_s = (now_s - sent_s) / 4
        times_s = array("d", (sent_s + step_s * step for step in range(1, 5)))
        return tuple(
            Completion(
                number=request.number, prompt_tokens=3, output_tokens=4, token_source="token_ids", sent_s=sent_s,
                token_times_s=times_s, finished_s=now_s, finish_reason="length",
            )
            for request in batch.requests
        )
'''
_ENTRY_POINTS = "[ai_energy_benchmarks.backends]\ntest-fast = aeb_test_fast:FastBackend\n"

# What makes a run short: no rests, a meter that needs nothing, and the two files that studies look at.
QUICK = {
    "protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "warmup": {"requests": 0}, "trials": 2},
    "metrics": {"collectors": ["modelled"]},
    "reporters": ["json"],
    "scenario": {"num_samples": 3},
}


def install(directory: Path, *aliases: str) -> None:
    """Write the distribution; further names are engines of their own to a study."""
    record = directory / "aeb_test_fast-1.0.dist-info"
    record.mkdir(parents=True)
    (directory / "aeb_test_fast.py").write_text(_MODULE)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: aeb-test-fast\nVersion: 1.0\n")
    further = "".join(f"{alias} = aeb_test_fast:FastBackend\n" for alias in aliases)
    (record / "entry_points.txt").write_text(_ENTRY_POINTS + further)
