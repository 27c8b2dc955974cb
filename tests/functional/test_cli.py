"""The command line without a run: help, mistakes, validate, list and doctor."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.machine.installing import install_line
from tests.functional.commands import command

CONFIG = "backend: {type: pytorch, model: no/such-model, device: cpu}\noutput_dir: out\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A valid config file."""
    file = tmp_path / "benchmark.yaml"
    file.write_text(CONFIG)
    return file


def test_help_names_every_command(tmp_path: Path) -> None:
    """``--help`` is enough to find the rest."""
    done = command("--help", cwd=tmp_path)
    assert done.code == 0
    assert {"run", "validate", "doctor", "list"} <= set(done.out.split())


def test_the_version_is_that_of_the_package(tmp_path: Path, root: Path) -> None:
    """``--version`` prints what VERSION.txt holds."""
    done = command("--version", cwd=tmp_path)
    assert done.out.split()[-1] == (root / "VERSION.txt").read_text().strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "name a config file, or a model with --model"),
        (["run", "nowhere.yaml", "-n", "3"], "error: there is no file nowhere.yaml"),
        (["run", "nowhere.yaml"], "error: there is no file nowhere.yaml"),
        (["run", "--model", "m", "--samples", "0"], "scenario.num_samples: must be at least 1, got 0"),
        (["run", "--model", "m", "--backend", "pytorhc"], "unknown backend 'pytorhc'; did you mean 'pytorch'? Known: "),
        (["run", "--model", "m", "-o", "nonsense"], "override 'nonsense' is not of the form key=value"),
        (["validate", "nowhere.yaml"], "error: there is no file nowhere.yaml"),
        (["validate", "."], "error: . is a directory, not a file"),
        (["measure"], "No such command 'measure'"),
    ],
)
def test_mistakes_exit_with_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    """One clear message on standard error, nothing on standard output, no traceback, nothing written."""
    done = command(*arguments, cwd=tmp_path)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_of_a_file_are_told_with_their_lines(config: Path) -> None:
    """Overrides are told apart from the file, and the message ends with the fix."""
    config.write_text(CONFIG + "scenario: {num_smaples: 3}\n")
    done = command("validate", config, "-o", "protocol.trials=none", cwd=config.parent)
    assert done.code == 2
    assert done.err.splitlines() == [
        f"error: {config} has 2 problems:",
        "  override: protocol.trials: must be a whole number, got 'none'",
        "  line 3: scenario.num_smaples: is not a key of this block (value: 3); did you mean 'num_samples'?",
        "  fix: correct these keys; `ai-energy-benchmark validate FILE` checks a file without running it",
    ]


def test_tracebacks_are_for_those_who_ask(tmp_path: Path) -> None:
    """``-vv`` shows where an error came from, ``--log-file`` keeps it without showing it."""
    assert "Traceback" not in command("validate", "nowhere.yaml", "-v", cwd=tmp_path).err
    assert "Traceback" in command("validate", "nowhere.yaml", "-vv", cwd=tmp_path).err
    quiet = command("validate", "nowhere.yaml", "--log-file", "logs/all.log", cwd=tmp_path)
    assert "Traceback" not in quiet.err
    assert "Traceback" in (tmp_path / "logs" / "all.log").read_text()


def test_a_log_file_that_cannot_be_written_is_a_mistake(config: Path) -> None:
    """It is told before anything is done."""
    done = command("validate", config, "--log-file", f"{config}/x.log", cwd=config.parent)
    assert done.code == 2
    assert "cannot be written" in done.err


def test_validate_says_what_a_run_would_do(config: Path) -> None:
    """Steps, numbers of requests and tokens, meters, outputs and fixed times; nothing is written."""
    pytest.importorskip("torch", reason="the pytorch backend says that torch is missing")
    done = command(
        "validate", config, "-o", "scenario.num_samples=4", "-o", "scenario.generate_kwargs.max_new_tokens=8",
        "-o", "protocol.bare_idle_s=1", "-o", "protocol.warmup.requests=1", "-o", "reporters=[json]",
        "-o", "metrics.wall_factor=1.2", "-o", "metrics.carbon.intensity_g_per_kwh=50", "-o", "metrics.carbon.pue=1.5",
        "-o", "metrics.carbon.source=the grid", "-o", "metrics.cost.price_per_kwh=0.3", "-o",
        "metrics.cost.currency=EUR", cwd=config.parent,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        f"{config} is valid. A run would:",
        "  measure idle power before loading (1 s)",
        "  load no/such-model with pytorch on cpu",
        "  measure idle power with the model loaded, before and after the trials (10 s each)",
        "  warm up with 1 request that no trial measures",
        "  generate until the GPUs are steady, if a meter reports their power (at most 300 s)",
        "  measure 5 trials of 4 requests from builtin, one at a time",
        "    in all 20 requests with at most 160 output tokens (8 each)",
        "  measure energy with: auto",
        "  state emissions at the wall (1.2 times what the meters see) at 50 g/kWh and PUE 1.5 (the grid)",
        "  state cost at the wall (1.2 times what the meters see) at 0.3 EUR/kWh and PUE 1",
        "  write reports: json; files go to out",
        "  take about 21 s for idle power, and as long as the engine needs for loading and generating",
    ]
    assert list(config.parent.iterdir()) == [config]


