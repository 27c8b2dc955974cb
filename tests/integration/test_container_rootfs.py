"""Cells in a real image: docker's arguments, translated for buildah, which runs images where no engine may.

``scripts/images/try.sh pytorch`` builds such an image; ``AEB_TRY_IMAGE`` names it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE
from ai_energy_benchmarks.study.manifest import read_manifest
from tests.functional.commands import command

pytest.importorskip("transformers", reason="the tiny model cannot be made without transformers")

from tests.tiny_model import save_tiny_model

_IMAGE = os.environ.get("AEB_TRY_IMAGE")
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


@pytest.fixture
def image(root: Path) -> Iterator[str]:
    """The image with the present copy of this package in the place of the one that it was built with."""
    assert _IMAGE is not None
    name = f"localhost/aeb-test-{uuid.uuid4().hex[:8]}:1"

    def buildah(*arguments: str) -> str:
        done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    container = buildah("from", _IMAGE)
    try:
        buildah("run", "--isolation", "chroot", "--user", "0", container, "--", "rm", "-r", _PACKAGE)
        buildah("add", "--quiet", container, str(root / "ai_energy_benchmarks"), _PACKAGE)
        buildah("commit", "--quiet", container, name)
        yield name
    finally:
        buildah("rm", container)
        subprocess.run(["buildah", "rmi", name], capture_output=True, check=False)


def test_a_study_measures_in_an_image(tmp_path: Path, image: str) -> None:
    """Model, prompts and results are mounted, the report is that of the image's environment, and names its digest."""
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(_DOCKER.format(python=sys.executable))
    docker.chmod(0o755)
    model = save_tiny_model(tmp_path / "tiny", end_ids=[1])
    (tmp_path / "prompts.txt").write_text("a\nhello there\n")
    study = {
        "base": {
            "backend": {"type": "pytorch", "model": str(model), "device": "cpu"},
            "scenario": {"dataset_name": str(tmp_path / "prompts.txt"), "num_samples": 2,
                         "generate_kwargs": {"max_new_tokens": 4}},
            "protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "warmup": {"requests": 1}},
            "metrics": {"collectors": ["modelled"]},
            "reporters": ["json"],
        },
        "sweep": {"scenario.input_shapes.batch_size": [1, 2]},
        "design": {"cycles": 1},
        "execution": {"runners": {"pytorch": {"container": image, "engine": "docker"}}},
        "output_dir": str(tmp_path / "results"),
    }  # fmt: skip
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    environment = {
        "PATH": os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]),
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
        DIRECTORY_VARIABLE: str(tmp_path),
    }
    done = command("run", tmp_path / "study.yaml", cwd=tmp_path, timeout_s=800, **environment)
    assert done.code == 0, done.out + done.err
    attempts = read_manifest(tmp_path / "results").attempts
    assert [each.state for each in attempts] == ["completed"] * 2
    for attempt in attempts:
        document = json.loads((tmp_path / "results" / attempt.directory / "result.json").read_text())
        assert document["environment"]["image"] == f"{image}@{attempt.runner['digest']}"
        assert document["environment"]["libraries"]["torch"]
