"""What the runner costs: its tokens per second against a bare ``model.generate`` loop on the same prompts.

    python scripts/perf/overhead.py [--pairs 20] [--prompts 4] [--tokens 32] [--model NAME] [--json FILE]

The model is loaded once. Each pair runs the bare loop and one trial of the runner, with its meters, in alternating
order; both render the chat template, generate greedily and count tokens, and must count the same. Exit status 1 if the
95 % interval of the median ratio reaches below 0.99.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ratios import median_ratio_row, median_row, report

from ai_energy_benchmarks import BenchmarkConfig, BenchmarkRunner
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    GenerateKwargs,
    ProtocolConfig,
    ScenarioConfig,
    WarmupConfig,
)
from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.builtin import BuiltinDataset

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SMALLEST_RATIO = 0.99


class KeptLoaded(PyTorchBackend):
    """The backend, loaded once for all pairs: entering and leaving it do nothing."""

    def __enter__(self) -> KeptLoaded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def make_config(arguments: argparse.Namespace, directory: Path) -> BenchmarkConfig:
    """One trial and nothing else but the meters."""
    return BenchmarkConfig(
        backend=BackendConfig("pytorch", arguments.model),
        scenario=ScenarioConfig(
            num_samples=arguments.prompts, generate_kwargs=GenerateKwargs(max_new_tokens=arguments.tokens)
        ),
        protocol=ProtocolConfig(bare_idle_s=0, resident_idle_s=0, warmup=WarmupConfig(requests=0), trials=1),
        output_dir=directory,
    )


def bare_loop(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[str], tokens: int
) -> tuple[int, float]:
    """Output tokens and seconds of the loop that anyone would write."""
    import torch

    count = 0
    start_s = time.perf_counter()
    for prompt in prompts:
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        ).to(model.device)
        with torch.inference_mode():
            output = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        count += len(output[0].tolist()) - inputs["input_ids"].shape[1]
    return count, time.perf_counter() - start_s


def runner_trial(config: BenchmarkConfig, backend: KeptLoaded) -> tuple[int, float]:
    """Output tokens and seconds of the runner's window."""
    [trial] = BenchmarkRunner(config, backend=backend, reporters=[]).measure().trials
    return trial.output_tokens, trial.duration_s


def main() -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20, help="interleaved pairs (at least 20)")
    parser.add_argument("--prompts", type=int, default=4, help="prompts of one pass")
    parser.add_argument("--tokens", type=int, default=32, help="most output tokens of a prompt")
    parser.add_argument("--model", default="HuggingFaceTB/SmolLM2-135M-Instruct")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    if arguments.pairs < 20:
        parser.error("--pairs must be at least 20")

    backend = KeptLoaded(
        BackendSettings(
            model=arguments.model,
            device="auto",
            device_ids=(0,),
            endpoint=None,
            task="text-generation",
            options=PyTorchBackend.Options(),
        )
    )
    PyTorchBackend.__enter__(backend)
    prompts = [
        prompt.text for prompt in BuiltinDataset(DatasetSettings("builtin", "text")).prompts(arguments.prompts, None)
    ]
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as directory:
        config = make_config(arguments, Path(directory))
        for pair in range(-1, arguments.pairs):
            sides = {
                "bare": lambda: bare_loop(backend.model, backend.tokenizer, prompts, arguments.tokens),
                "ours": lambda: runner_trial(config, backend),
            }
            order = ("bare", "ours") if pair % 2 else ("ours", "bare")
            done = {side: sides[side]() for side in order}
            if done["bare"][0] != done["ours"][0]:
                raise SystemExit(f"token counts differ: bare {done['bare'][0]}, runner {done['ours'][0]}")
            if pair < 0:  # the first pair warms up
                continue
            ours.append(done["ours"][0] / done["ours"][1])
            bare.append(done["bare"][0] / done["bare"][1])
            print(f"pair {pair + 1}/{arguments.pairs}: {ours[-1]:.2f} against {bare[-1]:.2f} tokens/s", file=sys.stderr)
    PyTorchBackend.__exit__(backend, None, None, None)
    return report(
        [
            median_row("bare loop, median", bare, unit="t/s"),
            median_row("runner, median", ours, unit="t/s"),
            median_ratio_row("runner's tokens/s over the bare loop's", ours, bare, limit=SMALLEST_RATIO, at_least=True),
        ],
        arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
