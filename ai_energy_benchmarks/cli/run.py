"""``run``: a benchmark from a file, or of one model with stated defaults."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED, VERDICT_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say

if TYPE_CHECKING:
    from ai_energy_benchmarks.config.model import BenchmarkConfig
    from ai_energy_benchmarks.config.user_defaults import UserDefaults
    from ai_energy_benchmarks.domain.verdict import Finding
    from ai_energy_benchmarks.runner import BenchmarkRunner

_SAMPLES = 100
_MAX_NEW_TOKENS = 100


@click.command(short_help="Measure one benchmark.")
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Change one key, such as scenario.num_samples=3. May be repeated.")  # fmt: skip
@click.option("--model", help="Measure this model without a config file: hub id, directory or GGUF file.")
@click.option("--backend", help="With --model: the engine.  [default: pytorch]")
@click.option("--samples", type=int, help=f"With --model: prompts of one pass.  [default: {_SAMPLES}]")
@click.option("--max-new-tokens", type=int,
              help=f"With --model: most output tokens of one prompt.  [default: {_MAX_NEW_TOKENS}]")  # fmt: skip
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path),
              help="With --model: the result directory.  [default: results/<model>_<backend>_<UTC time>]")  # fmt: skip
@click.option("--profile", help="Lay a named method under the config: aienergyscore.")
@click.option("--strict", is_flag=True, help=f"Exit with {VERDICT_FAILED} if the verdict is FAIL.")
@log_options
@click.pass_context
def run(
    ctx: click.Context,
    *,
    config: Path | None,
    overrides: tuple[str, ...],
    model: str | None,
    backend: str | None,
    samples: int | None,
    max_new_tokens: int | None,
    output_dir: Path | None,
    profile: str | None,
    strict: bool,
) -> int:
    """Measure the energy of a benchmark: of the file CONFIG, or of --model NAME. CONFIG may be a study.

    With --model the prompts are the builtin ones (used again where there are fewer than --samples), decoding is
    greedy, the weights keep their own dtype and everything else has its default.

    Exit codes: 0 done, 1 the run failed, 2 the config is wrong, 3 the verdict is FAIL under --strict,
    130 interrupted, 143 ended by SIGTERM, 129 by SIGHUP; what was measured until then is written.
    """
    from ai_energy_benchmarks.config.aienergyscore.profiles import with_profile
    from ai_energy_benchmarks.config.loading import config_from_mapping, load_config
    from ai_energy_benchmarks.config.overrides import parse_assignments, with_overrides
    from ai_energy_benchmarks.config.user_defaults import laid_under, read_user_defaults
    from ai_energy_benchmarks.study.file import is_study
    from ai_energy_benchmarks.text.yaml_text import read

    defaults = read_user_defaults()
    changes = parse_assignments(overrides)
    if config is not None:
        given = {"--model": model, "--backend": backend, "--samples": samples, "--max-new-tokens": max_new_tokens,
                 "--output-dir": output_dir}  # fmt: skip
        for option, value in given.items():
            if value is not None:
                raise click.UsageError(f"{option} goes without CONFIG; with a file, change its keys with -o", ctx)
        if is_study(read(config).value):
            if profile is not None or strict:
                raise click.UsageError("--profile and --strict are of a single benchmark; write base instead", ctx)
            from ai_energy_benchmarks.cli.study_run import run_file

            return run_file(config, changes, defaults)
        checked = load_config(config, changes, profile=profile, defaults=defaults)
        return measure(checked, strict=strict, defaults=defaults)
    if model is None:
        raise click.UsageError("name a config file, or a model with --model", ctx)
    engine = backend or (defaults.backend if defaults else None) or "pytorch"
    asked = with_overrides(quick_scenario(samples, max_new_tokens), quick_mapping(model, engine, output_dir))
    chosen = with_overrides(asked, changes)
    if profile is not None:
        chosen = with_profile(profile, chosen)
    under = quick_defaults() if profile is None else {}
    if defaults is not None:
        under = laid_under(under, defaults.mapping)
    checked = config_from_mapping(laid_under(under, chosen), source="the command line")
    return measure(checked, strict=strict, defaults=defaults)


def quick_mapping(model: str, backend: str, output_dir: Path | None) -> dict[str, object]:
    """What ``run --model`` measures and where the results go, as a file would hold it."""
    name = re.sub(r"[^\w.-]+", "-", model.strip("/"))
    started = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return {
        "name": name,
        "backend": {"type": backend, "model": model},
        "output_dir": str(output_dir or Path("results") / f"{name}_{backend}_{started}"),
    }


def quick_defaults() -> dict[str, object]:
    """What ``run --model`` asks of it where nobody says otherwise."""
    generate = {"max_new_tokens": _MAX_NEW_TOKENS}
    return {"scenario": {"num_samples": _SAMPLES, "repeat": True, "generate_kwargs": generate}}


def quick_scenario(samples: int | None, max_new_tokens: int | None) -> dict[str, object]:
    """What the options of ``run --model`` ask of it."""
    scenario: dict[str, object] = {}
    if samples is not None:
        scenario["num_samples"] = samples
    if max_new_tokens is not None:
        scenario["generate_kwargs"] = {"max_new_tokens": max_new_tokens}
    return {"scenario": scenario}


def measure(config: BenchmarkConfig, *, strict: bool, defaults: UserDefaults | None = None) -> int:
    """Check, run, name the files, and say with which code to leave; the verdict names the defaults that were used."""
    from ai_energy_benchmarks.cli.engines import naming_all_engines
    from ai_energy_benchmarks.cli.progress import terminal_progress
    from ai_energy_benchmarks.errors import ReporterError
    from ai_energy_benchmarks.runner import BenchmarkRunner
    from ai_energy_benchmarks.runner.interrupts import Interrupts

    used = (defaults_finding(defaults),) if defaults else ()
    progress = terminal_progress()
    runner = BenchmarkRunner(config, progress=progress, findings=used, interrupts=Interrupts())
    with naming_all_engines():
        runner.check()
    try:
        runner.run()
    except ReporterError as error:
        if error not in runner.failures:
            raise
    finally:
        # Also after Ctrl-C, when the files hold what there was until then.
        name_files(runner.files)
        for failure in runner.failures:
            say(f"error: {failure}", err=True)
    return _code(runner, strict)


def defaults_finding(defaults: UserDefaults) -> Finding:
    """What a reader has to know to make the same run elsewhere."""
    from ai_energy_benchmarks.domain.verdict import Finding

    return Finding(
        "INFO", "user defaults", f"the defaults of {defaults.file} lie under the config; config.yaml has all"
    )


def name_files(files: Sequence[Path]) -> None:
    """List what was written."""
    if files:
        say("Files:")
    for file in files:
        say(f"  {file}")


def _code(runner: BenchmarkRunner, strict: bool) -> int:
    result = runner.result
    assert result is not None  # run() has returned
    if result.ending == "stopped":
        reasons = [finding.message for finding in result.verdict.findings if finding.check == "stopped"]
        say(f"error: the run stopped early: {'; '.join(reasons)}", err=True)
        return RUN_FAILED
    if runner.failures:
        return RUN_FAILED
    return VERDICT_FAILED if strict and result.verdict.level == "FAIL" else DONE
