"""Every command leaves with the code that the README promises, whatever the cause."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ai_energy_benchmarks.cli import exit_codes, main, study
from tests.functional.commands import command_here
from tests.unit.test_survival import asked, bench

# Each command with what it reads in the place of {}, so that a cause can be put there.
READS = {
    "run": ["{}"],
    "validate": ["{}"],
    "recover": ["{}"],
    "reanalyze": ["{}"],
    "study plan": ["{}"],
    "study resume": ["{}"],
    "study report": ["{}"],
    "batch": ["{}", "--output-dir", "batch"],
    "rate": ["{}"],
    "report": ["{}"],
    "export": ["{}", "--to", "optimum"],
    "import": ["{}", "--from", "0", "--to", "1"],
    "submit": ["{}", "submission"],
    "verify": ["{}"],
    "compare": ["{}", "{}"],
    "aienergyscore": ["--config", "{}"],
}
# Commands that read no file, with a command line that is wrong.
READ_NOTHING = {
    "init": ["is.yaml"],
    "study init": ["is.yaml"],
    "schema": ["--rslt"],
    "doctor": ["extra"],
    "list": ["extra"],
    "small-model": ["extra"],
}
CAUSES = ("gone", "empty", "binary", "broken", "open.yaml", "older")
# What writes a file whose directory is a file.
WRITES = (
    ["report", "run", "-o", "is.yaml/page.html"],
    ["export", "run", "--to", "optimum", "-o", "is.yaml/out"],
    ["submit", "run", "is.yaml/out"],
    ["reanalyze", "run", "--output-dir", "is.yaml/out"],
    ["init", "is.yaml/config.yaml"],
    ["study", "init", "is.yaml/study.yaml"],
)
SERVER = "{backend: {type: openai, model: m, endpoint: 'http://127.0.0.1:9'}}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one of each cause, and a completed run on fakes."""
    stage = tmp_path_factory.mktemp("stage")
    bench(asked(stage / "run")).runner.run()
    for name in ("empty", "broken", "older"):
        (stage / name).mkdir()
    (stage / "binary").write_bytes(b"\x00\xff{{{")
    (stage / "broken" / "result.json").write_text("{")
    (stage / "broken" / "manifest.jsonl").write_text("{}\n")
    (stage / "older" / "result.json").write_text('{"schema_version": 9999}')
    (stage / "open.yaml").write_text("a: [1\n")
    (stage / "is.yaml").write_text(f"name: x\n{SERVER[1:-1]}\n")
    return stage


def test_the_walk_knows_every_command() -> None:
    """A new command gets its causes here."""
    subcommands = {f"study {name}" for name in study.COMMANDS}
    assert READS.keys() | READ_NOTHING.keys() == (main.COMMANDS.keys() - {"study"}) | subcommands


def test_the_readme_lists_every_code(root: Path) -> None:
    """The codes of its table are those that commands leave with; signals add two more than ``INTERRUPTED``."""
    table = (root / "README.md").read_text(encoding="utf-8").split("| exit code |")[1].split("\n\n")[0]
    listed = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(",")}
    known = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert listed == known | {129, 143}


@pytest.mark.parametrize("command", READS)
def test_what_cannot_be_read_is_2(command: str, stage: Path) -> None:
    """A file that is not there, of another kind, cut short or of a newer version is the fault of the command line."""
    for cause in CAUSES:
        done = command_here(*command.split(), *[each.replace("{}", cause) for each in READS[command]], cwd=stage)
        assert (cause, done.code) == (cause, exit_codes.CONFIG)
        assert "fix: " in done.err or "Usage: " in done.err, done.err


@pytest.mark.parametrize("command", [*READS, *READ_NOTHING, "", "study"])
def test_a_wrong_command_line_is_2(command: str, stage: Path) -> None:
    """An option that does not exist, and what else a command cannot take."""
    assert command_here(*command.split(), "--nonsense", cwd=stage).code == exit_codes.CONFIG
    if command in READ_NOTHING:
        assert command_here(*command.split(), *READ_NOTHING[command], cwd=stage).code == exit_codes.CONFIG


