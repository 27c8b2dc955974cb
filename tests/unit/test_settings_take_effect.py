"""Settings that no other test sets: each is seen where it has its effect."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path

import pytest
from attrs import fields

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.offline.vllm import VllmOfflineBackend, VllmOfflineOptions
from ai_energy_benchmarks.backends.server.http_client import HttpClient
from ai_energy_benchmarks.backends.server.http_connection import HttpError
from ai_energy_benchmarks.backends.server.requests import OpenAIServerOptions
from ai_energy_benchmarks.backends.server.tensorrt_llm import TensorRTBackend, TensorRTOptions
from ai_energy_benchmarks.backends.server.vllm import VllmBackend, VllmOptions
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.domain.address import parse_address
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.errors import BackendError, ConfigError
from ai_energy_benchmarks.metrics.rapl.collector import RaplCollector, RaplOptions
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, FakeReporter, Journal
from tests.integration.test_openai_server import ask, three_tokens
from tests.servers import running
from tests.unit.test_metrics_rapl import Tree

SERVER = {each.name for each in fields(OpenAIServerOptions)}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory that looks like a model."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def settings(model: Path, options: object) -> BackendSettings:
    return BackendSettings(str(model), "auto", (0,), None, "text-generation", options, launch=True, output_dir=model)


def test_every_option_of_vllm_reaches_its_command(model: Path) -> None:
    """All that ``vllm serve`` is asked for stands in the command line or in the environment of the server."""
    given = {
        **{"dtype": "bfloat16", "quantization": "awq", "max_model_len": 11, "max_num_seqs": 12, "revision": "main"},
        **{"max_num_batched_tokens": 13, "gpu_memory_utilization": 0.5, "tensor_parallel_size": 14, "seed": 15},
        **{"pipeline_parallel_size": 16, "data_parallel_size": 17, "enforce_eager": True, "trust_remote_code": True},
    }
    further = {
        "python": "/opt/p",
        "enable_prefix_caching": True,
        "extra_args": ("--more", "1"),
        "environment": {"A": "b"},
    }
    assert SERVER | given.keys() | further.keys() | {"startup_timeout_s"} == {each.name for each in fields(VllmOptions)}
    backend = VllmBackend(settings(model, VllmOptions(**given, **further)))  # type: ignore[arg-type] # under test
    command = backend.launch_command(1)
    for name, value in given.items():
        place = command.index(f"--{name.replace('_', '-')}")
        assert value is True or command[place + 1] == str(value), name
    assert command[0] == "/opt/p"
    assert "--enable-prefix-caching" in command
    assert command[-2:] == ("--more", "1")
    assert backend.launch_environment()["A"] == "b"


def test_every_option_of_tensorrt_reaches_its_command(model: Path) -> None:
    """The same for ``trtllm-serve``, with the names of its own flags."""
    given = {
        **{"tp_size": 2, "pp_size": 3, "ep_size": 4, "max_batch_size": 5, "max_num_tokens": 6, "max_seq_len": 7},
        **{"kv_cache_free_gpu_memory_fraction": 0.5, "extra_llm_api_options": "a.yaml"},
    }
    further = {"command": "/opt/serve", "engine": "trt", "trust_remote_code": True, "extra_args": ("--more",),
               "environment": {"A": "b"}}  # fmt: skip
    known = {each.name for each in fields(TensorRTOptions)}
    assert SERVER | given.keys() | further.keys() | {"startup_timeout_s"} == known
    backend = TensorRTBackend(settings(model, TensorRTOptions(**given, **further)))  # type: ignore[arg-type] # under test
    command = backend.launch_command(1)
    for name, value in {**given, "backend": "trt"}.items():
        assert command[command.index(f"--{name}") + 1] == str(value), name
    assert command[0] == "/opt/serve"
    assert {"--trust_remote_code", "--more"} <= set(command)
    assert backend.launch_environment()["A"] == "b"


def test_every_option_of_vllm_in_process_reaches_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the library says what it was started with."""
    if "vllm" in sys.modules:
        pytest.skip("the real vLLM is loaded already")
    given = {
        **{"dtype": "half", "quantization": "fp8", "max_model_len": 11, "max_num_seqs": 12, "revision": "main"},
        **{"gpu_memory_utilization": 0.5, "tensor_parallel_size": 2, "enforce_eager": True, "trust_remote_code": True},
        "enable_prefix_caching": True,
    }
    assert given.keys() | {"engine_args"} == {each.name for each in fields(VllmOfflineOptions)}
    told = "import json\nclass LLM:\n    def __init__(self, **named):\n        raise ValueError(json.dumps(named))\n"
    (model / "vllm.py").write_text(told)
    monkeypatch.syspath_prepend(str(model))
    options = VllmOfflineOptions(**given, engine_args={"swap_space": 1})  # type: ignore[arg-type] # under test
    with pytest.raises(BackendError, match="vLLM does not start") as caught:
        VllmOfflineBackend(settings(model, options)).__enter__()
    monkeypatch.delitem(sys.modules, "vllm")
    seen = json.loads(caught.value.message.partition(": ")[2])
    expected = {**given, "model": str(model), "swap_space": 1}
    del expected["revision"]  # it chooses the files; see test_model_files
    assert seen == expected


