"""Datasets of the hub, through the real package ``datasets`` and a double of the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.huggingface import HuggingFaceDataset
from ai_energy_benchmarks.errors import DatasetError
from ai_energy_benchmarks.machine.installing import install_line
from tests.fake_hub import COMMIT, Repositories, serving

READ = """
import json, sys
from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.huggingface import HuggingFaceDataset, HuggingFaceOptions
from ai_energy_benchmarks.datasets.sampling import take
from ai_energy_benchmarks.errors import DatasetError

for line in sys.stdin:
    name, column, count, sampling, options = json.loads(line)
    source = HuggingFaceDataset.from_settings(DatasetSettings(name, column, 0, HuggingFaceOptions(**options)))
    try:
        answer = [prompt.transcript for prompt in take(source, count, sampling, 0, None)]
    except DatasetError as error:
        answer = {"message": error.message, "remedy": error.remedy}
    print(json.dumps(answer), flush=True)
"""


def lines(*rows: Mapping[str, object]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def chat(*turns: str) -> dict[str, object]:
    speakers = ("human", "gpt")
    return {"chat": [{"from": speakers[number % 2], "value": turn} for number, turn in enumerate(turns)]}


REPOSITORIES: Repositories = {
    "datasets/org/one": {"README.md": b"# One\n", "data/train.jsonl": lines(*({"text": f"{i}"} for i in range(5)))},
    "datasets/org/two": {
        "README.md": b"# Two\n",
        "data/train.jsonl": lines({"text": "a"}),
        "data/test.jsonl": lines({"text": "b"}, {"text": None}),
    },
    "datasets/org/chats": {"README.md": b"# Chats\n", "data/train.jsonl": lines(chat("Hi", "Hello"), chat("Why?"))},
    "datasets/org/long": {"README.md": b"# Long\n", "data/train.jsonl": lines(chat("Hi", "Hello", "And?", "So."))},
}


class Hub:
    """A reader of the hub, with a cache of its own: another process, as ``datasets`` reads its settings once."""

    def __init__(self, endpoint: str, home: Path, offline: bool = False) -> None:
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        kept |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
        kept["HF_HUB_OFFLINE"] = str(int(offline))
        self.process = subprocess.Popen(
            [sys.executable, "-c", READ], env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=60)

    def read(
        self, name: str, column: str = "text", count: int = 10, sampling: str = "first", **options: object
    ) -> list[str] | dict[str, str]:
        """Texts, or the error with its fix."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, column, count, sampling, options]) + "\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline())
        assert isinstance(found, list | dict)
        return found

    def refusal(self, name: str, column: str = "text", sampling: str = "first", **options: object) -> dict[str, str]:
        found = self.read(name, column, 10, sampling, **options)
        assert isinstance(found, dict)
        assert name in found["message"]
        assert found["remedy"]
        return found


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Where the repositories are served."""
    pytest.importorskip("datasets", reason="comes with the datasets extra")
    with serving(REPOSITORIES) as (endpoint, _):
        yield endpoint


@pytest.fixture(scope="module")
def hub(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One process and one cache for all tests that do not depend on what is in the cache."""
    with closing(Hub(endpoint, tmp_path_factory.mktemp("hub"))) as hub:
        yield hub


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a hub dataset without the package is one clear error with the install line."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DatasetError) as caught:
        HuggingFaceDataset(DatasetSettings("org/one", "text")).prompts(1, None)
    assert "not installed" in caught.value.message
    assert install_line("datasets") in str(caught.value.remedy)


def test_the_only_split_need_not_be_named(hub: Hub) -> None:
    """Rows come in their order, as many as are asked for."""
    assert hub.read("org/one", count=3) == ["0", "1", "2"]
    assert hub.read("org/one", count=99) == ["0", "1", "2", "3", "4"]


def test_the_cache_is_enough_afterwards(endpoint: str, tmp_path: Path) -> None:
    """What was read once is read again without network."""
    with closing(Hub(endpoint, tmp_path)) as hub:
        assert hub.read("org/one", revision=COMMIT) == ["0", "1", "2", "3", "4"]
    with closing(Hub(endpoint, tmp_path, offline=True)) as hub:
        assert hub.read("org/one") == ["0", "1", "2", "3", "4"]


