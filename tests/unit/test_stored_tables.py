"""The files of a result that someone changed: one error with the file and the column, and no figure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars
import pytest

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.pictures import load_pictures
from ai_energy_benchmarks.results.reading import load_document
from ai_energy_benchmarks.results.reanalysis.recompute import differences, reanalyse
from ai_energy_benchmarks.results.request_columns import COLUMNS
from ai_energy_benchmarks.study.view import open_result
from tests.unit.test_hostile_files import saved

REQUESTS, TIMELINE = "requests.parquet", "timeline.parquet"
Change = Callable[[polars.DataFrame], polars.DataFrame]


@pytest.mark.parametrize("name", [REQUESTS, TIMELINE])
@pytest.mark.parametrize("read", [reanalyse, load_pictures, open_result])
def test_a_cut_table_is_named(result: Path, name: str, read: Callable[[Path], object]) -> None:
    """With the same fix wherever it is read."""
    whole = (result / name).read_bytes()
    (result / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError) as caught:
        read(result)
    assert caught.value.message.startswith(f"cannot read {result / name}: ")
    assert (caught.value.remedy or "").startswith("restore the file from a copy, or measure again: the files of the ")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result on fakes with all its files."""
    return saved(tmp_path_factory.mktemp("original"))


@pytest.fixture
def result(original: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    shutil.copytree(original, tmp_path / "result")
    return tmp_path / "result"


def changed(result: Path, name: str, change: Change) -> Path:
    change(polars.read_parquet(result / name)).write_parquet(result / name)
    return result


def refused(result: Path, said: str) -> None:
    """By re-analysis, by pictures and by whoever opens it."""
    for read in (reanalyse, load_pictures, open_result):
        with pytest.raises(ConfigError, match=said) as caught:
            read(result)
        assert caught.value.remedy


def test_what_was_written_is_read(result: Path) -> None:
    """All three read the files as they were, and columns of later versions next to them."""
    for name in (REQUESTS, TIMELINE):
        changed(result, name, lambda frame: frame.with_columns(polars.lit(1).alias("<script>")))
    assert differences(reanalyse(result), result) == ()
    load_pictures(result)
    open_result(result)


@pytest.mark.parametrize(
    ("name", "column"),
    [(REQUESTS, "ok"), (REQUESTS, "output_tokens"), (REQUESTS, "e2e_s"), (TIMELINE, "meter"), (TIMELINE, "unix_s")],
)
def test_a_column_that_is_missing_or_renamed_is_named(result: Path, name: str, column: str) -> None:
    """Its figures would be those of nothing."""
    changed(result, name, lambda frame: frame.rename({column: column.upper()}))
    refused(result, f"{name} has no column {column}")


@pytest.mark.parametrize(
    ("name", "column", "value", "said"),
    [
        (REQUESTS, "output_tokens", 60.5, "the column output_tokens holds Float64, not Int64"),
        (REQUESTS, "ok", "yes", "the column ok holds String, not Boolean"),
        (REQUESTS, "sent_s", float("nan"), "the column sent_s holds a number that is not finite"),
        (REQUESTS, "token_times_s", [float("inf")], "the column token_times_s holds a number that is not finite"),
        (REQUESTS, "output_tokens", None, "the column output_tokens is empty in an answer"),
        (REQUESTS, "rendered_sha256", "zz", "the column rendered_sha256 holds a text that this package never writes"),
        (REQUESTS, "output_tokens", -60, "the column output_tokens holds a count below 0"),
        (REQUESTS, "cached_prompt_tokens", -1, "the column cached_prompt_tokens holds a count below 0"),
        (REQUESTS, "event_tokens", [3, -1], "the column event_tokens holds a count below 0"),
        (REQUESTS, "finished_s", -1e6, "the column finished_s holds an end before the request was sent"),
        (TIMELINE, "after_s", -1e6, "the column after_s holds a reading that ended before it began"),
        (TIMELINE, "value", float("-inf"), "the column value holds a number that is not finite"),
        (TIMELINE, "value", None, "the column value is empty in a row of kind 'sample'|'clock'"),
    ],
)
def test_a_cell_that_holds_something_else_is_named(
    result: Path, name: str, column: str, value: object, said: str
) -> None:
    """A half of a token, a latency that is no number."""

    def change(frame: polars.DataFrame) -> polars.DataFrame:
        kind = frame.schema[column] if value is None else None
        return frame.with_columns(polars.lit(value, dtype=kind).alias(column))

    refused(changed(result, name, change), said)


def test_a_power_below_zero_is_refused(result: Path) -> None:
    """No device reports one."""
    texts = {"kind": "sample", "name": "power_w", "subject": "GPU-A", "component": "gpu", "meter": "nvml"}
    cells = {**texts, "value": -1.0, "before_s": 1.0, "after_s": 1.0}

    def change(frame: polars.DataFrame) -> polars.DataFrame:
        sample = frame.head(1).with_columns(polars.lit(cell).alias(name) for name, cell in cells.items())
        return polars.concat([frame, sample])

    refused(changed(result, TIMELINE, change), "the column value holds a power below 0")


def test_a_device_of_no_component_is_refused(result: Path) -> None:
    """Its energy would belong to nothing."""

    def change(frame: polars.DataFrame) -> polars.DataFrame:
        of_a_tpu = {name: polars.lit("tpu") for name in ("name", "subject", "component", "meter", "detail")}
        device = frame.head(1).with_columns(polars.lit("series").alias("kind"), **of_a_tpu)
        return polars.concat([frame, device])

    refused(changed(result, TIMELINE, change), "the column component holds a text that this package never writes")


def test_rows_that_are_there_twice_are_refused(result: Path) -> None:
    """As after two files were put together."""
    refused(changed(result, TIMELINE, lambda frame: polars.concat([frame, frame])), "does not name one clock")


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e400", "1" * 400])
def test_a_document_with_a_number_that_nothing_has_is_refused(result: Path, text: str) -> None:
    """This package writes null where there is no number; the message names the key."""
    document = json.loads((result / "result.json").read_text())
    document["summary"]["total_prompts"] = 123_454_321
    (result / "result.json").write_text(json.dumps(document).replace("123454321", text))
    with pytest.raises(ConfigError, match=r"summary\.total_prompts is "):
        load_document(result / "result.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [("verdict", {"findings": 5}), ("config", {}), ("environment", {"boards": [3]}), ("backend_info", {"notes": [{}]})],
)
def test_a_document_of_another_shape_is_one_error(result: Path, key: str, value: object) -> None:
    """Where re-analysis reads what is not there."""
    document = json.loads((result / "result.json").read_text())
    document[key] = {**(document[key] or {}), **value} if key != "config" else value  # type: ignore[dict-item]
    (result / "result.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"cannot|are not those that this package wrote|is not|holds"):
        reanalyse(result)


def test_columns_that_came_later_may_be_missing(result: Path) -> None:
    """Results of older versions are read; what they did not note is unknown."""
    later = ["first_event_tokens", "budget_tokens", "event_tokens", "amounts"]
    assert set(later) <= {column.name for column in COLUMNS}
    reanalyse(changed(result, REQUESTS, lambda frame: frame.drop(later)))
