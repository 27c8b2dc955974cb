"""Our tokens per second of a vLLM server against those of vLLM's own benchmark, on the same server and prompts.

    python scripts/perf/serving_vllm.py [--python PYTHON] [--pairs 6] [--concurrency 4] [--json FILE] [--docs FILE]

``PYTHON`` is the interpreter of an environment that has vLLM (default: ``$VLLM_PYTHON``, else this one). The server is
launched as a run with ``backend.launch`` does; then both clients send the same prompts in turn, with the same number of
requests at once and the same length of output. Exit status 1 if they differ by more than 5 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen
from docs_table import machine, write_section
from quiet import PRIORITY
from ratios import Row, median_ratio_row, median_row, report

from ai_energy_benchmarks import BenchmarkConfig, BenchmarkRunner
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.model.files import resolve_model
from ai_energy_benchmarks.backends.model.small_model import HUB_ID
from ai_energy_benchmarks.backends.server.process import ServerProcess, free_port
from ai_energy_benchmarks.backends.server.vllm import VllmBackend, VllmOptions
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    GenerateKwargs,
    LoadConfig,
    MetricsConfig,
    ProtocolConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.builtin import BuiltinDataset
from ai_energy_benchmarks.domain.progress import Silent

TOKENS = 32
PROMPTS = 32
MOST_PERCENT = 5.0

# The command `vllm bench serve` needs the distribution's usual name, which builds for the CPU do not have.
_BENCH = """
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""


@frozen
class Comparison:
    """A running server and what both clients send to it."""

    python: str
    port: int
    prompts: Path
    concurrency: int
    directory: Path

    def ours(self) -> float:
        """Output tokens per second of one pass of ours."""
        config = BenchmarkConfig(
            backend=BackendConfig("vllm", HUB_ID, endpoint=f"http://127.0.0.1:{self.port}/v1", options=VllmOptions()),
            scenario=ScenarioConfig(
                dataset_name=str(self.prompts),
                text_column_name="prompt",
                num_samples=PROMPTS,
                generate_kwargs=GenerateKwargs(max_new_tokens=TOKENS, min_new_tokens=TOKENS),
            ),
            load=LoadConfig(concurrency=self.concurrency),
            protocol=ProtocolConfig(bare_idle_s=0, resident_idle_s=0, warmup=WarmupConfig(requests=0), trials=1),
            metrics=MetricsConfig(enabled=False),
            output_dir=self.directory,
        )
        result = BenchmarkRunner(config, reporters=[]).measure()
        _expect("ours", int(result.summary.output_tokens))
        return result.summary.output_tokens_per_s

    def theirs(self) -> float:
        """Output tokens per second of one pass of vLLM's own benchmark."""
        asked = {
            "backend": "openai-chat",
            "base-url": f"http://127.0.0.1:{self.port}",
            "endpoint": "/v1/chat/completions",
            "model": HUB_ID,
            "tokenizer": resolve_model(HUB_ID, Silent()).path_or_id,
            "dataset-name": "custom",
            "dataset-path": self.prompts,
            "custom-output-len": TOKENS,
            "num-prompts": PROMPTS,
            "max-concurrency": self.concurrency,
            "temperature": 0,
            "extra-body": json.dumps({"min_tokens": TOKENS}),
            "result-dir": self.directory,
            "result-filename": "bench.json",
        }
        arguments = [f"--{name}={value}" for name, value in asked.items()]
        flags = ["--ignore-eos", "--disable-shuffle", "--disable-tqdm", "--skip-chat-template", "--save-result"]
        done = subprocess.run(
            [self.python, "-c", _BENCH, *arguments, *flags],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"vLLM's benchmark failed:\n{done.stderr[-3000:]}")
        result = json.loads((self.directory / "bench.json").read_text())
        _expect("vLLM's benchmark", result["total_output_tokens"])
        return float(result["output_throughput"])


def _expect(who: str, tokens: int) -> None:
    if tokens != PROMPTS * TOKENS:
        raise SystemExit(f"{who} counted {tokens} output tokens instead of {PROMPTS * TOKENS}")


@contextmanager
def comparison(python: str, concurrency: int, directory: Path) -> Iterator[Comparison]:
    """A vLLM server of the small model, gone at the end."""
    prompts = directory / "prompts.jsonl"
    texts = BuiltinDataset(DatasetSettings("builtin", "text")).prompts(PROMPTS, None)
    prompts.write_text("".join(json.dumps({"prompt": each.text}) + "\n" for each in texts))
    options = VllmOptions(
        python=python,
        dtype="bfloat16",
        max_model_len=1024,
        max_num_seqs=concurrency,
        enforce_eager=True,
        environment={"VLLM_CPU_KVCACHE_SPACE": "1"},
    )
    backend = VllmBackend(BackendSettings(HUB_ID, "auto", (0,), None, "text-generation", options, launch=True))
    port = free_port()
    health = f"http://127.0.0.1:{port}/health"
    log = directory / "server.log"
    server = ServerProcess(backend.launch_command(port), health, log, 600.0, backend.launch_environment())
    server.start(Silent())
    # In the group's priority, where Linux has one: with other programs in between, the two passes would differ by them.
    with suppress(OSError):
        Path(f"/proc/{server.pid}/autogroup").write_text(str(PRIORITY))
    try:
        yield Comparison(python, port, prompts, concurrency, directory)
    finally:
        server.stop()


def main() -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=os.environ.get("VLLM_PYTHON", sys.executable))
    parser.add_argument("--pairs", type=int, default=6, help="interleaved pairs (at least 6)")
    parser.add_argument("--concurrency", type=int, default=4, help="requests at once")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--docs", type=Path, help="replace the section 'serving-vllm' of this Markdown file")
    arguments = parser.parse_args()
    if arguments.pairs < 6:
        parser.error("--pairs must be at least 6")
    ours: list[float] = []
    theirs: list[float] = []
    with (
        tempfile.TemporaryDirectory() as directory,
        comparison(arguments.python, arguments.concurrency, Path(directory)) as both,
    ):
        both.ours()  # the server's first batches are slower
        for pair in range(arguments.pairs):
            sides = [(both.ours, ours), (both.theirs, theirs)]
            for measure, seen in sides if pair % 2 else reversed(sides):
                seen.append(measure())
            print(f"pair {pair + 1}/{arguments.pairs}: {ours[-1]:.1f} and {theirs[-1]:.1f} tokens/s", file=sys.stderr)
    ratio = median_ratio_row("ours over vLLM's own benchmark, median of pairs", ours, theirs)
    rows = [
        median_row("ours, median", ours, unit="tokens/s"),
        median_row("vLLM's own benchmark, median", theirs, unit="tokens/s"),
        ratio,
        Row("difference of the two", 100 * abs(ratio.value - 1), "%", limit=MOST_PERCENT),
    ]
    if arguments.docs:
        write_section(arguments.docs, "serving-vllm", rows, machine())
    return report(rows, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
