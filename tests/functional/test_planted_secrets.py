"""Secrets in every place where a user may put one, and a server that quotes them: no file and no stream holds any."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import polars
import pytest

from tests.functional.commands import Done, command
from tests.servers import Exchange, ScriptedServer, delta, running, usage
from tests.unit.test_contract_batch import HEADER

# Each is found by a name of its own, whole or in halves.
VARIABLES = {
    "OPENAI_API_KEY": 'k3y-0f-the-v4riable"with/odd+characters',
    "TEST_PASSWORD": "p4ss-0f-the-v4riable",
    "NAMED_TOKEN": "n4me-0f-the-v4riable",
    "HF_TOKEN": "hf-0f-the-v4riable",
    "HTTPS_PROXY": "http://me:pr0xy-0f-the-v4riable@127.0.0.1:9",
}
CLEAR = {
    "query": "qu3ry-1n-clear",
    "body": "b0dy-1n-clear",
    "nested": "n3sted-1n-clear",
    "header": "h34der-1n-clear",
    "key": "sk-1nclear1nclear1nclear1nclear",
}
CONFIG = """
name: "run ${{NAMED_TOKEN}}"
backend:
  type: openai
  model: scripted
  endpoint: http://me:${{TEST_PASSWORD}}@127.0.0.1:{port}/v1?api_key={query}&version=2
  options:
    retries: 0
    extra_body:
      password: {body}
      user: {key}
      more: {{auth_token: {nested}, headers: {{Authorization: "Bearer {header}"}}}}
