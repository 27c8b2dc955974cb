"""Prompts from files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.local import LocalDataset
from ai_energy_benchmarks.errors import DatasetError

TEXTS = ["Hello, world", 'She said "no"', "zwei\nZeilen", "  spaced  ", "日本語"]
BOM = b"\xef\xbb\xbf"


def read(path: Path, *, column: str = "text", count: int = 100) -> list[str]:
    """The texts of a file, numbered from 0."""
    prompts = LocalDataset(DatasetSettings(str(path), column)).prompts(count, None)
    assert [prompt.index for prompt in prompts] == list(range(len(prompts)))
    return [prompt.text for prompt in prompts]


def refusal(path: Path, *, column: str = "text", count: int = 100) -> DatasetError:
    """The error for a file; it names the file and has a fix."""
    with pytest.raises(DatasetError) as caught:
        read(path, column=column, count=count)
    assert path.name in caught.value.message
    assert caught.value.remedy
    return caught.value


def as_csv(path: Path) -> None:
    pl.DataFrame({"id": range(len(TEXTS)), "text": TEXTS}).write_csv(path)


def as_tsv(path: Path) -> None:
    pl.DataFrame({"id": range(len(TEXTS)), "text": TEXTS}).write_csv(path, separator="\t")


def as_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps({"id": 1, "text": text}) + "\n" for text in TEXTS))


def as_json(path: Path) -> None:
    path.write_text(json.dumps([{"text": text} for text in TEXTS]))


def as_parquet(path: Path) -> None:
    pl.DataFrame({"id": range(len(TEXTS)), "text": TEXTS}).write_parquet(path)


WRITERS: dict[str, Callable[[Path], None]] = {
    ".csv": as_csv,
    ".tsv": as_tsv,
    ".jsonl": as_jsonl,
    ".json": as_json,
    ".parquet": as_parquet,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_text_is_read_exactly_as_written(suffix: str, tmp_path: Path) -> None:
    """Quotes, line ends, spaces at the edges and other scripts survive in every format that can hold them."""
    path = tmp_path / f"prompts{suffix}"
    WRITERS[suffix](path)
    assert read(path) == TEXTS


def test_every_format_is_tested_above() -> None:
    """Only TXT, which cannot hold a line end, has tests of its own."""
    assert set(LocalDataset.SUFFIXES) == {*WRITERS, ".txt"}


@pytest.mark.parametrize("suffix", WRITERS)
def test_only_the_first_prompts_are_read(suffix: str, tmp_path: Path) -> None:
    """``count`` bounds what is read."""
    path = tmp_path / f"prompts{suffix}"
    WRITERS[suffix](path)
    assert read(path, count=2) == TEXTS[:2]


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_missing_column_names_the_nearest_and_lists_all(suffix: str, tmp_path: Path) -> None:
    """A misspelt column is answered with the one that was probably meant."""
    path = tmp_path / f"prompts{suffix}"
    WRITERS[suffix](path)
    error = refusal(path, column="txet")
    assert "'text'" in error.message
    assert "'txet'" in error.message
    assert error.remedy == "set scenario.text_column_name to text"


def test_a_text_file_has_one_prompt_a_line(tmp_path: Path) -> None:
    """Line ends of both kinds are taken off, nothing else; the last line needs none."""
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"first \r\n second\nthird")
    assert read(path) == ["first ", " second", "third"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".txt"])
def test_a_byte_order_mark_is_no_part_of_the_first_prompt(suffix: str, tmp_path: Path) -> None:
    """Files that Windows programs write read the same as others."""
    plain = {".jsonl": '{"text": "é"}\n', ".json": '["é"]', ".txt": "é\n"}.get(suffix, "text\né\n")
    path = tmp_path / f"prompts{suffix}"
    path.write_bytes(BOM + plain.encode())
    assert read(path) == ["é"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('["a", "b"]', "strings.json"),
        ('{"id": [1, 2], "text": ["a", "b"]}', "columns.json"),
        ('{"text": {"0": "a", "1": "b"}}', "pandas.json"),
        ('"a"\n\n"b"\n', "strings.jsonl"),
        ("text\n\na\n\nb\n\n", "blank_lines.csv"),
    ],
)
def test_other_shapes_of_the_same_prompts(text: str, name: str, tmp_path: Path) -> None:
    """JSON may hold strings or columns, JSONL strings; blank lines of JSONL and CSV are passed over."""
    path = tmp_path / name
    path.write_text(text)
    assert read(path) == ["a", "b"]


def test_a_prompt_may_be_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    """Cells above 131,072 characters are read."""
    path = tmp_path / "long.csv"
    path.write_text("text\n" + "x" * 200_000 + "\n")
    assert len(read(path)[0]) == 200_000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"\n\n", "no line that names the columns"),
        ("a.csv", b"id;text\n1;x\n", "'id;text'"),
        ("a.csv", b"text,text\na,b\n", "two columns"),
        ("a.csv", b"id,text\n1,a\n2,b, and more\n", "line 3, column 'text': 3 cells where the first line names 2"),
        ("a.csv", b"id,text\n1\n", "line 2, column 'text': 1 cells"),
        ("a.csv", b'id,text\n1,"never closed\n', "not a well-formed table"),
        ("a.csv", b"id,text\n1,\n", "line 2, column 'text': the prompt is empty"),
        ("a.csv", b"id,text\n1,caf\xe9\n", "line 2, column 'text': byte 0xe9 at position 6 is not UTF-8"),
        ("a.csv", "text\nx\n".encode("utf-16"), "in UTF-16"),
        ("a.csv", b"PAR1....", "Parquet"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"\n', "line 2, column 'text': not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n{"txt": "b"}\n', "line 2, column 'text': there is no such column"),
        ("a.jsonl", b'{"text": null}\n', "line 1, column 'text': expected text, found null"),
        ("a.jsonl", b'{"text": 3}\n', "found a number (3)"),
        ("a.jsonl", b'{"text": true}\n', "found the truth value true"),
        ("a.jsonl", b'{"text": ["a"]}\n', "found a list"),
        ("a.jsonl", b'{"text": {"a": 1}}\n', "found an object"),
        ("a.jsonl", b"[1]\n", "expected an object or a string"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "surrogate"),
        ("a.json", b'{"text": "a"}\n{"text": "b"}\n', "not valid JSON"),
        ("a.json", b'{"rows": [{"text": "a"}]}', "there are 'rows'"),
        ("a.json", b'{"text": "a"}', "neither a list nor an object whose values are columns"),
        ("a.json", b"3", "neither a list"),
        ("a.json", b"[" * 100_000, "cannot be read"),
        ("a.json", b"[" + b"9" * 5000 + b"]", "expected an object or a string"),
        ("a.txt", b"a\n\nb\n", "line 2, column 'text': the prompt is empty"),
        ("a.txt", b"\x1f\x8b\x08\x00", "gzip"),
        ("a.parquet", b"nothing of the kind", "not a readable Parquet file"),
        ("a.xlsx", b"PK\x03\x04", "files named .xlsx cannot be read"),
        ("prompts", b"a\n", "files named without an ending cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    """A bad file gives one error that says where and what."""
    path = tmp_path / name
    path.write_bytes(content)
    if name == "a.json" and content.startswith(b"[9"):
        said = "expected an object or a string|cannot be read"  # long numbers are refused from Python 3.10.7 on
    assert any(part in refusal(path).message for part in said.split("|"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", None], "row 2, column 'text': expected text, found null"),
        ([1, 2], "row 1, column 'text': expected text, found a number (1)"),
        ([["a"]], "found a list"),
        ([{"a": 1}], "found an object"),
        ([b"a"], "a value of type bytes"),
    ],
)
def test_a_parquet_column_must_hold_text(values: list[object], said: str, tmp_path: Path) -> None:
    """Null, numbers, lists, structs and bytes are refused with their row."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": values}).write_parquet(path)
    assert said in refusal(path).message


