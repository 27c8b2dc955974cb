"""Any file gives prompts or one clear error."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.hashing import dataset_sha256
from ai_energy_benchmarks.datasets.local import LocalDataset
from ai_energy_benchmarks.domain.prompts import Prompt
from ai_energy_benchmarks.errors import DatasetError

# The csv module of Python 3.10 refuses NUL, which is then one of the clear errors.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.just("text") | st.text(), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def read(path: Path, count: int = 50) -> tuple[Prompt, ...]:
    return LocalDataset(DatasetSettings(str(path), "text")).prompts(count, None)


def reads_or_refuses(path: Path, content: bytes) -> None:
    """The law of this page; the prompts can be hashed and sent."""
    path.write_bytes(content)
    refusal: DatasetError | None = None
    prompts: tuple[Prompt, ...] = ()
    try:
        prompts = read(path)
    except DatasetError as error:
        refusal = error
    assert refusal is None or (path.name in refusal.message and refusal.remedy)
    assert all(prompt.text.strip() and prompt.text.encode() for prompt in prompts)
    assert dataset_sha256(prompts)


@pytest.mark.parametrize("suffix", LocalDataset.SUFFIXES)
@given(content=st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(content=b"text\n\x00\n")
@example(content=b"text\ra\r")
@example(content=b"\xef\xbb\xbf")
@example(content=b'"text"\n"a" b\n')
def test_any_bytes_give_prompts_or_an_error(suffix: str, content: bytes, directory: Path) -> None:
    """No content of a file ends in another exception than DatasetError."""
    reads_or_refuses(directory / f"any{suffix}", content)


@given(value=JSON)
def test_any_json_gives_prompts_or_an_error(value: object, directory: Path) -> None:
    """Well-formed JSON of any shape neither."""
    text = json.dumps(value)
    reads_or_refuses(directory / "any.json", text.encode())
    reads_or_refuses(directory / "any.jsonl", f"{text}\n{text}".encode())


@given(rows=st.lists(st.lists(st.text(st.sampled_from('text,";\n\r a\t\0')), max_size=3), max_size=5))
def test_any_table_gives_prompts_or_an_error(rows: list[list[str]], directory: Path) -> None:
    """Tables with quotes, separators and line ends in all the wrong places neither."""
    body = "\n".join(",".join(row) for row in [["text"], *rows])
    reads_or_refuses(directory / "any.csv", body.encode())


@given(data=st.data())
def test_a_damaged_parquet_file_gives_prompts_or_an_error(data: st.DataObject, directory: Path) -> None:
    """A Parquet file with some bytes changed or its end cut off neither."""
    buffer = io.BytesIO()
    pl.DataFrame({"id": [1, 2, 3], "text": ["a", "bb", "ccc"]}).write_parquet(buffer)
    content = bytearray(buffer.getvalue())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(content)))
    reads_or_refuses(directory / "damaged.parquet", bytes(content[:length]))


@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_prompts_survive_a_round_trip(texts: list[str], directory: Path) -> None:
    """Whatever text is written as CSV, JSON, JSONL or Parquet is read back exactly, with the same hash."""
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    hashes = set()
    for suffix in (".csv", ".json", ".jsonl", ".parquet"):
        path = directory / f"written{suffix}"
        if suffix == ".csv":
            frame.write_csv(path, quote_style="always")
        elif suffix == ".json":
            path.write_text(json.dumps([{"text": text} for text in texts]))
        elif suffix == ".jsonl":
            path.write_bytes(b"".join(json.dumps({"text": t}, ensure_ascii=False).encode() + b"\n" for t in texts))
        else:
            frame.write_parquet(path)
        prompts = read(path)
        assert [prompt.text for prompt in prompts] == texts
        hashes.add(dataset_sha256(prompts))
    assert len(hashes) == 1
