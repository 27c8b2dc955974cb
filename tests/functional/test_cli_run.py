"""``run`` on a tiny random model: files, exit codes, progress, and what is left after Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ai_energy_benchmarks import load_config
from tests.functional.commands import PROGRAM, command, command_here

pytest.importorskip("torch", reason="these tests run PyTorch")
pytest.importorskip("transformers", reason="these tests run PyTorch")

FILES = {"result.json", "config.yaml", "benchmark_results.csv", "requests.parquet", "timeline.parquet"}
SHORT = ("-o", "protocol.bare_idle_s=0", "-o", "protocol.resident_idle_s=0", "-o", "protocol.warmup.requests=1")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a context of 256 tokens."""
    from tests.tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", end_ids=[1])


@pytest.fixture
def config(tmp_path: Path, model: Path) -> Path:
    """Two trials of five short prompts."""
    (tmp_path / "prompts.txt").write_text("one\ntwo\nthree\nfour\nfive\nsix\n")
    file = tmp_path / "benchmark.yaml"
    file.write_text(f"""
name: tiny
backend: {{type: pytorch, model: {model}, device: cpu, options: {{threads: 1}}}}
scenario: {{dataset_name: prompts.txt, num_samples: 5, generate_kwargs: {{max_new_tokens: 4, min_new_tokens: 4}}}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, warmup: {{requests: 1}}, trials: 2}}
output_dir: out
""")
    return file


def listed(out: str) -> set[str]:
    """The files that a run names at its end."""
    return set(out.partition("Files:\n")[2].split())


def too_long(config: Path, *prompts: str) -> tuple[str, ...]:
    """Options of a run over these prompts that does not truncate them."""
    (config.parent / "long.txt").write_text("".join(f"{prompt}\n" for prompt in prompts))
    return ("-o", "scenario.dataset_name=long.txt", "-o", "scenario.truncation=false")


def test_a_run_writes_its_files_and_names_them(config: Path) -> None:
    """Exit code 0; every file named exists; without a terminal each step is a plain line."""
    done = command_here("run", config, cwd=config.parent)
    assert done.code == 0, done.err
    assert listed(done.out) == {f"out/{name}" for name in FILES}
    assert {path.name for path in (config.parent / "out").iterdir()} == FILES
    assert "Verdict: " in done.out
    assert "━" not in done.err
    assert re.search(r"^\[\d\d:\d\d\] trials: 1 of 2 in \d+\.\d s, about \d+\.\d s left$", done.err, re.MULTILINE)
    report = json.loads((config.parent / "out" / "result.json").read_text())
    assert report["summary"]["total_completion_tokens"] == 20
    assert load_config(config.parent / "out" / "config.yaml") == load_config(config)