def test_a_server_that_accepts_nobody_is_given_up_in_time() -> None:
    """``connect_timeout_s`` bounds the wait for a connection: here the queue of the listener is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        address = parse_address(f"http://127.0.0.1:{listener.getsockname()[1]}")
        client = HttpClient(address, connect_timeout_s=0.3)
        with pytest.raises(HttpError, match=r"did not accept a connection in 0\.3 s"), client:
            asyncio.run(client.prewarm(1))


def test_the_key_is_that_of_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """``api_key_env`` names the variable; no other is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", "not-this-one")
    monkeypatch.setenv("AEB_TEST_KEY", "this-one")
    with running(three_tokens) as server:
        assert isinstance(ask(server, api_key_env="AEB_TEST_KEY"), Completion)
    assert {each.headers["authorization"] for each in server.seen if each.method == "POST"} == {"Bearer this-one"}


def test_another_machine_can_be_called_this_one() -> None:
    """``assume_local`` lets this machine's meters watch a server behind another name."""
    remote = {"backend": {"type": "openai", "model": "m", "endpoint": "http://gpu-box:8000/v1"}}
    with pytest.raises(ConfigError, match="is another machine"):
        config_from_mapping(remote)
    assert config_from_mapping({**remote, "metrics": {"assume_local": True}}).metrics.assume_local


def test_names_and_places_are_in_the_document(tmp_path: Path) -> None:
    """What only labels a result stands in it as it was written; a task or a gate that does not exist is refused."""
    labels = {"name": "mine", "metrics": {"project_name": "p", "country_iso_code": "FRA", "region": "r"}}
    base = {"backend": {"type": "pytorch", "model": "m"}, "scenario": {"num_samples": 2}, "output_dir": str(tmp_path)}
    short = {"protocol": {"bare_idle_s": 3, "resident_idle_s": 0, "warmup": {"requests": 0}, "trials": 2}}
    journal = Journal()
    clock = FakeClock(journal)
    runner = BenchmarkRunner(
        config_from_mapping(with_overrides({**base, **short}, labels)),
        backend=FakeBackend(journal, clock),
        collector=FakeCollector(journal, clock),
        reporters=[FakeReporter(journal)],
        clock=clock,
    )
    document = report_document(runner.measure())
    energy = document["energy"]
    assert (document["config"]["name"], energy["project_name"], energy["country"], energy["region"]) == (
        *("mine", "p", "FRA", "r"),
    )
    assert document["steps"][0]["duration_s"] == 3
    assert [step["name"] for step in document["steps"]] == ["bare idle", "load"]
    assert len(document["trials"]) == 2
    for refused in ({"backend": {"task": "summarization"}}, {"protocol": {"warmup": {"mode": "guess"}}}):
        with pytest.raises(ConfigError, match="must be"):
            config_from_mapping(with_overrides(base, refused))


def test_rapl_is_read_every_so_often(tmp_path: Path) -> None:
    """``poll_s`` is the time between two readings where no mark asks for one."""
    counts = []
    for number, poll_s in enumerate((0.02, 0.5)):
        tree = Tree(tmp_path / str(number))
        tree.zone("intel-rapl:0", "package-0", 100.0)
        tree.run()
        with RaplCollector(RaplOptions(tree.root, poll_s)) as collector:
            time.sleep(0.6)
            counts.append(max(len(series.values) for series in collector.samples().series))
        tree.stop()
    assert counts[0] > 2 * counts[1]
