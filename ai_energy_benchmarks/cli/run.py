"""``run``: a benchmark from a file, or of one model with stated defaults."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED, VERDICT_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.options import as_overrides, output_dir_option, samples_option
from ai_energy_benchmarks.cli.showing import Showing, showing_options
from ai_energy_benchmarks.cli.streams import say, say_at_once

if TYPE_CHECKING:
    from ai_energy_benchmarks.backends.base import Backend
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
@click.option(
    "--model", help="Measure this model: a hub id, a directory or a GGUF file. Without CONFIG, with defaults."
)
@click.option("--backend", help="The engine (backend.type).  [default without CONFIG: pytorch]")
@samples_option(f"{_SAMPLES} without CONFIG", older=("--num-samples",))
@click.option("--max-new-tokens", type=int,
              help=f"Maximum output tokens of one prompt.  [default without CONFIG: {_MAX_NEW_TOKENS}]")  # fmt: skip
@output_dir_option("results/<name>")
@click.option("--profile", help="Use the settings of a named method where the config has none: aienergyscore.")
@click.option("--seed", type=click.IntRange(min=0), help="Of a study: draw the orders from this (design.seed).")
@click.option("--strict", is_flag=True, help=f"Exit with {VERDICT_FAILED} if the verdict is FAIL.")
@showing_options
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
    seed: int | None,
    strict: bool,
    showing: Showing,
) -> int:
    """Measure the energy of a benchmark: of the file CONFIG, or of --model NAME. CONFIG may be a study.

    The options change keys of CONFIG; -o reaches every other key. Without CONFIG the prompts are the builtin ones
    (used again where there are fewer than --samples), decoding is greedy, the weights keep their own dtype and
    everything else has its default.

    Exit codes: 0 done, 1 the run failed, 2 the config is wrong, 3 the verdict is FAIL under --strict,
    130 interrupted, 143 ended by SIGTERM, 129 by SIGHUP; what was measured until then is written.
    """
    from ai_energy_benchmarks.config.loading import load_config
    from ai_energy_benchmarks.config.overrides import parse_assignments
    from ai_energy_benchmarks.config.user_defaults import read_user_defaults
    from ai_energy_benchmarks.study.plan.study import is_study
    from ai_energy_benchmarks.text.yaml_text import read

    defaults = read_user_defaults()
    asked = {"backend.model": model, "backend.type": backend, "scenario.generate_kwargs.max_new_tokens": max_new_tokens}
    options = {key: value for key, value in asked.items() if value is not None} | as_overrides(samples, output_dir)
    changes = options | parse_assignments(overrides)
    if config is not None and is_study(read(config).value):
        if profile is not None or strict or showing != Showing():
            of_one = "--profile, --strict, --live, --quiet and --json-lines"
            raise click.UsageError(f"{of_one} are of a single benchmark; write base instead", ctx)
        from ai_energy_benchmarks.cli.study_run import run_file

        of_cells = {key if key == "output_dir" else f"base.{key}": value for key, value in options.items()}
        of_study = {} if seed is None else {"design.seed": seed}
        return run_file(config, of_cells | of_study | parse_assignments(overrides), defaults)
    if seed is not None:
        raise click.UsageError("--seed is of a study; of a benchmark write -o scenario.seed", ctx)
    if config is not None:
        checked = load_config(config, changes, profile=profile, defaults=defaults)
    elif model is not None:
        checked = quick_config(model, changes, profile, defaults)
    else:
        raise click.UsageError("name a config file, or a model with --model", ctx)
    return measure(checked, strict=strict, defaults=defaults, showing=showing)


def quick_config(
    model: str, changes: Mapping[str, object], profile: str | None, defaults: UserDefaults | None
) -> BenchmarkConfig:
    """What ``run --model`` measures: the options over the user's defaults over those that the help states."""
    from ai_energy_benchmarks.config.aienergyscore.profiles import with_profile
    from ai_energy_benchmarks.config.loading import config_from_mapping
    from ai_energy_benchmarks.config.overrides import with_overrides
    from ai_energy_benchmarks.config.user_defaults import laid_under

    engine = (defaults.backend if defaults else None) or "pytorch"
    chosen = with_overrides({"name": model_name(model), "backend": {"type": engine}}, changes)
    if profile is not None:
        chosen = with_profile(profile, chosen)
    generate = {"max_new_tokens": _MAX_NEW_TOKENS}
    under: Mapping[str, object] = {}
    if profile is None:
        under = {"scenario": {"num_samples": _SAMPLES, "repeat": True, "generate_kwargs": generate}}
    if defaults is not None:
        under = laid_under(under, defaults.mapping)
    return config_from_mapping(laid_under(under, chosen), source="the command line")


def model_name(model: str) -> str:
    """What a benchmark of a model is called: a hub id as it is, of a path the last part without its ``.gguf``."""
    path = Path(model)
    local = path.exists() or model.startswith((".", "/", "~"))
    return path.resolve().name.removesuffix(".gguf") if local else model


def measure(
    config: BenchmarkConfig,
    *,
    strict: bool,
    defaults: UserDefaults | None = None,
    backend: Backend | None = None,
    findings: Sequence[Finding] = (),
    showing: Showing | None = None,
) -> int:
    """Check, run, name the files, and say with which code to leave.

    Args:
        defaults: that were used, which the verdict names.
        backend: the engine, if it is there already.
        findings: what the verdict should say besides.
        showing: what is shown meanwhile; progress and report by default.
    """
    from ai_energy_benchmarks.cli.checking import check
    from ai_energy_benchmarks.errors import ReporterError
    from ai_energy_benchmarks.runner import BenchmarkRunner
    from ai_energy_benchmarks.runner.interrupts import Interrupts

    used, shown = (*findings, defaults_finding(defaults)) if defaults else findings, showing or Showing()
    interrupts = Interrupts(None if shown.quiet else say_stopping)
    with shown.progress() as progress:
        runner = BenchmarkRunner(
            shown.reported(config), backend=backend, progress=progress, findings=used, interrupts=interrupts
        )
        check(runner)
        try:
            runner.run()
        except ReporterError as error:
            if error not in runner.failures:
                raise
        finally:
            # Also after Ctrl-C, when the files hold what there was until then.
            shown.ended(progress, runner.result, runner.files)
            if shown.names_files:
                name_files(runner.files)
            for failure in runner.failures:
                say(f"error: {failure}", err=True)
    return _code(runner, strict)


def say_stopping() -> None:
    """Answer the first Ctrl-C, since the request in flight may take a while to end."""
    after_the_typed_key = "\n" if sys.stderr.isatty() else ""  # a terminal shows ^C where the cursor is
    say_at_once(f"{after_the_typed_key}stopping now: the trials that are complete are kept")


def defaults_finding(defaults: UserDefaults) -> Finding:
    """What a reader has to know to make the same run elsewhere."""
    from ai_energy_benchmarks.domain.verdict import Finding

    return Finding(
        "INFO",
        "user defaults",
        f"the defaults of {defaults.file} apply where the config has none; config.yaml has all settings",
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
