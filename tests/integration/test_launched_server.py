"""Starting a server of our own: readiness, its log, and the end of its whole process tree."""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.server.process import ServerProcess, free_port
from ai_energy_benchmarks.backends.server.tensorrt_llm import TensorRTBackend, TensorRTOptions
from ai_energy_benchmarks.backends.server.vllm import VllmBackend, VllmOptions
from ai_energy_benchmarks.backends.visible_gpus import visible_gpus
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.metrics.gpu_choice import Gpu, counted
from tests.servers import Exchange, running

# A stand-in with the command line of trtllm-serve: it forks a worker, takes a moment to be ready, and answers.
DOUBLE = """\
import json, os, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port = int(sys.argv[sys.argv.index("--port") + 1])
print("arguments:", sys.argv[1:], flush=True)
print("sees:", os.environ["CUDA_VISIBLE_DEVICES"], os.environ.get("CUDA_DEVICE_ORDER"), flush=True)
if "--fail" in sys.argv:
    print("out of memory while building the engine", flush=True)
    sys.exit(3)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("worker", worker.pid, flush=True)
ready_at = time.monotonic() + (3600 if "--never" in sys.argv else 0.3)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/health":
            self.answer(200 if time.monotonic() > ready_at else 503, b"")
        elif self.path == "/version":
            self.answer(200, b'{"version": "1.2.1"}')
        else:
            self.answer(404, b"")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        events = [{"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]},
                  {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}]
        body = b"".join(b"data: " + json.dumps(each).encode() + b"\\n\\n" for each in events)
        self.answer(200, body + b"data: [DONE]\\n\\n", "text/event-stream")

ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\0" * 64)
    return folder


@pytest.fixture
def command(tmp_path: Path) -> Path:
    program = tmp_path / "trtllm-serve"
    program.write_text(f"#!{sys.executable}\n{DOUBLE}")
    program.chmod(0o755)
    return program


def settings(model: Path, folder: Path, options: object) -> BackendSettings:
    return BackendSettings(
        str(model), "auto", (0,), None, "text-generation", options, launch=True, output_dir=folder / "results"
    )


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


def worker_of(log: Path) -> int:
    return next(int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("worker"))


def gone(pid: int) -> bool:
    deadline_s = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return not alive(pid)


def test_a_server_is_started_used_and_ended_with_its_workers(model: Path, command: Path, tmp_path: Path) -> None:
    """It answers requests while it runs; afterwards neither it nor its worker is left, and its log is."""
    chosen = settings(model, tmp_path, TensorRTOptions(command=str(command), tp_size=2, engine="pytorch"))

    async def conversation() -> tuple[object, ...]:
        with TensorRTBackend(chosen) as backend:
            (server,) = backend.process_ids()
            assert alive(server)
            request = Request(0, Prompt(0, "hello"), (Message("user", "hello"),))
            outcomes = await backend.generate(Batch((request,), Generation(max_new_tokens=1)))
            return server, backend.facts(), *outcomes

    server, facts, outcome = asyncio.run(conversation())
    log = tmp_path / "results" / "server.log"
    assert isinstance(outcome, Completion)
    assert "TensorRT-LLM 1.2.1" in str(facts)
    assert "'--tp_size', '2'" in log.read_text()
    assert "'--backend', 'pytorch'" in log.read_text()
    assert isinstance(server, int)
    assert gone(server)
    assert gone(worker_of(log))


def test_a_launched_server_and_its_meters_mean_the_same_gpu(
    model: Path, command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of unlike GPUs CUDA's 0 is the fastest, NVML's the first on the bus: the server is given the order of the bus."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    with TensorRTBackend(settings(model, tmp_path, TensorRTOptions(command=str(command)))) as backend:
        facts = backend.facts()
    assert "sees: 0 PCI_BUS_ID" in (tmp_path / "results" / "server.log").read_text()
    unlike = [Gpu("GPU-slow", "GTX 1050", "GPU-slow"), Gpu("GPU-fast", "RTX 4090", "GPU-fast")]
    assert facts.device_ids == (0,)
    assert counted(Workload((), facts.board_ids, device_ids=facts.device_ids), unlike).ids == {"GPU-slow"}


def test_the_health_check_goes_past_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A proxy of the environment does not know this machine's own addresses."""
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(urllib.request, "_opener", None)  # the one that others have made knows their environment
    with running(_unasked) as server:
        server.pages["/health"] = lambda: ""
        process = ServerProcess(["unused"], f"http://127.0.0.1:{server.port}/health", tmp_path / "server.log", 1.0)
        assert process._healthy()


