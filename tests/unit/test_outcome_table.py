"""Outcomes in columns: what goes in comes out, and a run of very many requests gives the same figures."""

from __future__ import annotations

import gc
import time
from array import array
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import polars
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.outcome_rows import ROW_BYTES
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.results.requests import requests_schema
from ai_energy_benchmarks.results.spill import SpillDirectory
from ai_energy_benchmarks.runner.rows import spilled

seconds = st.floats(0, 1e6)
counts = st.integers(0, 2**31 - 1) | st.sampled_from([2**31, 10**30])
told = st.none() | counts


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    return Completion(
        number=draw(st.integers(0, 2**40)),
        prompt_tokens=draw(counts),
        output_tokens=draw(counts),
        token_source=draw(st.sampled_from(["token_ids", "usage", "retokenised"])),
        sent_s=draw(seconds),
        token_times_s=array("d", draw(st.lists(seconds, max_size=4))),
        finished_s=draw(seconds),
        finish_reason=draw(st.sampled_from(["stop", "length", "unknown"])),
        truncated_prompt_tokens=draw(counts),
        cached_prompt_tokens=draw(told),
        reasoning_tokens=draw(told),
        first_event_tokens=draw(told),
        event_tokens=draw(st.sampled_from([(), array("q", [1, 2, 1])])),
        rendered_sha256=draw(st.sampled_from(["", sha256(b"a").hexdigest()])),
        output_token_ids=draw(st.sampled_from([(), (1, 2)])),
        text=draw(st.text(max_size=3)),
        amounts=draw(st.sampled_from([{}, {"images": 2.0}])),
    )


failures = st.builds(FailedCompletion, st.integers(0, 2**31 - 1), st.text(max_size=5), seconds, seconds, st.booleans())


@given(st.lists(completions() | failures, max_size=8))
def test_what_goes_in_comes_out(outcomes: list[Outcome]) -> None:
    """Every field of every outcome survives, in order, whatever it holds."""
    table = OutcomeTable()
    table.extend(outcomes)
    assert list(table) == outcomes
    assert table[1:] == tuple(outcomes[1:])
    done = [each for each in outcomes if isinstance(each, Completion)]
    assert list(table.completions) == done
    assert len(table.completions) == len(done)
    assert list(table.failures) == [each for each in outcomes if isinstance(each, FailedCompletion)]


@given(st.lists(completions() | failures, max_size=8))
def test_finishing_orders_and_replaces(outcomes: list[Outcome]) -> None:
    """Outcomes end up in the order of their numbers, each as the given function left it."""

    def finished(outcome: Outcome) -> Outcome:
        if isinstance(outcome, FailedCompletion) or outcome.token_source == "usage":
            return outcome
        if outcome.token_source == "token_ids":
            return evolve(outcome, text="finished")
        return FailedCompletion(outcome.number, "cannot be counted", outcome.sent_s, outcome.finished_s)

    table = OutcomeTable()
    table.extend(outcomes)
    table.finish(finished)
    wanted = [finished(each) for each in sorted(outcomes, key=lambda each: each.number)]
    assert list(table) == wanted
    assert list(table.failures) == [each for each in wanted if isinstance(each, FailedCompletion)]
    assert len(table.completions) == len(wanted) - len(table.failures)


def test_there_is_nothing_beyond_the_end() -> None:
    """A position outside the table is an error, as in any sequence."""
    with pytest.raises(IndexError):
        OutcomeTable()[0]


@given(st.lists(completions() | failures, max_size=8))
def test_a_trial_does_not_care_how_its_outcomes_are_kept(outcomes: list[Outcome]) -> None:
    """Tokens, completions and failures are the same from a table and from a tuple."""
    table = OutcomeTable()
    table.extend(outcomes)
    kept, plain = (Trial(1, 0.0, 1.0, None, each) for each in (table, tuple(outcomes)))
    assert list(kept.completions) == list(plain.completions)
    assert kept.failures == plain.failures
    assert (kept.output_tokens, kept.prompt_tokens) == (plain.output_tokens, plain.prompt_tokens)