scenario: {{dataset_name: prompts.txt, num_samples: 8, generate_kwargs: {{max_new_tokens: 8}}}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, thermal_gate: false, warmup: {{requests: 1}}, trials: 2}}
metrics: {{enabled: false}}
save_texts: true
output_dir: out
"""


def planted() -> list[str]:
    """What may be found nowhere: no secret, and no half of one."""
    secrets = [*VARIABLES.values(), *CLEAR.values()]
    words = [word for secret in secrets for word in (secret, secret[:-1], secret[1:])]
    return [*words, "0f-the-v4riable", "1n-clear", "1nclear", VARIABLES["OPENAI_API_KEY"].split('"')[0]]


def written(directory: Path, done: Done) -> Iterator[tuple[str, str]]:
    """Name and text of everything that came out, Parquet files decoded."""
    yield "standard output", done.out
    yield "standard error", done.err
    for path in (each for each in directory.rglob("*") if each.is_file()):
        yield str(path), path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            yield f"cells of {path}", json.dumps(polars.read_parquet(path).to_dicts(), ensure_ascii=False, default=str)


def assert_clean(directory: Path, done: Done) -> None:
    for name, text in written(directory, done):
        assert [word for word in planted() if word in text] == [], name


@pytest.fixture
def quoting() -> Iterator[ScriptedServer]:
    """A server that quotes whatever it got: in answers, refusals and errors, at the ends of long texts too."""
    answers = count()

    async def answer(exchange: Exchange) -> None:
        key = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        sent = f"{key} {exchange.path} {json.dumps(exchange.body)} {' '.join(VARIABLES.values())}"
        number = next(answers) % 6
        if number == 1:
            await exchange.document({"error": {"message": sent}}, 401)
        elif number == 2:
            await exchange.document({"error": {"message": "x" * (301 - len(key)) + key}}, 400)
        elif number == 3:
            await exchange.document({"error": {"deep": [sent, {"key": key}]}}, 403, f"Retry-After: {key}")
        elif number == 4:
            await exchange.head(302, f"Location: http://elsewhere/{exchange.path}", "Content-Length: 0")
        else:
            await exchange.begin_stream()
            if number == 5:
                await exchange.event({"error": {"message": sent}})
            for text in ("I ", f"know {sent}", "!"):
                await exchange.event(delta(content=text))
            await exchange.event(delta(finish_reason="stop"))
            await exchange.event(usage(3, 3))
            await exchange.end_stream()

    with running(answer) as server:
        server.pages["/version"] = lambda: json.dumps({"version": f"1 {' '.join(VARIABLES.values())}"})
        yield server


def config(directory: Path, server: ScriptedServer, **changes: str) -> Path:
    (directory / "prompts.txt").write_text(
        "".join(f"say {value} {n}\n" for n in range(2) for value in VARIABLES.values())
    )
    file = directory / "asked.yaml"
    text = CONFIG.format(port=server.port, **CLEAR)
    for old, new in changes.items():
        text = text.replace(old, new)
    file.write_text(text)
    return file


def test_a_run_writes_no_secret(quoting: ScriptedServer, tmp_path: Path) -> None:
    """In no file, log or line; and its config can be run again."""
    (tmp_path / "work").mkdir()
    file = config(tmp_path, quoting).rename(tmp_path / "work" / "asked.yaml")
    prompts = (tmp_path / "prompts.txt").rename(tmp_path / "in.txt")
    out = tmp_path / "work" / "out"
    changes = ["-o", f"scenario.dataset_name={prompts}", "-o", f"output_dir={out}"]
    done = command("run", file, *changes, "-vv", "--log-file", out / "run.log", cwd=tmp_path, **VARIABLES)
    assert (out / "result.json").exists(), done
    assert_clean(out, done)
    resolved = (out / "config.yaml").read_text()
    assert 'name: "run ${NAMED_TOKEN}"' in resolved
    assert "me:${TEST_PASSWORD}@127.0.0.1" in resolved
    again = command("validate", out / "config.yaml", cwd=tmp_path, **VARIABLES)
    assert "stands for a user, a password or a key" in again.err  # what was written in clear is to be given again


@pytest.mark.parametrize(
    "change",
    [
        {"  model:": "  api_key: ${OPENAI_API_KEY}\n  headers: {Authorization: Bearer ${TEST_PASSWORD}}\n  model:"},
        {"num_samples: 8": "num_samples: ${NAMED_TOKEN}"},
        {"127.0.0.1:": "not-this-machine.example:"},
        {"type: openai": "type: ${HF_TOKEN}"},
        {"prompts.txt": "${TEST_PASSWORD}.csv"},
        {"retries: 0": "retries: {password: ${HF_TOKEN}}"},
        {"retries: 0": "api_key_env: ${OPENAI_API_KEY}"},
    ],
)
def test_a_refusal_shows_no_secret(quoting: ScriptedServer, tmp_path: Path, change: dict[str, str]) -> None:
    """Whatever is wrong with the config, with every detail logged."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "log"
    done = command("run", config(tmp_path, quoting, **change), "-vv", "--log-file", log, cwd=tmp_path, **VARIABLES)
    assert done.code in (1, 2), done
    assert_clean(tmp_path / "logs", done)


def test_a_key_with_a_line_break_is_in_no_traceback(quoting: ScriptedServer, tmp_path: Path) -> None:
    """No header can hold it."""
    file = config(tmp_path, quoting, **{"me:${TEST_PASSWORD}@": ""})
    done = command("run", file, "-vv", cwd=tmp_path, **{**VARIABLES, "OPENAI_API_KEY": "k3y-0f-the-v4riable\nx"})
    assert done.code == 1, done
    assert_clean(tmp_path / "out", done)


def test_a_batch_hands_secrets_over_without_writing_them(quoting: ScriptedServer, tmp_path: Path) -> None:
    """Each run has the password of the endpoint, and no file of the batch."""
    (tmp_path / "models.csv").write_text(f"{HEADER},org/scripted,1,A,text_gen,,\n")
    quoting.model = "org/scripted"
    changes = {
        "backend.endpoint": f"http://me:{VARIABLES['TEST_PASSWORD']}@127.0.0.1:{quoting.port}/v1",
        "backend.options.extra_body.password": CLEAR["body"], "metrics.enabled": "false", "protocol.trials": "1",
        "scenario.dataset_name": "builtin", "scenario.repeat": "true", "protocol.bare_idle_s": "0",
        "protocol.resident_idle_s": "0", "protocol.warmup.requests": "1", "backend.options.retries": "0",
        "scenario.generate_kwargs.max_new_tokens": "4",
    }  # fmt: skip
    options = [word for name, value in changes.items() for word in ("-o", f"{name}={value}")]
    done = command("batch", "models.csv", "--output-dir", "out", "--backend", "openai", "-n", "4", *options,
                   cwd=tmp_path, **VARIABLES)  # fmt: skip
    assert list(tmp_path.glob("out/individual_runs/*/result.json")), done
    posted = [each for each in quoting.seen if each.method == "POST"]
    assert {each.body["password"] for each in posted} == {CLEAR["body"]}
    assert {each.headers["authorization"][:6] for each in posted} == {"Basic "}
    assert_clean(tmp_path / "out", done)