def test_a_categorical_parquet_column_is_text(tmp_path: Path) -> None:
    """Dictionary-encoded columns read as their texts."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["a", "b", "a"]}, schema={"text": pl.Categorical}).write_parquet(path)
    assert read(path) == ["a", "b", "a"]


def test_jsonl_under_the_name_of_json_is_told(tmp_path: Path) -> None:
    """The most common mix-up has its own fix."""
    path = tmp_path / "a.json"
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    assert refusal(path).remedy == "if each line is an object of its own, name the file .jsonl"


@pytest.mark.parametrize(("name", "text"), [("a.txt", "a\n"), ("a.json", '["a"]'), ("a.jsonl", '"a"\n')])
def test_a_column_is_refused_where_there_is_none(name: str, text: str, tmp_path: Path) -> None:
    """A column other than the default is never ignored."""
    path = tmp_path / name
    path.write_text(text)
    assert "there are no columns here" in refusal(path, column="prompt").message


def test_a_misspelt_file_names_the_nearest(tmp_path: Path) -> None:
    """A file that is not there is answered with its neighbour of nearly the same name."""
    (tmp_path / "prompts.csv").write_text("text\na\n")
    assert "prompts.csv?" in refusal(tmp_path / "promts.csv").message


def test_a_directory_is_no_data_file(tmp_path: Path) -> None:
    """A directory is refused, whatever its name ends in."""
    directory = tmp_path / "prompts.csv"
    directory.mkdir()
    assert "directory" in refusal(directory).message


def test_a_relative_path_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it is looked up from the working directory, which is not always the one that was meant."""
    monkeypatch.chdir(tmp_path)
    message = refusal(Path("mine/prompts.csv")).message
    assert message == f"mine/prompts.csv: there is no such file at {tmp_path}/mine/prompts.csv"


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    """A dangling link reads as a missing file."""
    link = tmp_path / "prompts.txt"
    link.symlink_to(tmp_path / "gone.txt")
    assert "there is no such file" in refusal(link).message


def test_the_prompts_of_ai_energy_score_are_read(shared_data: Path) -> None:
    """All 1,000 prompts of the score's text generation task are read as they stand."""
    path = shared_data / "aienergyscore_text_generation.jsonl"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    lines = path.read_text(encoding="utf-8").split("\n")
    assert read(path, count=2000) == [json.loads(line)["text"] for line in lines if line]
