"""The README and the manual, followed: every command and every block of Python as it stands, page by page.

Each page has a directory with the files that it takes for granted (``manual_stage.py``): there ``Qwen/Qwen3-0.6B`` is a
model of a few thousand weights. What cannot run here stands in ``tests/project/manual_table.py`` with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.run import model_name
from tests.functional.commands import command_here
from tests.functional.manual_stage import DEFAULTS, finished_run, lay_out, model_directory
from tests.project.manual_pages import Command, blocks, commands
from tests.project.manual_table import exception
from tests.servers import Exchange, ScriptedServer, delta, running, usage

pytest.importorskip("torch", reason="the manual runs PyTorch")
pytest.importorskip("transformers", reason="the manual runs PyTorch")

# A place of the system, and the one that takes its part; and the results of a model whose directory is given, whose
# name is the last part of the path (``test_results_of_a_hub_model_have_both_parts_of_its_name``).
ELSEWHERE = {
    "/var/lib/node_exporter": "node_exporter",
    "results/HuggingFaceTB-SmolLM2-135M-Instruct": "results/SmolLM2-135M-Instruct",
}
# What other exit codes than 0 mean that the command did what the page says.
CODES = {"compare": (0, 4, 5), "aienergyscore": (0, 1), "doctor": (0, 1), "study": (0, 1)}
# What the quick run of a page leaves to the heavy one: commands that start processes of their own or take long.
LONG = (
    ("README.md", "ai-energy-benchmark run mine.yaml"),
    ("README.md", "ai-energy-benchmark small-model"),
    ("tutorial.md", "ai-energy-benchmark run batch.yaml"),
    ("tutorial.md", "ai-energy-benchmark study report"),
    ("studies.md", "ai-energy-benchmark run"),
    ("studies.md", "ai-energy-benchmark study resume"),
    ("studies.md", "ai-energy-benchmark study report"),
    ("aienergyscore.md", "ai-energy-benchmark aienergyscore"),
    ("servers.md", "ai-energy-benchmark run"),
)
SHORT = ("-o", "protocol.trials=2", "-o", "scenario.num_samples=2", "-o", "scenario.generate_kwargs.max_new_tokens=4")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory."""
    return model_directory(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A result directory to copy."""
    return finished_run(tmp_path_factory.mktemp("finished"), model)


# What a reader does to a file that a command wrote, so that the heavy run takes minutes and not hours.
EDITS = {"mine.yaml": {"cycles: 5": "cycles: 2", "gap_s: 5": "gap_s: 0", "num_samples: 16": "num_samples: 4"}}


async def answers(exchange: Exchange) -> None:
    """What the page's server says: four words, streamed, and the counts."""
    await exchange.begin_stream()
    for word in range(4):
        await exchange.event(delta(content=f" w{word}"))
    await exchange.event(delta(content="", finish_reason="stop"))
    await exchange.event(usage(20, 4))
    await exchange.end_stream()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Serves the model of the page of servers, on a port of its own."""
    with running(answers, "path/to/a/model") as server:
        yield server


class Reader:
    """Follows one page in a directory of its own."""

    def __init__(self, directory: Path, page: str) -> None:
        self.directory, self.page = directory, page
        self.places: dict[str, str] = {}
        (directory / "settings" / "ai_energy_benchmarks").mkdir(parents=True)
        (directory / "settings" / "ai_energy_benchmarks" / "defaults.yaml").write_text(DEFAULTS)
        self.environment = {
            "AEB_NO_USER_DEFAULTS": "",
            "XDG_CONFIG_HOME": str(directory / "settings"),
            "AEB_LOCK_DIR": str(directory / "locks"),
        }
        (directory / "locks").mkdir()

    def saves(self) -> None:
        """Write the files that the page says to save."""
        for block in blocks("yaml"):
            if block.page == "tutorial.md" == self.page:
                (self.directory / "batch.yaml").write_text(block.text)

    def edits(self) -> None:
        """Shorten what a command wrote."""
        for name, changes in EDITS.items():
            if (file := self.directory / name).exists():
                text = file.read_text()
                for old, new in changes.items():
                    text = text.replace(old, new)
                file.write_text(text)

    def types(self, command: Command, *more: str) -> None:
        """Run a command line as it stands, with ``more`` arguments."""
        words = [self._here(word) for word in command.words[1:]] + list(more)
        done = command_here(*words, cwd=self.directory, **self.environment, **command.environment)
        assert done.code in CODES.get(words[0], (0,)), f"{command.text}\n{done.out}\n{done.err}"

    def pastes(self, text: str, space: dict[str, object]) -> None:
        """Run a block of Python as it stands."""
        exec(compile(text, self.page, "exec"), space)

    def _here(self, word: str) -> str:
        for place, other in (ELSEWHERE | self.places).items():
            word = word.replace(place, other)
        return word


def typed(page: str) -> Iterator[Command]:
    """The calls of the program on a page that are not in the table of exceptions."""
    for command in commands():
        if command.page == page and command.is_ours and exception(page, command.text) is None:
            yield command


def is_long(command: Command) -> bool:
    """Whether the quick run leaves it out."""
    return any(command.page == page and command.text.startswith(start) for page, start in LONG)


PAGES = sorted({command.page for command in commands() if any(typed(command.page))})
PASTED = sorted({block.page for block in blocks("python") if exception(block.page, block.text) is None})


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page: str, tmp_path: Path, model: Path, finished: Path) -> None:
    """In their order; what measures is shortened, and what takes long is left to the heavy test below."""
    lay_out(tmp_path, page, model, finished, whole=False)
    reader = Reader(tmp_path, page)
    reader.saves()
    for command in typed(page):
        if not is_long(command):
            reader.types(command, *(SHORT if command.words[1] == "run" else ()))


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", sorted({page for page, _ in LONG}))
def test_the_commands_of_a_page_run_as_they_stand(
    page: str, tmp_path: Path, model: Path, finished: Path, server: ScriptedServer
) -> None:
    """All of them, in their order, without a further argument."""
    lay_out(tmp_path, page, model, finished, whole=True)
    reader = Reader(tmp_path, page)
    reader.saves()
    reader.places["http://localhost:8000"] = server.endpoint.removesuffix("/v1")
    for command in typed(page):
        reader.types(command)
        reader.edits()


@pytest.mark.parametrize("page", PASTED)
def test_the_python_of_a_page_runs(
    page: str, tmp_path: Path, model: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block in its order, each in the names that those before it left."""
    lay_out(tmp_path, page, model, finished, whole=False)
    reader = Reader(tmp_path, page)
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for block in blocks("python"):
        if block.page == page and exception(page, block.text) is None:
            reader.pastes(block.text, space)
    assert space


def test_results_of_a_hub_model_have_both_parts_of_its_name() -> None:
    """As the tutorial has it; of a directory it is the last part."""
    assert model_name("HuggingFaceTB/SmolLM2-135M-Instruct").replace("/", "-") == "HuggingFaceTB-SmolLM2-135M-Instruct"