@pytest.mark.parametrize(("line", "near"), [(["rum"], "'run'"), (["study", "pln"], "'plan'")])
def test_a_misspelt_command_is_2_with_a_guess(line: list[str], near: str, stage: Path) -> None:
    """In the group of studies too."""
    done = command_here(*line, cwd=stage)
    assert (done.code, f"Did you mean {near}?" in done.err) == (exit_codes.CONFIG, True)


@pytest.mark.parametrize("line", WRITES)
def test_what_cannot_be_written_is_1(line: list[str], stage: Path) -> None:
    """The command line is right, and the disk refuses."""
    done = command_here(*line, cwd=stage)
    assert (done.code, "cannot write" in done.err, "fix: " in done.err) == (exit_codes.RUN_FAILED, True, True)


@pytest.mark.parametrize(
    "study_file",
    [
        "base: {backend: {type: pytorch, model: empty}}",
        "base: {backend: {type: pytorch, model: binary}}",
        f"base: {SERVER[:-1]}, scenario: {{dataset_name: gone.csv}}}}",
        f"base: {SERVER[:-1]}, metrics: {{collectors: [{{type: replay, options: {{path: gone.csv}}}}]}}}}",
        f"base: {SERVER}\nexecution: {{executor: slurm, timeout_s: 9}}",
        f"base: {SERVER}\noutput_dir: is.yaml/study",
        f"base: {SERVER}\nexecution: {{runners: {{openai: {{venv: gone}}}}}}",
        f"base: {SERVER}\nexecution: {{gpus: [GPU-gone]}}",
    ],
    ids=["empty model", "file as model", "prompts", "meter", "scheduler", "directory", "venv", "GPU"],
)
def test_a_study_of_what_is_not_there_is_2(study_file: str, stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured, nothing is left behind, and ``study plan`` names the same beforehand."""
    monkeypatch.setenv("PATH", str(stage))
    (stage / "s.yaml").write_text(f"name: s\n{study_file}\nsweep: {{scenario.seed: [1, 2]}}\ndesign: {{cycles: 1}}\n")
    done = command_here("run", "s.yaml", cwd=stage)
    assert (done.code, "fix: " in done.err) == (exit_codes.CONFIG, True), done.err
    assert not (stage / "results").exists()
    if "output_dir" not in study_file:
        assert "cannot run it as it is" in command_here("study", "plan", "s.yaml", cwd=stage).out


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["reanalyze", "run"], exit_codes.DONE),
        (["report", "run"], exit_codes.DONE),
        (["export", "run", "--to", "optimum"], exit_codes.DONE),
        (["schema"], exit_codes.DONE),
        (["rate", "run"], exit_codes.RUN_FAILED),  # no stars for one model without a class
        (["compare", "run", "run"], exit_codes.CONFIG),  # its verdict is FAIL
        (["recover", "run"], exit_codes.CONFIG),  # nothing to recover
        (["compare", "run", "run", "--figure", "nope"], exit_codes.CONFIG),
        (["reanalyze", "run", "--drop-trial", "77"], exit_codes.CONFIG),
        (["run", "--model", "empty"], exit_codes.CONFIG),
        (["run", "--model", "gone/model/path"], exit_codes.CONFIG),
        (["validate", "is.yaml", "-o", "scenario.dataset_name=gone.csv"], exit_codes.CONFIG),
        (["validate", "is.yaml", "-o", "nonsense"], exit_codes.CONFIG),
        (["validate", "is.yaml", "--log-file", "is.yaml/log"], exit_codes.CONFIG),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_command_finds_decides_its_code(line: list[str], code: int, stage: Path) -> None:
    """0 where it did what it was asked for, 1 where there is no answer, 2 where what was asked for is not there."""
    done = command_here(*line, cwd=stage)
    assert done.code == code, done.err
    assert code != exit_codes.CONFIG or "fix: " in done.err
