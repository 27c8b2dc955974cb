"""The rules of a release: each is kept by a script, and breaking it says what to do."""

from __future__ import annotations

import email.message
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import changelog
import index
import pytest
import reproduce
import sbom
import versions
import wheel_contents
from changelog import ReleaseError

CHANGELOG = """# Changelog

## [0.3.0] - unreleased

- Later.

## [0.2.0] - 2026-01-31

### Added

- A thing.

## [0.1.0] - 2026-01-01

[0.2.0]: somewhere
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A directory with a version and a changelog that agree on 0.2.0."""
    (tmp_path / "VERSION.txt").write_text("0.2.0\n", encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    return tmp_path


def test_a_tagged_commit_is_its_version() -> None:
    """The commit that carries v<VERSION.txt> is built as that version, a release candidate too."""
    assert versions.build_version("0.2.0", 7, ["v0.2.0"], ["v0.1.0", "v0.2.0"]) == "0.2.0"
    assert versions.build_version("0.3.0rc1", 7, ["v0.3.0rc1"], ["v0.3.0rc1"]) == "0.3.0rc1"


def test_any_other_commit_is_a_development_build() -> None:
    """It sorts before the version that VERSION.txt announces, and is told apart by the number of the run."""
    assert versions.build_version("0.2.0", 7, [], ["v0.1.0"]) == "0.2.0.dev7"
    assert versions.build_version("0.3.0rc1", 8, ["other"], []) == "0.3.0rc1.dev8"


def test_a_released_version_gets_no_more_development_builds() -> None:
    """After v0.2.0 another commit must announce the next version first."""
    with pytest.raises(ReleaseError, match="bumpver update --patch"):
        versions.build_version("0.2.0", 7, [], ["v0.2.0"])


@pytest.mark.parametrize("text", ["v0.2.0", "0.2.0-rc1", "0.2.0.dev3", "0.2.0+local", "next"])
def test_version_txt_holds_a_plain_version(repository: Path, text: str) -> None:
    """What is not PEP 440 in its normal form, or is made by the build, is refused."""
    (repository / "VERSION.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError, match="bumpver"):
        versions.read_version(repository)


def test_four_that_agree_are_one_version(repository: Path) -> None:
    """Tag, VERSION.txt, changelog and wheel."""
    wheel = "dist/ai_energy_benchmarks-0.2.0-py3-none-any.whl"
    assert versions.check_agreement("v0.2.0", wheel, repository) == "0.2.0"
    assert versions.check_agreement("v0.2.0", None, repository) == "0.2.0"


@pytest.mark.parametrize(
    ("tag", "version", "wheel"),
    [
        ("v0.2.1", "0.2.0", "ai_energy_benchmarks-0.2.0-py3-none-any.whl"),
        ("0.2.0", "0.2.0", "ai_energy_benchmarks-0.2.0-py3-none-any.whl"),
        ("v0.2.0", "0.1.9", "ai_energy_benchmarks-0.2.0-py3-none-any.whl"),
        ("v0.2.0", "0.2.0", "ai_energy_benchmarks-0.2.0.dev1-py3-none-any.whl"),
        ("v0.2.0", "0.2.0", "other-0.2.0-py3-none-any.whl"),
        ("v0.3.0", "0.3.0", "ai_energy_benchmarks-0.3.0-py3-none-any.whl"),  # unreleased in the changelog
        ("v0.4.0", "0.4.0", "ai_energy_benchmarks-0.4.0-py3-none-any.whl"),  # not in the changelog
    ],
)
def test_any_that_differs_is_refused_with_all_four(repository: Path, tag: str, version: str, wheel: str) -> None:
    """The message shows the four values and says how they must look."""
    (repository / "VERSION.txt").write_text(version, encoding="utf-8")
    with pytest.raises(ReleaseError) as caught:
        versions.check_agreement(tag, wheel, repository)
    message = str(caught.value)
    assert all(value in message for value in (tag, version, wheel, "CHANGELOG.md", "YYYY-MM-DD"))


def test_a_tag_off_the_branch_is_refused(tmp_path: Path) -> None:
    """Only a commit that is on main may be released."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("commit", "--allow-empty", "-m", "one")
    git("tag", "v0.1.0")
    git("switch", "-c", "side")
    git("commit", "--allow-empty", "-m", "two")
    git("tag", "-a", "v0.2.0", "-m", "annotated")
    versions.check_branch("v0.1.0", "main", tmp_path)
    versions.check_branch("v0.2.0", "side", tmp_path)
    with pytest.raises(ReleaseError, match=r"v0\.2\.0 is not on main; merge it first"):
        versions.check_branch("v0.2.0", "main", tmp_path)
    with pytest.raises(ReleaseError, match=r"v0\.3\.0"):
        versions.check_branch("v0.3.0", "main", tmp_path)


def test_the_section_of_a_version_is_the_body_of_its_release() -> None:
    """It ends where the next section or the links begin."""
    assert changelog.section(CHANGELOG, "0.2.0") == "### Added\n\n- A thing."


@pytest.mark.parametrize(("version", "problem"), [("0.4.0", "no section"), ("0.1.0", "is empty")])
def test_a_missing_or_empty_section_is_refused(version: str, problem: str) -> None:
    """A release has something to say."""
    with pytest.raises(ReleaseError, match=problem):
        changelog.section(CHANGELOG, version)


def complete(root: Path) -> list[PurePosixPath]:
    """The file names of a wheel that lacks nothing."""
    package = root / wheel_contents.PACKAGE
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    held = [PurePosixPath(wheel_contents.PACKAGE, path.relative_to(package).as_posix()) for path in files]
    info = [PurePosixPath(f"{wheel_contents.PACKAGE}-0.1.0.dist-info", name) for name in wheel_contents.METADATA_FILES]
    return [*held, *info]


def test_a_complete_wheel_has_no_problem(root: Path) -> None:
    """The package's files and its metadata are all that there should be."""
    assert list(wheel_contents.name_problems(complete(root), root)) == []


@pytest.mark.parametrize(
    "stray",
    [
        "tests/unit/test_things.py",
        "ai_energy_benchmarks/tests/test_things.py",
        "ai_energy_benchmarks/notes.txt",
        "ai_energy_benchmarks/__pycache__/runner.pyc",
        "ai_energy_benchmarks-0.1.0.dist-info/secrets.json",
        "setup.py",
    ],
)
def test_a_stray_file_is_named_with_its_cure(root: Path, stray: str) -> None:
    """Tests, notes, caches and files beside the package do not belong into a wheel."""
    [problem] = wheel_contents.name_problems([*complete(root), PurePosixPath(stray)], root)
    assert problem.startswith(stray)
    assert "exclude it" in problem or "remove it" in problem


def test_a_missing_file_is_named_with_its_cure(root: Path) -> None:
    """A file of the package that the wheel lacks is a problem, the typing marker twice over."""
    names = [name for name in complete(root) if name.name != "py.typed"]
    found = list(wheel_contents.name_problems(names, root))
    assert any("package-data" in problem for problem in found)
    assert all("py.typed is missing" in problem for problem in found)


def test_metadata_without_a_field_is_refused() -> None:
    """What an index shows must be there, and no requirement may name an address."""
    metadata = email.message.Message()
    for field in wheel_contents.FIELDS:
        if field != "Keywords":
            metadata[field] = "something"
    metadata["Requires-Dist"] = "attrs @ git+file:///attrs"
    metadata.set_payload("A description.")
    found = list(wheel_contents.metadata_problems(metadata))
    assert [problem.split(";")[0] for problem in found] == [
        "METADATA has no Keywords",
        "METADATA has no Project-URL",
        "requirement 'attrs @ git+file:///attrs' names an address, which indexes refuse",
    ]


def test_a_wheel_that_is_too_large_is_refused(root: Path, tmp_path: Path) -> None:
    """All problems are told together, the size among them."""
    wheel = tmp_path / "ai_energy_benchmarks-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("ai_energy_benchmarks/data.json", bytes(wheel_contents.LARGEST_BYTES))
    with pytest.raises(ReleaseError, match=rf"(?s)more than {wheel_contents.LARGEST_BYTES}.*has no METADATA"):
        wheel_contents.check(wheel, root)


DISTRIBUTIONS = [
    {"name": "ai_energy_benchmarks", "version": "0.1.0", "license_expression": "MIT",
     "requires_dist": ["attrs>=23.2", "PyYAML>=6", 'torch>=2.4; extra == "pytorch"']},
    {"name": "attrs", "version": "26.1.0", "license_expression": "MIT"},
    {"name": "PyYAML", "version": "6.0.3", "license": "MIT\n\nPermission is hereby granted"},
    {"name": "pip", "version": "26.3"},
]  # fmt: skip


def test_the_bill_of_materials_lists_what_is_installed() -> None:
    """The package is the subject; its dependencies are components with purl and licence; pip is no part of it."""
    bill = sbom.bill_of_materials(DISTRIBUTIONS)
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/ai-energy-benchmarks@0.1.0"
    assert [each["purl"] for each in bill["components"]] == ["pkg:pypi/attrs@26.1.0", "pkg:pypi/pyyaml@6.0.3"]
    assert bill["components"][1]["licenses"] == [{"license": {"name": "MIT"}}]
    assert bill["dependencies"][0]["dependsOn"] == ["pkg:pypi/attrs@26.1.0", "pkg:pypi/pyyaml@6.0.3"]


def test_the_bill_of_materials_needs_its_subject() -> None:
    """An environment without the package has no bill."""
    with pytest.raises(ValueError, match="not installed"):
        sbom.bill_of_materials(DISTRIBUTIONS[1:])


def test_the_bill_of_materials_of_this_environment_is_the_same_twice() -> None:
    """The same environment gives the same bytes."""
    first, second = (json.dumps(sbom.bill_of_materials(sbom.inspect(sys.executable))) for _ in range(2))
    assert first == second


VALIDATE = """
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(problem and str(problem.data)[:2000])
"""


@pytest.mark.heavy
def test_the_bill_of_materials_keeps_to_its_schema(root: Path, tmp_path: Path) -> None:
    """CycloneDX's own library finds it valid by the strict schema, and finds a component without a name invalid."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    library = "cyclonedx-python-lib[json-validation]"
    subprocess.run([python, "-m", "pip", "install", "-q", library], check=True, capture_output=True)

    def problem(document: str) -> str:
        done = subprocess.run([python, "-c", VALIDATE], input=document, capture_output=True, text=True, check=False)
        return done.stderr

    script = root / "scripts" / "release" / "sbom.py"
    printed = subprocess.run([sys.executable, script, sys.executable], check=True, capture_output=True, text=True)
    assert problem(printed.stdout) == ""
    broken = json.loads(printed.stdout)
    del broken["components"][0]["name"]
    assert "'name' is a required property" in problem(json.dumps(broken))


def test_the_trial_index_can_be_a_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """AEB_TEST_INDEX replaces the address for uploads and for installing."""
    monkeypatch.delenv("AEB_TEST_INDEX", raising=False)
    assert index.simple_url() == f"{index.TEST_INDEX}/simple/"
    assert index.upload_url() == f"{index.TEST_INDEX}/legacy/"
    monkeypatch.setenv("AEB_TEST_INDEX", "http://127.0.0.1:8080/")
    assert index.simple_url() == "http://127.0.0.1:8080/simple/"
    assert index.upload_url() == "http://127.0.0.1:8080/"


def test_an_upload_that_is_not_listed_yet_is_waited_for() -> None:
    """What fails twice and then works is no problem; what always fails ends with its last message."""
    answers = iter(["not yet", "not yet", None])
    assert index.retried(lambda: next(answers), tries=5, pause_s=0) is None
    assert index.retried(lambda: "never", tries=3, pause_s=0) == "never"


def test_addresses_of_indexes_stand_in_one_place(root: Path) -> None:
    """The default index is named nowhere by host; the trial index once in scripts/release and once per workflow.

    What people copy from pages, and the trial index's image, spell out pip's arguments.
    """
    host = "pypi" + ".org"
    found: dict[str, list[str]] = {}
    listing = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    for name in listing.stdout.splitlines():
        path = root / name
        if path.is_file():
            hosts = re.findall(
                rf"[\w.-]*{re.escape(host)}|[\w.-]*pythonhosted\.\w+", path.read_bytes().decode("utf-8", "replace")
            )
            if hosts and path.suffix != ".lock":
                found[name] = hosts
    allowed = {
        "scripts/release/index.py",
        ".github/workflows/test-and-publish-ppe.yml",
        Path(__file__).relative_to(root).as_posix(),
    }
    copied = {
        "PUBLISHING.md",
        "docs/aienergyscore-image.md",
        "docker/Dockerfile.ppe",
        "tests/project/aienergyscore/Dockerfile.ppe",
        "tests/project/test_aienergyscore_image.py",
    }
    assert set(found) <= allowed | copied
    assert all(hosts == [f"test.{host}"] for name, hosts in found.items() if name in allowed and name[:6] != "tests/")
    assert {each for name in copied for each in found.get(name, ())} <= {host, f"test.{host}"}


@pytest.mark.heavy
def test_the_wheel_is_reproducible() -> None:
    """Two copies under different paths and the sdist give the same bytes."""
    assert re.fullmatch(r"[0-9a-f]{64}", reproduce.check())


@pytest.mark.heavy
@pytest.mark.timeout(2400)
def test_the_rehearsal_of_a_release_has_no_row_that_fails(root: Path) -> None:
    """Both ways of publishing work end to end on local indexes, and every mistake is refused."""
    done = subprocess.run(
        [root / "scripts" / "release" / "rehearse.sh"], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT OK" not in done.stdout


def test_the_smoke_test_passes_where_the_package_is_installed(root: Path, tmp_path: Path) -> None:
    """What is run against an installed wheel works on this source too."""
    version = (root / "VERSION.txt").read_text(encoding="utf-8").strip()
    script = root / "scripts" / "release" / "smoke.py"
    done = subprocess.run(
        [sys.executable, "-I", script, version], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok"] * 4