async def _unasked(exchange: Exchange) -> None:
    raise AssertionError(exchange.path)


def test_a_server_that_ends_early_shows_the_end_of_its_log(model: Path, command: Path, tmp_path: Path) -> None:
    """The reason stands in the error, and where to read more."""
    options = TensorRTOptions(command=str(command), extra_args=("--fail",))
    with pytest.raises(BackendError, match="status 3 before it was ready") as caught:
        TensorRTBackend(settings(model, tmp_path, options)).__enter__()
    assert "out of memory while building the engine" in caught.value.message
    assert "server.log" in str(caught.value.remedy)


def test_a_server_that_is_never_ready_is_ended(model: Path, command: Path, tmp_path: Path) -> None:
    """After the time limit nothing is left running."""
    options = TensorRTOptions(command=str(command), extra_args=("--never",), startup_timeout_s=2)
    with pytest.raises(BackendError, match="not ready after 2 s"):
        TensorRTBackend(settings(model, tmp_path, options)).__enter__()
    assert gone(worker_of(tmp_path / "results" / "server.log"))


def test_a_missing_command_is_a_problem_before_the_run(model: Path, tmp_path: Path) -> None:
    """What is not installed is said with the line that installs it."""
    backend = TensorRTBackend(settings(model, tmp_path, TensorRTOptions(command="no-such-program")))
    (problem,) = backend.problems(Demand(Generation()))
    assert install_line("tensorrt") in problem


def test_the_command_of_vllm_has_every_option_that_was_set(model: Path, tmp_path: Path) -> None:
    """Set options are passed, unset ones are left to vLLM, and the prefix cache is off."""
    options = VllmOptions(python="/opt/python", max_model_len=1024, enforce_eager=True, extra_args=("--api-key", "x"))
    command = VllmBackend(settings(model, tmp_path, options)).launch_command(1234)
    assert command == (
        *("/opt/python", "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model), "--served-model-name", str(model)),
        *("--host", "127.0.0.1", "--port", "1234"),
        *("--no-enable-prefix-caching", "--enable-prompt-tokens-details"),
        *("--dtype", "auto", "--max-model-len", "1024", "--enforce-eager"),
        *("--api-key", "x"),
    )


def test_parallel_sizes_need_as_many_boards(model: Path, tmp_path: Path) -> None:
    """Two-way tensor parallelism on one board is refused before vLLM refuses it minutes later."""
    backend = VllmBackend(settings(model, tmp_path, VllmOptions(python="/opt/python", tensor_parallel_size=2)))
    (problem,) = backend.problems(Demand(Generation()))
    assert problem.startswith("backend.device_ids: names 1 GPUs")


@pytest.mark.parametrize(("seen", "shown"), [(None, "0,2"), ("7,5,GPU-abc", "7,GPU-abc"), ("", "")])
def test_a_launched_server_sees_the_boards_that_were_asked_for(
    seen: str | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``device_ids`` count the GPUs as this process sees them, so they pass through its own restriction."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    if seen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    assert visible_gpus((0, 2)) == {"CUDA_VISIBLE_DEVICES": shown, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_a_child_counts_gpus_as_the_meters_do_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default CUDA's GPU 0 is the fastest, NVML's the first on the bus; an order of the user is kept."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    assert visible_gpus((0,))["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    assert visible_gpus((0,), "cpu") == {"CUDA_VISIBLE_DEVICES": ""}


def test_a_board_that_is_not_visible_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how many there are."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(BackendError, match="GPU 1 does not exist"):
        visible_gpus((1,))
