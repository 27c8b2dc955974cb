"""The package inside a service: silent, without signals, from threads and in a running loop, leaving nothing behind."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ai_energy_benchmarks import create_benchmark
from tests.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that names no reporter, so that it has all of the default ones."""
    pytest.importorskip("transformers")
    directory = tmp_path_factory.mktemp("service")
    model = save_tiny_model(directory / "tiny", end_ids=[1])
    file = directory / "benchmark_config.yaml"
    file.write_text(
        f"backend: {{type: pytorch, model: '{model}', device: cpu}}\n"
        "scenario: {num_samples: 2, generate_kwargs: {max_new_tokens: 3, min_new_tokens: 3}}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, trials: 1, warmup: {requests: 1}}\n"
        f"metrics: {{collectors: [modelled]}}\noutput_dir: '{directory / 'out'}'\n"
    )
    return file


def tokens(config: Path, directory: Path) -> int:
    document = create_benchmark(config_path=config, overrides={"output_dir": str(directory)}).run()
    count = document["summary"]["total_completion_tokens"]
    assert isinstance(count, int)
    return count


def test_it_prints_nothing_and_writes_its_files(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither stream of the process sees a byte; the results are in the directory."""
    assert tokens(config, tmp_path) == 6
    assert capfd.readouterr() == ("", "")
    assert {"result.json", "benchmark_results.csv", "requests.parquet"} <= {file.name for file in tmp_path.iterdir()}


def test_signals_stay_the_services_own(config: Path, tmp_path: Path) -> None:
    """No handler is replaced, not even for a while."""
    seen: list[object] = []
    own = lambda number, frame: seen.append(number)  # noqa: E731 # compared by identity
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, own)
    during: list[object] = []
    watcher = threading.Timer(0.2, lambda: during.append(signal.getsignal(signal.SIGTERM)))
    watcher.start()
    try:
        tokens(config, tmp_path)
        watcher.join()
        assert during == [own]
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    finally:
        signal.signal(signal.SIGTERM, before[signal.SIGTERM])


def test_it_runs_inside_a_running_loop(config: Path, tmp_path: Path) -> None:
    """Called from a coroutine, without an await."""

    async def service() -> int:
        return tokens(config, tmp_path)

    assert asyncio.run(service()) == 6


def test_it_runs_in_threads_side_by_side(config: Path, tmp_path: Path) -> None:
    """Two at once, in threads that are not the main one."""
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda name: tokens(config, tmp_path / name), ("a", "b"))) == [6, 6]


def test_two_in_sequence_leave_nothing_behind(config: Path, tmp_path: Path) -> None:
    """No thread goes on, and the model's memory is free once the runner is gone."""
    tokens(config, tmp_path)
    threads = set(threading.enumerate())
    models = []
    for name in ("one", "two"):
        runner = create_benchmark(config_path=config, overrides={"output_dir": str(tmp_path / name)})
        with runner.backend as backend:
            models.append(weakref.ref(backend.model))  # type: ignore[attr-defined] # PyTorch's
        runner.run()
        assert runner.backend.model is None  # type: ignore[attr-defined] # the same
        del runner, backend
    gc.collect()
    assert set(threading.enumerate()) <= threads
    assert [model() for model in models] == [None, None]
