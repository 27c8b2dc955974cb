"""A real run with secrets all around it: nothing that is written holds any of them."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest

from tests.functional.commands import command
from tests.tiny_model import save_tiny_model

pytest.importorskip("torch", reason="this test runs PyTorch")
pytest.importorskip("transformers", reason="this test runs PyTorch")

SECRET = "s3cr3t-0f-th1s-t3st"
VARIABLES = (
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "WANDB_API_KEY", "GITHUB_TOKEN"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "SLURM_JWT"),
    *("KUBERNETES_SERVICE_TOKEN", "HTTPS_PROXY_PASSWORD", "MY_OWN_PASSWORD"),
)
HOME = "home-of-somebody-7d1"


def test_nothing_that_is_written_holds_a_secret_or_a_home(tmp_path: Path) -> None:
    """Tokens in the environment, in the home directory and in a git remote are in no byte of output, log or files."""
    work, home = tmp_path / "work", tmp_path / HOME
    for directory in (work / ".git", home / ".cache" / "huggingface", home / ".config" / "ai_energy_benchmarks"):
        directory.mkdir(parents=True)
    (work / ".git" / "config").write_text(f"[remote]\n  url = https://user:{SECRET}@example.org/x.git\n")
    (home / ".cache" / "huggingface" / "token").write_text(f"{SECRET}-in-a-file")
    (home / ".config" / "ai_energy_benchmarks" / "defaults.yaml").write_text("protocol: {trials: 1}\n")
    save_tiny_model(work / "model", end_ids=[1])
    (work / "benchmark.yaml").write_text(
        "backend: {type: pytorch, model: model, device: cpu}\n"
        "scenario: {num_samples: 2, generate_kwargs: {max_new_tokens: 3}}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0.2, warmup: {requests: 1}}\n"
        "output_dir: out\n"
    )
    planted = {name: f"{SECRET}-{name}" for name in VARIABLES}
    at_home = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "XDG_CACHE_HOME": str(home / ".cache")}
    done = command("run", "benchmark.yaml", "-vv", "--log-file", "run.log", cwd=work, **planted, **at_home,
                   AEB_NO_USER_DEFAULTS="")  # fmt: skip
    assert done.code == 0, done.err
    written = {path.relative_to(work).as_posix(): path.read_bytes() for path in (work / "out").rglob("*")}
    written |= {"run.log": (work / "run.log").read_bytes(), "out": done.out.encode(), "err": done.err.encode()}
    assert {"out/result.json", "out/config.yaml", "out/requests.parquet", "out/timeline.parquet"} <= written.keys()
    for name in ("requests", "timeline"):  # compressed, so their cells are searched too
        table = polars.read_parquet(work / "out" / f"{name}.parquet")
        written[f"cells of {name}"] = str(table.to_dicts()).encode()
    for word in (SECRET, HOME, str(home), str(tmp_path)):
        assert [name for name, content in written.items() if word.encode() in content] == [], word
    report = json.loads(written["out/result.json"])
    assert any("~/.config/ai_energy_benchmarks/defaults.yaml" in each["message"]
               for each in report["verdict"]["findings"])  # fmt: skip
    # What a reader needs to make the same run elsewhere is there all the same.
    assert len(report["backend_info"]["settings"]["files_sha256"]) == 64
    assert report["environment"]["libraries"]["torch"]
    assert {"cgroup_memory_bytes", "cgroup_cpus", "cuda_version", "git_revision"} <= report["environment"].keys()
