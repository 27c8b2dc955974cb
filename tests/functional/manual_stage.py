"""The directory in which a page of the manual is followed: with every file that it takes for granted, and no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.functional.commands import command_here
from tests.unit.test_foreign import DECODE, PREFILL, START, aiperf, report, request, smi, steady

ROOT = Path(__file__).parents[2]
MODELS = ("Qwen/Qwen3-0.6B", "HuggingFaceTB/SmolLM2-135M-Instruct")
# Laid under every config by the command line: nothing here waits for a machine to come to rest.
DEFAULTS = """
backend: {type: pytorch, options: {threads: 1}}
scenario: {generate_kwargs: {min_new_tokens: 2}}
protocol: {bare_idle_s: 0, resident_idle_s: 0, settle_cap_s: 0, warmup: {mode: fixed, requests: 1}}
"""
TINY = """
name: NAME
backend: {type: pytorch, model: HuggingFaceTB/SmolLM2-135M-Instruct, options: {threads: 1}}
scenario: {num_samples: 2, generate_kwargs: {max_new_tokens: 4, min_new_tokens: 4}}
protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {mode: fixed, requests: 1}, trials: 2}
"""
# Page → what of a finished run lies where.
RESULTS: Mapping[str, tuple[str, ...]] = {
    "README.md": ("results/mine", "results/a", "results/b"),
    "reports.md": ("results/mine", "results/a", "results/b", "studies/batch/1", "studies/batch/2"),
    "compare.md": (
        "results/before", "results/after", "a1", "a2", "a3", "b1", "b2", "b3",
        "study/cells/fp32-1a2b3c4d/1", "study/cells/bf16-5e6f7a8b/1",
    ),
}  # fmt: skip
# Results that the page's own commands make: they lie there only where these commands are left to the heavy tests.
MADE = {"README.md": ("results/mine",)}


def model_directory(directory: Path) -> Path:
    """A model of a few thousand weights of which every second token ends an answer."""
    from tests.tiny_model import save_tiny_model

    return save_tiny_model(directory / "tiny", end_ids=list(range(0, 258, 2)))


def finished_run(directory: Path, model: Path) -> Path:
    """The result directory of one short run."""
    _models(directory, model)
    (directory / "finished.yaml").write_text(TINY.replace("NAME", "finished"))
    done = command_here("run", "finished.yaml", cwd=directory)
    assert done.code == 0, done.err
    return directory / "results" / "finished"


def lay_out(directory: Path, page: str, model: Path, finished: Path, *, whole: bool) -> None:
    """Put what the page takes for granted into the directory."""
    _models(directory, model)
    made = MADE.get(page, ()) if whole else ()
    for place in (place for place in RESULTS.get(page, ()) if place not in made):
        _result(finished, directory / place)
    if page == "servers.md":
        (directory / "configs").mkdir(exist_ok=True)
        shutil.copy(ROOT / "configs" / "server.yaml", directory / "configs")
    for name in ("config.yaml", "benchmark_config.yaml", "configs/quickstart.yaml"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(TINY.replace("NAME", Path(name).stem))
    (directory / "benchmark_report.json").write_text(json.dumps(report(PREFILL, DECODE)))
    smi(directory, steady())
    aiperf(directory, request(START + 5, START + 15))
    (directory / "node_exporter").mkdir()
    if page == "compare.md":
        _study(directory / "study")
    if page == "aienergyscore.md":
        _scores(directory)


def _models(directory: Path, model: Path) -> None:
    for name in MODELS:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(model, directory / name)


def _result(finished: Path, place: Path) -> None:
    """A copy; those to compare have no FAIL of a busy machine, and ``after`` has another precision."""
    shutil.copytree(finished, place)
    if place.name == "mine":
        return
    document = json.loads((place / "result.json").read_text())
    levels = dict.fromkeys(document["verdict"]["components"], "WARN")
    document["verdict"] |= {"level": "WARN", "components": levels, "findings": []}
    if place.name == "after":
        document["config"]["settings"]["backend"]["options"]["dtype"] = "bfloat16"
    (place / "result.json").write_text(json.dumps(document))


def _study(directory: Path) -> None:
    """A study of two cells with one completed cycle each."""
    cells, events = [], [{"event": "opened", "at_utc": "2026-11-26T00:00:00Z", "schema_version": 1, "seed": 1,
                          "study_sha256": "0", "environment": {}}]  # fmt: skip
    for position, (name, dtype) in enumerate((("fp32-1a2b3c4d", "float32"), ("bf16-5e6f7a8b", "bfloat16"))):
        cells.append({"cell": name, "label": f"dtype={dtype}", "engine": "pytorch", "config_sha256": str(position),
                      "settings": {"backend.options.dtype": dtype}})  # fmt: skip
        attempt = {"cell": name, "cycle": 1, "attempt": 1, "position": position, "directory": f"cells/{name}/1"}
        started = {"gpus": [], "gap_s": 0.0, "gate": ""}
        ended = {"state": "completed", "verdict": "WARN", "reason": "", "exit_code": 0, "wall_s": 1.0}
        events += [
            {"event": "started", "at_utc": "2026-11-26T00:00:00Z", **attempt, **started},
            {"event": "ended", "at_utc": "2026-11-26T00:01:00Z", **attempt, **ended},
        ]
    for file, records in (("cells.jsonl", cells), ("manifest.jsonl", events)):
        (directory / file).write_text("".join(f"{json.dumps(record)}\n" for record in records))


def _scores(directory: Path) -> None:
    """What ``rate`` reads: results of a batch with GPU energy, and a leaderboard."""
    from tests.unit.test_contract_stars import document, written

    (directory / "batch_results").mkdir()
    written(directory / "batch_results", document("ours", 2.5))
    board = "model,class,task,wh_per_1000_queries\nlow,A,text_gen,1.0\nhigh,A,text_gen,6.0\n"
    (directory / "leaderboard.csv").write_text(board)