def test_a_result_is_read_again_without_its_secrets(quoting: ScriptedServer, tmp_path: Path) -> None:
    """``reanalyze`` and ``recover`` need no variable that the config named."""
    file = config(tmp_path, quoting)
    done = command("run", file, cwd=tmp_path, **VARIABLES)
    assert (tmp_path / "out" / "result.json").exists(), done
    again = command("reanalyze", "out", cwd=tmp_path)
    assert "bit for bit" in again.out, again
    assert_clean(tmp_path / "out", again)


def study(directory: Path, server: ScriptedServer, secrets: Mapping[str, str]) -> Path:
    """Two cells that differ in a password, in the place of each secret what ``secrets`` has for its name."""
    run = CONFIG.format(port=server.port, **secrets).replace("trials: 2", "trials: 1")
    kept = (line for line in run.splitlines() if not line.strip().startswith(("name:", "output_dir:", "password:")))
    base = "\n".join(f"  {line}" for line in kept)
    swept = f"backend.options.extra_body.password: ['{secrets['body']}', '${{HF_TOKEN}}']"
    file = directory / "study.yaml"
    file.write_text(
        f'name: "study ${{NAMED_TOKEN}}"\nbase:{base}\nsweep: {{{swept}}}\ndesign: {{cycles: 1}}\noutput_dir: out\n'
    )
    return file


def test_a_study_with_a_secret_in_its_file_is_refused(quoting: ScriptedServer, tmp_path: Path) -> None:
    """Its files would have to hold it."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "log"
    done = command("run", study(tmp_path, quoting, CLEAR), "-vv", "--log-file", log, cwd=tmp_path, **VARIABLES)
    assert "holds secrets, which no file of a study may have" in done.err
    assert not (tmp_path / "out").exists()
    assert_clean(tmp_path / "logs", done)


@pytest.mark.heavy
def test_a_study_and_its_pages_hold_no_secret(quoting: ScriptedServer, tmp_path: Path) -> None:
    """Neither the cells, whose labels have the swept values, nor tables, pages and what is submitted."""
    config(tmp_path, quoting)
    named = {f"CLEAR_{name.upper()}": value for name, value in CLEAR.items()}
    variables = {**VARIABLES, **named, "AEB_LOCK_DIR": str(tmp_path / "locks")}
    references = {name: f"${{CLEAR_{name.upper()}}}" for name in CLEAR}
    file = study(tmp_path, quoting, {**references, "nested": f"'{references['nested']}'"})
    for words in (["study", "plan", file, "--all"], ["run", file, "-vv"]):
        done = command(*words, cwd=tmp_path, **variables)
        assert_clean(tmp_path / "out", done)
    cells = sorted({each.parent for each in (tmp_path / "out").rglob("result.json")})
    assert cells, done
    made = tmp_path / "made"
    made.mkdir()
    for words in (
        ["study", "report", "out"],
        ["study", "report", "out", "--format", "markdown", "--output", "made/study.md"],
        ["study", "resume", "out"],
        *(["report", "out", "-o", f"made/study.{kind}"] for kind in ("html", "csv", "tex")),
        *(["report", cells[0], "-o", f"made/cell.{kind}"] for kind in ("html", "md")),
        ["compare", cells[0], cells[-1], "--format", "json"],
        ["submit", cells[0], "made/submitted"],
        ["verify", "made/submitted"],
    ):
        done = command(*words, cwd=tmp_path, **variables)
        assert "Usage:" not in done.err, done
        assert_clean(made, done)
        assert_clean(tmp_path / "out", done)
