"""The PyTorch backend on a real board. Without one, every test says why it was skipped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector
from tests.tiny_model import save_tiny_model

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA sees no GPU")]
TOKENS = 32


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyTorchBackend]:
    model = save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1], context_tokens=8192)
    with PyTorchBackend(BackendSettings(str(model), "cuda", (0,), None, "text-generation", PyTorchOptions())) as loaded:
        yield loaded


def generate(backend: PyTorchBackend, *texts: str) -> tuple[Outcome, ...]:
    requests = tuple(Request(i, Prompt(i, text), (Message("user", text),)) for i, text in enumerate(texts))
    return asyncio.run(backend.generate(Batch(requests, Generation(max_new_tokens=TOKENS))))


def test_the_model_is_on_the_board_that_nvml_names(backend: PyTorchBackend) -> None:
    """The backend's board is one that the meter sees, by the same identity."""
    board_ids = backend.facts().board_ids
    assert board_ids is not None
    assert len(board_ids) == 1
    with NvmlCollector() as collector:
        collector.attach(Workload(backend.process_ids(), board_ids))
        start = collector.mark()
        time.sleep(0.3)
        readings = collector.read(start, collector.mark()).readings
    assert [each.device.id for each in readings if each.counted] == list(board_ids)


def test_token_times_are_those_of_the_board(backend: PyTorchBackend) -> None:
    """Times rise, lie within the request, and the first token takes a plausible part of the whole."""
    generate(backend, "warm up")
    [done] = generate(backend, "Tell me of the sea.")
    assert isinstance(done, Completion)
    times_s = list(done.token_times_s)
    assert len(times_s) == done.output_tokens
    assert times_s == sorted(times_s)
    assert done.sent_s < times_s[0]
    assert times_s[-1] <= done.finished_s
    assert done.ttft_s is not None
    assert 0 < done.ttft_s < 1.0


def test_generating_draws_energy(backend: PyTorchBackend) -> None:
    """A window of work has a positive figure within its bounds."""
    with NvmlCollector() as collector:
        time.sleep(1.5)
        start = collector.mark()
        end_s = time.perf_counter() + 2.0
        while time.perf_counter() < end_s:
            generate(backend, "once more")
        measurement = collector.read(start, collector.mark())
    for each in measurement.readings:
        assert 0 < each.bounds_j.low <= each.energy_j <= each.bounds_j.high


def test_a_slow_driver_needs_no_child_process() -> None:
    """A call of the energy counter takes milliseconds; that is no reason to call this process too busy."""
    with NvmlCollector() as collector:
        time.sleep(6.0)
        assert not any("child process" in note for note in collector.notes())


def test_the_counter_agrees_with_the_driver_s_average_power() -> None:
    """Under steady work the counter grows as fast as the driver's mean over the last second says, within 3 %."""
    matrix = torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda")
    with NvmlCollector() as collector:
        begin_s = time.perf_counter()
        start = None
        while time.perf_counter() < begin_s + 5.0:
            torch.mm(matrix, matrix)
            torch.cuda.synchronize()
            if start is None and time.perf_counter() > begin_s + 2.0:
                start = collector.mark()
        stop = collector.mark()
        assert start is not None
        (reading,) = collector.read(start, stop).readings
        averages = next(each for each in collector.samples().series if each.quantity == "average_power_w")
    rows = zip(averages.before_s, averages.values, strict=True)
    powers_w = [value for time_s, value in rows if start.time_s < time_s < stop.time_s]
    seconds = stop.time_s - start.time_s
    assert reading.energy_j / seconds == pytest.approx(sum(powers_w) / len(powers_w), rel=0.03)


def test_a_batch_that_does_not_fit_leaves_the_rest_alive(backend: PyTorchBackend) -> None:
    """Its requests fail with the reason, and the next batch is generated as if nothing had happened."""
    total_bytes = torch.cuda.get_device_properties(0).total_memory
    allowed_bytes = torch.cuda.memory_reserved(0) + 32 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed_bytes / total_bytes, 0)
    try:
        failed = generate(backend, *(["x" * 7000] * 64))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)
    assert all(isinstance(each, FailedCompletion) and "out of memory" in each.reason for each in failed)
    assert not any(each.backend_dead for each in failed if isinstance(each, FailedCompletion))
    assert all(isinstance(each, Completion) for each in generate(backend, "small", "smaller"))