def test_a_model_can_be_measured_without_a_file(tmp_path: Path, model: Path) -> None:
    """The stated defaults are in the config that is written, in a directory of the model's name; the log has it all."""
    done = command_here(
        "run", "--model", model, "--samples", "2", "--max-new-tokens", "3", *SHORT, "-o", "protocol.trials=1",
        "-v", "--log-file", "all.log", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    directory = tmp_path / "results" / "tiny"
    assert listed(done.out) == {f"results/tiny/{name}" for name in FILES}
    log = (tmp_path / "all.log").read_text()
    for text in (log, done.err):
        assert re.search(r"INFO ai_energy_benchmarks\S*: trial 1: [1-6] output tokens in ", text)
    assert "DEBUG" in log
    assert "DEBUG" not in done.err
    written = load_config(directory / "config.yaml")
    assert (written.backend.type, written.backend.model) == ("pytorch", str(model))
    assert (written.scenario.dataset_name, written.scenario.num_samples) == ("builtin", 2)
    assert (written.scenario.generate_kwargs.max_new_tokens, written.scenario.generate_kwargs.do_sample) == (3, False)


def test_options_change_the_keys_of_a_file(config: Path) -> None:
    """``-n`` and ``--output-dir`` as without one, by their older names too; -o has the last word."""
    given = ("--num-samples", "4", "--output-dir", "elsewhere", "--max-new-tokens", "4", "-o", "protocol.trials=1")
    done = command_here("run", config, *given, "-o", "scenario.num_samples=2", cwd=config.parent)
    assert done.code == 0, done.err
    report = json.loads((config.parent / "elsewhere" / "result.json").read_text())
    assert (report["summary"]["successful_prompts"], report["summary"]["total_completion_tokens"]) == (2, 8)


def test_strict_turns_a_failed_verdict_into_an_exit_code(config: Path) -> None:
    """One of five requests fails, so the verdict is FAIL: exit code 3 under --strict."""
    longer = too_long(config, "a", "b", "c", "d", "e" * 400, "f")
    done = command_here("run", config, *longer, "--strict", cwd=config.parent)
    assert done.code == 3, done.err
    assert "Verdict: FAIL" in done.out
    assert re.search(r"^FAIL \w.*failed", done.out, re.MULTILINE)
    assert "error" not in done.err


def test_a_run_that_gives_up_exits_with_1(config: Path) -> None:
    """When nothing succeeds the run stops, and what was seen is written all the same."""
    texts = ["e" * 400 for _ in range(20)]
    texts[18] = "e"  # one that fits, since a model that no prompt fits is refused before anything is measured
    longer = too_long(config, *texts)
    done = command_here("run", config, *longer, "-o", "scenario.num_samples=19", "--strict", cwd=config.parent)
    assert done.code == 1
    assert "error: the run stopped early: the last 10 requests have all failed" in done.err
    [directory] = (config.parent / "out" / "runs").iterdir()
    assert listed(done.out) == {f"out/runs/{directory.name}/{name}" for name in FILES}
    assert (directory / "result.json").exists()


def test_a_model_that_is_not_there_exits_with_2(tmp_path: Path) -> None:
    """The error is one message, and no result is made up."""
    done = command("run", "--model", "./no-such-directory", "--output-dir", "out", *SHORT, cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "no-such-directory" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("change", ["scenario.dataset_name=nowhere.csv", "scenario.num_samples=50"])
def test_one_cause_has_one_exit_code(config: Path, change: str) -> None:
    """A prompts file that is missing, or too short, is 2 and the same message for ``validate`` and ``run``."""
    checked, run = (command_here(name, config, "-o", change, cwd=config.parent) for name in ("validate", "run"))
    assert (checked.code, run.code) == (2, 2)
    assert checked.err == run.err != ""
    assert not (config.parent / "out").exists()


def read_until(terminal: int, text: str, timeout_s: float) -> str:
    """What appears on the terminal up to and including ``text``."""
    seen, give_up_s = "", time.monotonic() + timeout_s
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, give_up_s - time.monotonic()))
        assert ready, f"{text!r} did not appear in {seen!r}"
        try:
            seen += os.read(terminal, 4096).decode()
        except OSError:  # the other side is closed
            raise AssertionError(f"{text!r} did not appear in {seen!r}") from None
    return seen


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_ctrl_c_writes_what_is_there(config: Path) -> None:
    """On a terminal progress is drawn; an interrupt leaves the files of the trials so far and exit code 130."""
    import pty

    ours, theirs = pty.openpty()
    arguments = [*PROGRAM, "run", str(config), "-o", "protocol.trials=100000"]
    process = subprocess.Popen(
        arguments, cwd=config.parent, stdout=subprocess.PIPE, stderr=theirs, text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    try:
        seen = read_until(ours, "trials", 120)
        assert "warm-up" in seen
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        read_until(ours, "interrupted", 60)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(ours)
    assert process.returncode == 130
    [directory] = (config.parent / "out" / "runs").iterdir()
    assert listed(out) == {f"out/runs/{directory.name}/{name}" for name in FILES}
    report = json.loads((directory / "result.json").read_text())
    assert report["ending"] == "interrupted"


def test_the_users_defaults_are_laid_under_and_named(tmp_path: Path, model: Path) -> None:
    """They beat the stated defaults of ``run --model`` and yield to its options; the verdict names their file."""
    directory = tmp_path / ".config" / "ai_energy_benchmarks"
    directory.mkdir(parents=True)
    (directory / "defaults.yaml").write_text("scenario: {num_samples: 3, seed: 5}\nprotocol: {trials: 4}\n")
    at_home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config"), "AEB_NO_USER_DEFAULTS": ""}
    done = command_here("run", "--model", model, "--max-new-tokens", "3", *SHORT, "-o", "protocol.trials=1",
                        "--output-dir", "out", cwd=tmp_path, **at_home)  # fmt: skip
    assert done.code == 0, done.err
    written = load_config(tmp_path / "out" / "config.yaml")
    assert (written.scenario.num_samples, written.scenario.seed, written.protocol.trials) == (3, 5, 1)
    assert written.scenario.repeat
    findings = json.loads((tmp_path / "out" / "result.json").read_text())["verdict"]["findings"]
    assert [each["level"] for each in findings if "defaults.yaml" in each["message"]] == ["INFO"]


def test_json_lines_are_all_that_stands_on_standard_output(config: Path) -> None:
    """Steps and trials as they end, then the result; the report is in the files, progress on standard error."""
    done = command("run", config, "--json-lines", "--live", cwd=config.parent)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["event"] for row in rows if row["event"] != "step"] == ["trial", "trial", "result"]
    assert {"load", "warm-up"} <= {row["name"] for row in rows if row["event"] == "step"}
    document = json.loads((config.parent / "out" / "result.json").read_text())
    assert [row["energy"] for row in rows if row["event"] == "trial"] == [row["energy"] for row in document["trials"]]
    assert rows[-1]["run_id"] == document["run_id"]
    assert "J/output token so far" in done.err
    assert "\x1b" not in done.err


def test_a_quiet_run_prints_nothing(config: Path) -> None:
    """Neither stream has a byte; the files are there."""
    done = command_here("run", config, "--quiet", cwd=config.parent)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (config.parent / "out" / "result.json").exists()
    refused = command_here("run", config, "--quiet", "--live", cwd=config.parent)
    assert refused.code == 2
    assert "exclude one another" in refused.err