@given(st.lists(completions() | failures, max_size=30), st.integers(1, 5))
def test_what_went_to_disk_comes_back(outcomes: list[Outcome], piece_rows: int) -> None:
    """Without any memory for full pieces, every field of every outcome survives in files, and so does the order."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory:  # the writer may still be at work
        table = OutcomeTable(SpillDirectory(Path(directory)), piece_rows=piece_rows)
        table.extend(outcomes)
        assert table.shelved_rows == len(outcomes) // piece_rows * piece_rows
        assert list(table) == outcomes
        table.finish(lambda outcome: outcome)
        assert list(table) == sorted(outcomes, key=lambda each: each.number)


def _done(number: int, tokens: int = 3) -> Completion:
    times_s = array("d", (number + 0.1 * token for token in range(1, tokens + 1)))
    return Completion(
        number,
        5,
        tokens,
        "usage",
        float(number),
        times_s,
        number + 1.0,
        "length",
        rendered_sha256=sha256(b"a").hexdigest(),
    )


def test_only_the_oldest_rows_past_the_budget_leave(tmp_path: Path) -> None:
    """What fits stays; nothing is written before the budget is full."""
    table = OutcomeTable(SpillDirectory(tmp_path), budget_bytes=30 * (ROW_BYTES + 3 * 8), piece_rows=10)
    table.extend(_done(number) for number in range(39))
    assert (table.shelved_rows, list(tmp_path.iterdir())) == (0, [])
    table.extend(_done(number) for number in range(39, 61))
    assert table.shelved_rows == 30
    assert list(table) == [_done(number) for number in range(61)]


def test_brackets_in_the_path_are_no_pattern(tmp_path: Path) -> None:
    """A directory may be called after a model and its type."""
    shelf = SpillDirectory(tmp_path / "qwen[fp8]")
    table = OutcomeTable(shelf, piece_rows=10)
    table.extend(_done(number) for number in range(25))
    shelf._thread.shutdown()
    assert len(list((tmp_path / "qwen[fp8]").glob("*/*.parquet"))) == 2
    assert list(table) == [_done(number) for number in range(25)]


def test_rows_on_disk_can_be_read_by_anyone_while_the_pass_goes_on(tmp_path: Path) -> None:
    """A process that is killed leaves Parquet files with the columns of ``requests.parquet``."""
    table = OutcomeTable(SpillDirectory(tmp_path), piece_rows=10)
    table.extend(_done(number) for number in range(25))
    for _ in range(500):
        if len(files := sorted(tmp_path.glob("requests.spill.*/*.parquet"))) == 2:
            break
        time.sleep(0.01)
    rows = polars.read_parquet(files)
    assert rows["number"].to_list() == list(range(20))
    assert rows["output_tokens"].to_list() == [3] * 20
    assert rows["cached_prompt_tokens"].to_list() == [None] * 20
    assert rows["token_times_s"].to_list() == [list(_done(number).token_times_s) for number in range(20)]
    wanted = {"sent_s", "finished_s", "finish_reason", "token_source", "rendered_sha256", "prompt_tokens"}
    assert wanted <= set(rows.columns) <= set(requests_schema(save_texts=False))


def test_the_files_are_gone_with_the_result(tmp_path: Path) -> None:
    """They stand for memory, so they live as long as it would."""
    table = OutcomeTable(SpillDirectory(tmp_path), piece_rows=10)
    table.extend(_done(number) for number in range(25))
    assert len(list(table)) == 25
    del table
    gc.collect()
    for _ in range(500):
        if not list(tmp_path.iterdir()):
            break
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_costs_memory_and_no_row(tmp_path: Path) -> None:
    """The rows stay where they are, and the reason is told."""
    place = tmp_path / "file"
    place.write_text("in the way")
    shelf = SpillDirectory(place / "directory")
    table = OutcomeTable(shelf, piece_rows=10)
    table.extend(_done(number) for number in range(25))
    assert list(table) == [_done(number) for number in range(25)]
    for _ in range(500):
        if shelf.problem:
            break
        time.sleep(0.01)
    assert str(place) in shelf.problem
    finding = spilled(1, table, 0)
    assert finding is not None
    assert finding.level == "WARN"


def test_a_failure_is_no_completion_of_no_tokens(tmp_path: Path) -> None:
    """In the files of spilled pieces a request that failed has ``ok`` false, and nothing in place of its counts."""
    table = OutcomeTable(SpillDirectory(tmp_path), piece_rows=2)
    table.extend([_done(0), FailedCompletion(1, "refused", 1.0, 2.0)])
    for _ in range(500):
        if files := sorted(tmp_path.glob("requests.spill.*/*.parquet")):
            break
        time.sleep(0.01)
    (row,) = polars.read_parquet(files).filter(number=1).to_dicts()
    assert (row["ok"], row["sent_s"], row["finished_s"]) == (False, 1.0, 2.0)
    assert [row[name] for name in ("prompt_tokens", "output_tokens", "token_source", "finish_reason")] == [None] * 4
    assert list(table) == [_done(0), FailedCompletion(1, "refused", 1.0, 2.0)]