def test_what_is_nowhere_says_so(endpoint: str, hub: Hub, tmp_path: Path) -> None:
    """Without cache and network the message says both; a name that the hub does not know as well."""
    assert "could not be downloaded from the Hub" in hub.refusal("org/none")["message"]
    with closing(Hub(endpoint, tmp_path, offline=True)) as offline:
        found = offline.refusal("org/one")
    assert "could not be downloaded from the Hub" in found["message"]
    assert "HF_HUB_OFFLINE" in found["remedy"]


def test_one_of_several_splits_must_be_named(hub: Hub) -> None:
    """The fix lists them; a wrong one, too, is an error, and slices of splits are understood."""
    assert hub.refusal("org/two")["remedy"].endswith("one of train, test")
    assert hub.read("org/two", split="train") == ["a"]
    assert hub.read("org/two", split="test[:1]") == ["b"]
    assert "split" in hub.refusal("org/two", split="nosuch")["message"]


def test_empty_rows_of_a_hub_dataset_can_be_skipped(hub: Hub) -> None:
    """As wikitext has them; nobody can fill them in on the hub, so the refusal names the setting."""
    assert "scenario.dataset_options.skip_empty: true" in hub.refusal("org/two", split="test")["remedy"]
    assert hub.read("org/two", split="test", skip_empty=True) == ["b"]


def test_a_bad_row_is_named(hub: Hub) -> None:
    """A null among the prompts is told with its row and column."""
    found = hub.refusal("org/two", split="test")
    assert "row 2, column 'text': expected text, found null" in found["message"]


def test_a_missing_column_names_the_nearest(hub: Hub) -> None:
    """As for files."""
    found = hub.refusal("org/one", "txt")
    assert "there are 'text'" in found["message"]
    assert found["remedy"] == "set scenario.text_column_name to text"


def test_a_missing_revision_is_told(hub: Hub) -> None:
    """A branch that does not exist is an error that names it."""
    assert "v9" in hub.refusal("org/one", revision="v9")["message"]


@pytest.mark.parametrize("streaming", [False, True])
def test_earlier_turns_of_a_hub_data_set(hub: Hub, streaming: bool) -> None:
    """Conversations come as from a file, with what was said before where that is asked for."""
    assert hub.read("org/chats", "chat", streaming=streaming) == ["Hi", "Why?"]
    talk = "user: Hi\n\nassistant: Hello\n\nuser: And?"
    assert hub.read("org/long", "chat", turns="last", streaming=streaming) == [talk]
    assert hub.read("org/long", "chat", turns="all", streaming=streaming) == ["Hi", talk]
    refused = hub.refusal("org/one", turns="last", streaming=streaming)["message"]
    assert "row 1, column 'text': this is one text, not a conversation" in refused


def test_rows_can_be_streamed(hub: Hub) -> None:
    """The same rows without downloading the split first; sampling them would need all of them."""
    assert hub.read("org/one", count=2, streaming=True) == ["0", "1"]
    assert "cannot be sampled" in hub.refusal("org/one", sampling="random", streaming=True)["message"]


def test_a_sample_is_of_the_whole_split(hub: Hub) -> None:
    """Random and stratified orders hold every row once."""
    for sampling in ("random", "stratified"):
        found = hub.read("org/one", sampling=sampling)
        assert isinstance(found, list)
        assert sorted(found) == ["0", "1", "2", "3", "4"]


def test_conversations_give_their_first_question(hub: Hub) -> None:
    """A column of turns, as in ShareGPT."""
    assert hub.read("org/chats", "chat") == ["Hi", "Why?"]


def test_a_subset_that_is_not_there_is_told(hub: Hub) -> None:
    """``subset`` reaches the hub as the name of the configuration."""
    assert "nope" in hub.refusal("org/one", subset="nope")["message"]
