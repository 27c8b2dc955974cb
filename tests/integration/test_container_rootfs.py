"""Cells in a real image: docker's arguments, translated for buildah, which runs images where no engine may.

``scripts/images/try.sh pytorch vllm`` builds such images; ``AEB_TRY_IMAGE`` and ``AEB_TRY_VLLM_IMAGE`` name them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE
from ai_energy_benchmarks.study.manifest import read_manifest
from tests.functional.commands import command

pytest.importorskip("transformers", reason="the tiny model cannot be made without transformers")

from tests.tiny_model import save_tiny_model

_IMAGE = os.environ.get("AEB_TRY_IMAGE")
_VLLM_IMAGE = os.environ.get("AEB_TRY_VLLM_IMAGE")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        _IMAGE is None or shutil.which("buildah") is None or os.geteuid() != 0,
        reason="needs root, buildah and an image: scripts/images/try.sh pytorch makes one, AEB_TRY_IMAGE names it",
    ),
]
# In images of docker/Dockerfile.pytorch.
_PACKAGE = "/opt/ai_energy_benchmarks/lib/python3.11/site-packages/ai_energy_benchmarks"

_DOCKER = """#!{python}
import json, os, subprocess, sys

words = sys.argv[1:]


def buildah(*arguments):
    return subprocess.run(["buildah", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if words[0] == "info":
    print(json.dumps({{"ServerVersion": "28.1"}}))
elif words[:2] == ["image", "inspect"]:
    facts = json.loads(buildah("inspect", "--type", "image", words[2]))
    digest = facts["FromImage"] + "@" + facts["FromImageDigest"]
    print(json.dumps([{{"Id": "sha256:" + facts["FromImageID"], "RepoDigests": [digest]}}]))
elif words[0] == "run":
    given, translated = {{}}, []
    del words[:3]  # run --rm --interactive
    while words[0].startswith("--"):
        option, value = words[:2]
        del words[:2]
        given[option] = value
        if option == "--env" and "=" not in value:
            if value not in os.environ:
                continue
            value += "=" + os.environ[value]
        if option == "--mount":
            parts = dict(part.partition("=")[::2] for part in value.split(","))
            option, value = "--volume", parts["source"] + ":" + parts["target"] + (":ro" if "readonly" in parts else "")
        if option in ("--env", "--volume", "--user"):
            translated += [option, value]
    name = buildah("from", "--name", given["--name"], words[0].removeprefix("sha256:"))
    try:
        code = subprocess.run(
            ["buildah", "run", "--isolation", "chroot", "--workingdir", "/tmp", *translated, name, "--",
             given["--entrypoint"], *words[1:]]
        ).returncode
    finally:
        buildah("rm", name)
    sys.exit(code)
else:
    sys.exit(f"not translated: {{words}}")
"""


@contextmanager
def with_this_package(root: Path, image: str) -> Iterator[str]:
    """The image with the present copy of this package in the place of the one that it was built with."""
    name = f"localhost/aeb-test-{uuid.uuid4().hex[:8]}:1"

    def buildah(*arguments: str) -> str:
        done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    container = buildah("from", image)
    try:
        buildah("run", "--isolation", "chroot", "--user", "0", container, "--", "rm", "-r", _PACKAGE)
        buildah("add", "--quiet", container, str(root / "ai_energy_benchmarks"), _PACKAGE)
        buildah("commit", "--quiet", container, name)
        yield name
    finally:
        buildah("rm", container)
        subprocess.run(["buildah", "rmi", name], capture_output=True, check=False)


@pytest.fixture
def image(root: Path) -> Iterator[str]:
    """That of PyTorch."""
    assert _IMAGE is not None
    with with_this_package(root, _IMAGE) as name:
        yield name


@pytest.fixture
def vllm_image(root: Path) -> Iterator[str]:
    """That of vLLM."""
    if _VLLM_IMAGE is None:
        pytest.skip("scripts/images/try.sh vllm makes an image, AEB_TRY_VLLM_IMAGE names it")
    with with_this_package(root, _VLLM_IMAGE) as name:
        yield name


def run_study(directory: Path, model: Path, tokens: int, parts: Mapping[str, Any]) -> Path:
    """Two prompts and no idle, in containers that the stand-in for docker runs; the directory of the study."""
    (directory / "bin").mkdir()
    docker = directory / "bin" / "docker"
    docker.write_text(_DOCKER.format(python=sys.executable))
    docker.chmod(0o755)
    (directory / "prompts.txt").write_text("a\nhello there\n")
    study = {
        "base": {
            "backend": {"type": "pytorch", "model": str(model)},
            "scenario": {"dataset_name": str(directory / "prompts.txt"), "num_samples": 2,
                         "generate_kwargs": {"max_new_tokens": tokens}},
            "protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "warmup": {"requests": 1}},
            "metrics": {"collectors": ["modelled"]},
            "reporters": ["json"],
        },
        "design": {"cycles": 1},
        "output_dir": str(directory / "results"),
        **parts,
    }  # fmt: skip
    (directory / "study.yaml").write_text(yaml.safe_dump(study))
    environment = {
        "PATH": os.pathsep.join([str(directory / "bin"), os.environ["PATH"]]),
        "HF_HOME": str(directory / "hub"),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        DIRECTORY_VARIABLE: str(directory),
    }
    done = command("run", directory / "study.yaml", cwd=directory, timeout_s=800, **environment)
    assert done.code == 0, done.out + done.err
    return directory / "results"


def test_a_study_measures_in_an_image(tmp_path: Path, image: str) -> None:
    """Model, prompts and results are mounted, the report is that of the image's environment, and names its digest."""
    results = run_study(
        tmp_path, save_tiny_model(tmp_path / "tiny", end_ids=[1]), 4,
        {
            "sweep": {"scenario.input_shapes.batch_size": [1, 2]},
            "execution": {"runners": {"pytorch": {"container": image, "engine": "docker"}}},
        },
    )  # fmt: skip
    attempts = read_manifest(results).attempts
    assert [each.state for each in attempts] == ["completed"] * 2
    for attempt in attempts:
        document = json.loads((results / attempt.directory / "result.json").read_text())
        assert document["environment"]["image"] == f"{image}@{attempt.runner['digest']}"
        assert document["environment"]["libraries"]["torch"]


def test_a_study_over_two_engines_measures_each_in_its_image(tmp_path: Path, image: str, vllm_image: str) -> None:
    """PyTorch and vLLM, which cannot share an environment, in one study; each report names its image and its engine."""
    # vLLM's kernels for processors need heads of 32, and the tokens of this model are bytes.
    model = save_tiny_model(tmp_path / "tiny", end_ids=[1], hidden_size=256, context_tokens=2048)
    of_vllm = {"backend.options.enforce_eager": True, "backend.options.max_model_len": 512,
               "backend.options.dtype": "float32"}  # fmt: skip
    images = {"pytorch": image, "vllm_offline": vllm_image}
    results = run_study(
        tmp_path, model, 8,
        {
            "sweep": {"backend.type": list(images), "vllm_offline": {"of vLLM": [of_vllm]}},
            "execution": {"runners": {name: {"container": each, "engine": "docker"} for name, each in images.items()}},
        },
    )  # fmt: skip
    attempts = read_manifest(results).attempts
    assert [each.state for each in attempts] == ["completed"] * 2
    for attempt in attempts:
        document = json.loads((results / attempt.directory / "result.json").read_text())
        engine = document["config"]["backend"]
        assert document["environment"]["image"] == f"{images[engine]}@{attempt.runner['digest']}"
        named = "vLLM" if engine == "vllm_offline" else "transformers"
        assert document["backend_info"]["engine"].startswith(named)
