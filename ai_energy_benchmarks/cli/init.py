"""``init``: a commented config for the machine at hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.options import as_overrides, name_for, output_dir_option, samples_option
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.errors import ConfigError

if TYPE_CHECKING:
    from ai_energy_benchmarks.environment.doctor import DoctorReport
    from ai_energy_benchmarks.environment.lines import Line

_FILE = "benchmark.yaml"
_TEMPLATE = """\
# Measured with: ai-energy-benchmark run {file}
# Checked with:  ai-energy-benchmark validate {file}
# docs/settings.md lists every key; a key that is not here has its default.
name: {name}

backend:
{engine}
  model: HuggingFaceTB/SmolLM2-135M-Instruct   # small; a hub id, a directory of safetensors or a GGUF file
{device}

scenario:
  dataset_name: builtin        # or a file (CSV, JSONL, JSON, TXT, Parquet), a hub dataset, synthetic
  num_samples: 20              # prompts of one pass; more make the figure steadier
  input_shapes:
    batch_size: 1              # prompts that are generated together
  generate_kwargs:
    max_new_tokens: 64         # maximum output tokens of one prompt
    do_sample: false           # greedy, so that every trial generates the same tokens

protocol:
  bare_idle_s: 10              # seconds of idle before the model is loaded; 0 skips it
  resident_idle_s: 10          # seconds of idle with the model loaded, before and after the trials
  warmup:
    requests: 10               # requests before the first trial, not measured
  trials: 5                    # measured passes

metrics:
{meters}
  collectors: [auto]           # for each component the first meter that works; the report says which and why
  # With the intensity of your own supply the report states emissions, and quotes the source next to them:
  # carbon: {{intensity_g_per_kwh: 0, source: "", pue: 1.0}}
  # wall_factor: 1.1           # energy at the wall over that of the components, if you have measured it

reporters: [console, json, csv, parquet]
output_dir: results/{name}
"""


@click.command(short_help="Write a commented config for this machine.")
@click.argument("file", default=_FILE, type=click.Path(dir_okay=False, path_type=Path))
@samples_option("20")
@output_dir_option("results/<name>")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def init(file: Path, samples: int | None, output_dir: Path | None, force: bool) -> None:
    """Write a config for the engine, the GPUs and the meters of this machine to FILE (benchmark.yaml).

    Its model is small, so that a first run takes minutes. An existing file stays as it is without --force.
    """
    from ai_energy_benchmarks.environment.doctor import examine
    from ai_energy_benchmarks.results.writing import write_errors

    if file.exists() and not force:
        raise ConfigError(f"{file} already exists", remedy="name another file, or use --force")
    text = starting_point(file, examine())
    for key, value in as_overrides(samples, output_dir).items():
        text = _with(text, key.rpartition(".")[2], value)
    with write_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if force else "x", encoding="utf-8") as out:  # x: it may have come into being meanwhile
            out.write(text)
    say(f"Wrote {file}. Next: ai-energy-benchmark run {file}")


def _with(text: str, key: str, value: object) -> str:
    """The template with another value of a key that stands on a line of its own; what comes after it stays."""
    return re.sub(rf"(?m)^( *{key}:) \S+", lambda line: f"{line[1]} {json.dumps(value)}", text, count=1)


def starting_point(file: Path, found: DoctorReport) -> str:
    """The text of the config; what was found stands in its comments."""
    boards = [line for line in found.hardware if line.subject.startswith("GPU ")]
    return _TEMPLATE.format(
        file=file.name,
        name=name_for(file, "benchmark"),
        engine=_engine({line.subject: line for line in found.engines}),
        device=_device(boards),
        meters="\n".join(f"  # {_one_line(line)}" for line in found.meters),
    )


def _engine(engines: dict[str, Line]) -> str:
    """PyTorch where it is installed, else a vLLM server where that is, else PyTorch with its install line."""
    pytorch, vllm = engines["pytorch"], engines["vllm"]
    if pytorch.state != "ready" and vllm.state == "ready":
        return f"  type: vllm                   # {vllm.detail}\n  launch: true                 # a server for this run"
    told = pytorch.detail if pytorch.state == "ready" else f"{pytorch.detail}; {pytorch.fix}"
    return f"  type: pytorch                # {told}"


def _device(boards: list[Line]) -> str:
    if not boards:
        return "  device: auto                 # no NVIDIA GPU is seen here, so this means the CPU"
    seen = [f"  # {_one_line(line)}" for line in boards]
    return "\n".join([*seen, "  device: auto                 # CUDA if there is a GPU, else the CPU",
                      "  device_ids: [0]              # GPUs to use; only these are counted"])  # fmt: skip


def _one_line(line: Line) -> str:
    return " ".join(f"{line.subject}: {line.state}, {line.detail}".split())
