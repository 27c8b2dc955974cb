"""The package as it is published: its contents, its metadata, its versions and an import in an empty environment."""

from __future__ import annotations

import ast
import configparser
import email.message
import email.parser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import wheel_contents
from packaging.requirements import Requirement

from tests.project.built import build_wheel, tracked

PACKAGE = "ai_energy_benchmarks"


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree."""
    return build_wheel(root, tmp_path_factory.mktemp("a copy"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    """The wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_the_package_and_nothing_else(root: Path, wheel: Path) -> None:
    """Every file of the package directory is in the wheel; beside them only its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {path.as_posix() for path in tracked(root) if path.parts[0] == PACKAGE}
    assert f"{PACKAGE}/py.typed" in names


def test_the_wheel_may_be_published(root: Path, wheel: Path) -> None:
    """The check that stands before every upload has no complaint: contents, size, metadata and addresses."""
    wheel_contents.check(wheel, root)


def test_twine_finds_nothing_to_complain_of(wheel: Path) -> None:
    """Wheel and sdist pass ``twine check --strict``: the README renders and no field is missing."""
    files = sorted(wheel.parent.iterdir())
    assert [file.suffix for file in files] == [".whl", ".gz"]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True, capture_output=True)


def test_all_versions_agree(root: Path, wheel: Path, metadata: email.message.Message) -> None:
    """VERSION.txt, bumpver.toml and the wheel have one version."""
    version = (root / "VERSION.txt").read_text(encoding="utf-8").strip()
    bumpver = configparser.ConfigParser()
    bumpver.read(root / "bumpver.toml", encoding="utf-8")
    assert ast.literal_eval(bumpver["bumpver"]["current_version"]) == version
    assert metadata["Version"] == version
    assert wheel.name == f"{PACKAGE}-{version}-py3-none-any.whl"


@pytest.mark.parametrize(
    ("part", "raised"),
    [("--patch", "0.2.4"), ("--minor", "0.3.0"), ("--major", "1.0.0"), ("--patch --tag rc", "0.2.4rc0")],
)
def test_bumpver_raises_what_is_asked_for(root: Path, tmp_path: Path, part: str, raised: str) -> None:
    """Both places of the version are found, and what they get is in the form of PEP 440."""
    present = (root / "VERSION.txt").read_text(encoding="utf-8").strip()
    for name in ("bumpver.toml", "VERSION.txt", "CITATION.cff"):
        text = (root / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(present, "0.2.3"), encoding="utf-8")
    command = [sys.executable, "-m", "bumpver", "update", "--no-commit", "--no-fetch", *part.split()]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "VERSION.txt").read_text(encoding="utf-8").strip() == raised
    assert f'current_version = "{raised}"' in (tmp_path / "bumpver.toml").read_text(encoding="utf-8")


def test_the_changelog_has_a_section_for_this_version(root: Path) -> None:
    """What a version changes stands under its heading, dated or still unreleased."""
    version = (root / "VERSION.txt").read_text(encoding="utf-8").strip()
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d|unreleased)$", changelog, re.MULTILINE)


def test_the_metadata_is_complete(metadata: email.message.Message) -> None:
    """Licence as SPDX, Python 3.10 and newer, a README, and the extras that the README names."""
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    extras = {
        "all",
        "bitsandbytes",
        "peft",
        "codecarbon",
        "datasets",
        "dev",
        "mlflow",
        "pytorch",
        "ray",
        "report",
        "serve",
        "slurm",
        "stats",
        "tensorrt",
        "vllm",
        "wandb",
        "zeus",
    }
    assert set(metadata.get_all("Provides-Extra") or []) == extras


def test_all_means_what_can_live_in_one_environment(metadata: email.message.Message) -> None:
    """vLLM and TensorRT-LLM pin different torch and transformers, so ``all`` brings neither."""
    requirements = metadata.get_all("Requires-Dist") or []
    [everything] = [line for line in requirements if 'extra == "all"' in line]
    assert "vllm" not in everything
    assert "tensorrt" not in everything
    assert "pytorch" in everything


def test_an_upper_bound_has_its_reason_on_its_line(root: Path) -> None:
    """A bound without one keeps users from releases that would work, and no one knows when it may go."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8").partition("[project.scripts]")[0]
    bounded = [line for line in text.splitlines() if re.search(r'"[\w\[\]-]+[^"#]*(<|==|~=)\d[^"]*"', line)]
    assert len(bounded) == 2
    assert [line for line in bounded if "#" not in line] == []


def test_what_the_scripts_install_is_pinned(root: Path, metadata: email.message.Message) -> None:
    """Every direct dependency of what the scripts install has one version in constraints.txt."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines if "==" in line}
    wanted = set()
    for line in metadata.get_all("Requires-Dist") or []:
        extra = re.search(r'extra == "(\w+)"', line)
        if extra is None or extra[1] in {"pytorch", "bitsandbytes", "peft", "serve", "stats", "dev"}:
            wanted.add(normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]))
    assert wanted - {normal(PACKAGE)} <= pinned
    assert all("==" in line for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_no_python_has_two_pins_of_one_package(root: Path, version: str) -> None:
    """pip could then install none of them."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in map(str.strip, lines) if line and not line.startswith("#")]
    python = {"python_version": version, "python_full_version": f"{version}.0"}
    names = [normal(pin.name) for pin in pins if pin.marker is None or pin.marker.evaluate(python)]
    assert [name for name, times in Counter(names).items() if times > 1] == []


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make_environment(directory: Path, *packages: str | Path) -> Path:
    """A new virtual environment with these packages; the path of its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    python = directory / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]  # ours: a copy takes seconds
    # With a path to this repository pip would take the package for installed.
    paths = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, *packages], check=True, capture_output=True, env=paths)
    return python


def test_the_wheel_imports_without_its_dependencies(wheel: Path, tmp_path: Path) -> None:
    """Importing needs the standard library alone, in an environment that holds nothing but the wheel."""
    python = make_environment(tmp_path / "venv", "--no-deps", wheel)
    code = f"import {PACKAGE} as package; print(package.__version__)"
    done = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == wheel.name.split("-")[1]


@pytest.mark.heavy
def test_the_installed_command_answers(wheel: Path, tmp_path: Path) -> None:
    """With its dependencies from the index, the wheel gives a working command and all public names."""
    python = make_environment(tmp_path / "venv", wheel)
    script = python.with_name("ai-energy-benchmark")
    done = subprocess.run([script, "--help"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "run" in done.stdout
    code = f"import {PACKAGE} as package\nfor name in package.__all__: getattr(package, name)"
    subprocess.run([python, "-I", "-c", code], check=True, cwd=tmp_path)


@pytest.mark.heavy
def test_the_same_source_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Building the published sdist again gives the wheel's bytes."""
    [sdist] = wheel.parent.glob("*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path, filter="data")
    [source] = tmp_path.iterdir()
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": "1700000000",
        "AEB_REPOSITORY_URL": "https://example.org/repository",
    }
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "again", source],
        check=True, env=environment, capture_output=True,
    )  # fmt: skip
    assert (tmp_path / "again" / wheel.name).read_bytes() == wheel.read_bytes()
