"""docs/add-a-backend.md, followed: its blocks become a script and a distribution, and runs measure the engine."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from ai_energy_benchmarks import BenchmarkRunner, ConfigError, registry
from ai_energy_benchmarks.backends.base import Backend, BackendSettings
from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Prompt, Request
from ai_energy_benchmarks.runner.given import check_given
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, FakeReporter, Journal
from tests.unit.test_runner_order import Bench, config

METER = "\nmetrics: {collectors: [{type: modelled, options: {watts_per_thread: 10}}]}\n"


@pytest.fixture
def page(root: Path) -> dict[str, str]:
    """The page's blocks by their language."""
    text = (root / "docs" / "add-a-backend.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def installed(page: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's package, as pip would leave it."""
    (tmp_path / "busy_backend.py").write_text(page["python"])
    group, line = re.findall(r'^\[project\.entry-points\."(.+)"\]\n(.+)$', page["toml"], re.MULTILINE)[0]
    record = tmp_path / "busy_backend-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: busy-backend\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AEB_PLUGINS", "busy-backend")
    monkeypatch.delitem(sys.modules, "busy_backend", raising=False)


def test_it_has_fifty_lines(page: dict[str, str]) -> None:
    """As the title says, without imports, blank lines and docstrings."""
    body = re.sub(r'"""(?:.|\n)*?"""', "", page["python"])
    code = [line for line in body.splitlines() if line.strip() and not re.match(r"(from|import) ", line)]
    assert len(code) <= 50


@pytest.mark.usefixtures("installed")
def test_the_script_reports_the_object_under_its_own_name(
    page: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Backend and model are those of its facts; the config's are named as not run."""
    exec(compile(page["py"], "the page", "exec"), {})  # what a reader pastes
    out = capsys.readouterr().out
    assert re.search(r"^\[\d\d:\d\d\] trials: 2 of 2 in ", out, re.MULTILINE)
    assert re.search(r"^busy busy-1 (WARN|FAIL)$", out, re.MULTILINE)
    document = json.loads((tmp_path / "results" / "busy" / "result.json").read_text())
    assert (document["config"]["backend"], document["config"]["model"]) == ("busy", "busy-1")
    [line] = [each["message"] for each in document["verdict"]["findings"] if each["check"] == "backend"]
    assert line == "busy was made by hand; pytorch with not-used, which the config names, did not run"
    assert document["summary"]["total_completion_tokens"] == 32
    assert document["components"]["cpu"]["energy_j"] > 0
    assert "busy,busy-1" in (tmp_path / "results" / "busy" / "benchmark_results.csv").read_text()
    assert exit_code(["reanalyze", "results/busy"]) == 0
    assert "bit for bit" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_the_package_is_measured_from_a_config(
    page: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """``list`` shows it; a run costs the processor time that its option states, times the stated watts."""
    assert exit_code(["list"]) == 0
    assert "An engine that works, and has nothing to say." in " ".join(capsys.readouterr().out.split())
    (tmp_path / "busy.yaml").write_text(page["yaml"] + METER)
    assert exit_code(["run", "busy.yaml"]) == 0
    document = json.loads((tmp_path / "results" / "busy" / "result.json").read_text())
    assert (document["config"]["backend"], document["config"]["model"]) == ("busy", "busy-1")
    assert [each for each in document["verdict"]["findings"] if each["check"] == "backend"] == []
    least_j = 32 * 0.005 * 10
    assert least_j <= document["components"]["cpu"]["energy_high_j"]
    assert document["components"]["cpu"]["energy_low_j"] <= 3 * least_j


@pytest.mark.usefixtures("installed")
def test_the_page_s_backend_keeps_the_contract() -> None:
    """It has every part, says what it cannot do, and stops at the next token when it is cancelled."""
    kind = registry.load("backends", "busy")
    backend = kind.from_settings(BackendSettings("m", "cpu", (0,), None, "text-generation", kind.Options(0.01)))  # type: ignore[attr-defined]
    assert isinstance(backend, Backend)
    check_given(backend)
    batch = Batch((Request(0, Prompt(0, "a b"), ()),), Generation(max_new_tokens=10**6))

    async def cancelled() -> None:
        task = asyncio.create_task(backend.generate(batch))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait_for(asyncio.wait([task]), 10)
        assert task.cancelled()

    asyncio.run(cancelled())


def test_an_object_that_is_no_backend_is_refused() -> None:
    """With the names of what is missing, by ``check`` and by everything that begins with it."""
    runner = BenchmarkRunner(config(), backend=object())  # type: ignore[arg-type] # the mistake
    with pytest.raises(ConfigError) as caught:
        runner.run()
    expected = "needs_endpoint, tokenizer, problems, __enter__, __exit__, facts, process_ids, counters, generate"
    assert str(caught.value.message) == f"object is not a backend: it has no {expected}"
    assert "docs/add-a-backend.md" in str(caught.value.remedy)
    assert not runner.validate()


def test_so_is_every_other_member() -> None:
    """A class in place of an object, a meter without its reading, a dataset, a reporter; fakes are whole."""
    journal = Journal()
    clock = FakeClock(journal)
    check_given(FakeBackend(journal, clock), FakeCollector(journal, clock), [FakeReporter(journal)], None)
    for members, message in (
        ({"backend": FakeBackend}, "backend=FakeBackend is a class, not a backend"),
        ({"collector": FakeBackend(journal, clock)}, "FakeBackend is not a collector: it has no components, attach"),
        ({"reporters": [FakeReporter(journal), 3]}, "int is not a reporter: it has no report"),
        ({"dataset": ["a", "b"]}, "list is not a dataset: it has no prompts"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            check_given(**members)  # type: ignore[arg-type] # the mistakes
    assert Bench().runner.validate()
