"""``validate``: every check that a run makes first, and what the run would do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.options import as_overrides, output_dir_option, samples_option
from ai_energy_benchmarks.cli.streams import say

if TYPE_CHECKING:
    from ai_energy_benchmarks.config.model import BenchmarkConfig, MetricsConfig


@click.command(short_help="Check a config; show what a run would do.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one key. May be repeated."
)
@samples_option("as in CONFIG", older=("--num-samples",))
@output_dir_option("results/<name>")
@log_options
def validate(config: Path, overrides: tuple[str, ...], samples: int | None, output_dir: Path | None) -> None:
    """Check the file CONFIG against this machine, and say what its run would do. Nothing is loaded or measured.

    Of a study it says what ``study plan`` says.
    """
    from ai_energy_benchmarks.cli.checking import check
    from ai_energy_benchmarks.config.loading import load_config
    from ai_energy_benchmarks.config.overrides import parse_assignments
    from ai_energy_benchmarks.config.user_defaults import read_user_defaults
    from ai_energy_benchmarks.runner import BenchmarkRunner
    from ai_energy_benchmarks.study.plan.file import load_study
    from ai_energy_benchmarks.study.plan.study import is_study
    from ai_energy_benchmarks.text.yaml_text import read

    defaults = read_user_defaults()
    options, further = as_overrides(samples, output_dir), parse_assignments(overrides)
    if is_study(read(config).value):
        from ai_energy_benchmarks.cli.study_plan import show

        of_cells = {key if key == "output_dir" else f"base.{key}": value for key, value in options.items()}
        show(load_study(config, of_cells | further, defaults=defaults))
        return
    changes = options | further
    checked = load_config(config, changes, defaults=defaults)
    runner = BenchmarkRunner(checked)
    check(runner)
    say(f"{config} is valid{f' with the defaults of {defaults.file}' if defaults else ''}. A run would:")
    for line in plan(checked, runner.most_output_tokens or 0):
        say(f"  {line}")


def plan(config: BenchmarkConfig, most_output_tokens: int) -> Iterator[str]:
    """The steps of a run, one line each, with what can be said of their size beforehand.

    Args:
        most_output_tokens: of one trial.
    """
    protocol, scenario = config.protocol, config.scenario
    size, most = scenario.input_shapes.batch_size, scenario.generate_kwargs.max_new_tokens
    if protocol.bare_idle_s:
        yield f"measure idle power before loading ({protocol.bare_idle_s:g} s)"
    yield f"load {config.backend.model} with {config.backend.type} on {_device(config)}"
    if protocol.resident_idle_s:
        idle = f"({protocol.resident_idle_s:g} s each)"
        yield f"measure idle power with the model loaded, before and after the trials {idle}"
    if protocol.warmup.mode == "converge":
        yield f"warm up until the speed is steady, with at most {_counted(protocol.warmup.max_requests, 'request')}"
    elif config.warmup_requests:
        yield f"warm up with {_counted(config.warmup_requests, 'request')} that no trial measures"
    if protocol.gate is not None:
        yield f"generate until the GPUs are steady, if a meter reports their power (at most {protocol.gate.cap_s:g} s)"
    requests = protocol.trials * scenario.num_samples
    yield (
        f"measure {_counted(protocol.trials, 'trial')} of {_counted(scenario.num_samples, 'request')} from "
        f"{scenario.dataset_name}, {_at_a_time(min(size, scenario.num_samples), config.load.concurrency)}"
    )
    if size > scenario.num_samples:
        yield f"  scenario.input_shapes.batch_size is {size}, which is more than scenario.num_samples"
    each = f"{most} each" if most_output_tokens == scenario.num_samples * most else "the dataset decides their lengths"
    in_all = protocol.trials * most_output_tokens
    yield f"  in all {_counted(requests, 'request')} with at most {in_all} output tokens ({each})"
    yield f"measure energy with: {_meters(config)}"
    if config.metrics.enabled:
        yield from _conversions(config.metrics)
    yield f"write {_reports(config)}"
    fixed_s = protocol.bare_idle_s + 2 * protocol.resident_idle_s
    yield f"take about {fixed_s:g} s for idle power, and as long as the engine needs for loading and generating"


def _reports(config: BenchmarkConfig) -> str:
    if not config.reporters:
        return f"no report; other files go to {config.output_dir}"
    names = ", ".join(reporter.type for reporter in config.reporters)
    return f"reports: {names}; files go to {config.output_dir}"


def _at_a_time(batch_size: int, concurrency: int) -> str:
    if batch_size == concurrency == 1:
        return "one at a time"
    batches = f"in batches of at most {batch_size}" if batch_size > 1 else ""
    in_flight = f"{concurrency} in flight" if concurrency > 1 else ""
    return ", ".join(filter(None, (batches, in_flight)))


def _conversions(metrics: MetricsConfig) -> Iterator[str]:
    """What energy is turned into."""
    from ai_energy_benchmarks.config.carbon import carbon_for, tariff_for

    where = f" at the wall ({metrics.wall_factor:g} times what the meters see)" if metrics.wall_factor else ""
    if (carbon := carbon_for(metrics)) is not None:
        yield f"state emissions{where} at {carbon.intensity_g_per_kwh:g} g/kWh and PUE {carbon.pue:g} ({carbon.source})"
    if (tariff := tariff_for(metrics)) is not None:
        yield f"state cost{where} at {tariff.price_per_kwh:g} {tariff.currency}/kWh and PUE {tariff.pue:g}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _device(config: BenchmarkConfig) -> str:
    from ai_energy_benchmarks.safety.urls import hidden

    if config.backend.endpoint is not None:
        return hidden(config.backend.endpoint)
    return "CUDA if there is a GPU, else the CPU" if config.backend.device == "auto" else config.backend.device


def _meters(config: BenchmarkConfig) -> str:
    if not config.metrics.enabled:
        return "no meter (metrics.enabled is false), so energy will be absent"
    return ", ".join(member.type for member in config.metrics.collectors)