def test_validate_counts_the_outputs_that_the_data_set_decides(config: Path) -> None:
    """Synthetic lengths of output are known beforehand: here 3 trials of 4 requests with 6 tokens each."""
    pytest.importorskip("torch", reason="the engine is checked before the prompts")
    done = command(
        "validate", config, "-o", "scenario.num_samples=4", "-o", "protocol.trials=3",
        "-o", "scenario.dataset_name=synthetic", "-o", "scenario.dataset_options.output_tokens.mean=6",
        cwd=config.parent,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "    in all 12 requests with at most 72 output tokens (the dataset decides their lengths)" in done.out


def test_validate_says_that_a_batch_is_larger_than_a_pass(config: Path) -> None:
    """With what the batches really hold."""
    pytest.importorskip("torch", reason="the pytorch backend says that torch is missing")
    options = ("-o", "scenario.num_samples=2", "-o", "scenario.input_shapes.batch_size=4")
    done = command("validate", config, *options, cwd=config.parent)
    assert done.code == 0, done.err
    assert "of 2 requests from builtin, in batches of at most 2\n" in done.out
    assert "    scenario.input_shapes.batch_size is 4, which is more than scenario.num_samples\n" in done.out


def test_a_directory_that_cannot_be_is_told_before_anything_is_measured(config: Path) -> None:
    """Nothing of a run would be left otherwise."""
    pytest.importorskip("torch", reason="the pytorch backend says that torch is missing")
    (config.parent / "file").write_text("")
    for verb in ("validate", "run"):
        done = command(verb, config, "-o", "output_dir=file/out", cwd=config.parent)
        assert done.code != 0
        assert "cannot write file/out" in done.err
        assert "output_dir" in done.err


def test_validate_checks_the_data_set(config: Path) -> None:
    """Too few prompts are found without a run, with the fix."""
    pytest.importorskip("torch", reason="the engine is checked before the prompts")
    done = command("validate", config, "-o", "scenario.num_samples=100000", cwd=config.parent)
    assert done.code == 2
    assert "scenario.num_samples is 100000, but dataset 'builtin' has only" in done.err
    assert "fix: " in done.err


@pytest.fixture(scope="module")
def without_engines(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH with everything that is installed here but the engines, for a Python that sees nothing else."""
    directory = tmp_path_factory.mktemp("without engines")
    for installed in Path(sysconfig.get_path("purelib")).iterdir():
        if not installed.name.startswith(("torch", "transformers", "vllm", "tensorrt")) and installed.suffix != ".pth":
            (directory / installed.name).symlink_to(installed)
    return f"{directory}:{Path(__file__).parents[2]}"


@pytest.mark.parametrize("arguments", [["run", "--model", "m"], ["run", "{config}"], ["validate", "{config}"]])
def test_without_any_engine_the_error_names_the_install_lines(
    config: Path, without_engines: str, arguments: list[str]
) -> None:
    """A stranger who installed only the base learns what to type."""
    filled = [argument.format(config=config) for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "ai_energy_benchmarks", *filled],
        cwd=config.parent, env={"PYTHONPATH": without_engines}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no inference engine is installed" in done.stderr
    for extra in ("pytorch", "vllm", "tensorrt"):
        assert install_line(extra) in done.stderr
    assert "Traceback" not in done.stderr


def test_list_names_every_member(tmp_path: Path) -> None:
    """Each with a line of its own that says whether it works here, with the state that doctor reports."""
    done = command("list", cwd=tmp_path)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    for kind in registry.BUILTIN:
        section = list(itertools.takewhile(lambda line: line[:1] in ("", " "), lines[lines.index(kind) + 1 :]))
        for name in registry.names(kind):
            [line] = [each for each in section if each.startswith(f"  {name} ")]
            assert line.split()[1] in ("ready", "limited", "missing")
    assert "``" not in done.out


def test_list_keeps_the_brackets_of_an_install_line(tmp_path: Path, without_engines: str) -> None:
    """What a member lacks is shown as it must be typed, the extra's name too."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "ai_energy_benchmarks", "list"],
        cwd=tmp_path, env={"PYTHONPATH": without_engines, "COLUMNS": "200"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert install_line("pytorch") in done.stdout


def test_doctor_reports_as_text_and_as_json(tmp_path: Path) -> None:
    """Both hold the same subjects; the JSON can be read by a program."""
    text, plain = command("doctor", cwd=tmp_path), command("doctor", "--json", cwd=tmp_path)
    assert (text.code, plain.code) == (0, 0)
    report = json.loads(plain.out)
    assert set(report) == {"hardware", "meters", "engines", "container_engines", "executors", "hints"}
    subjects = [line["subject"] for lines in report.values() for line in lines]
    assert {"CPU", "nvml", "modelled", "pytorch"} <= set(subjects)
    members = command("list", cwd=tmp_path).out.splitlines()
    for lines in report.values():
        for line in lines:
            assert f"\n  {line['subject']} " in text.out
            for member in (each for each in members if each.startswith(f"  {line['subject']} ")):
                assert member.split()[1] == line["state"]
