"""A pass that is kept in columns has the figures and the rows of the same pass kept as objects, to the last bit."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import polars
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ai_energy_benchmarks.analysis.pool import Pool
from ai_energy_benchmarks.analysis.steady_slices import work_slices
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.blocks import Blocks
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.outcome_frames import added
from ai_energy_benchmarks.domain.outcome_rows import ROW_BYTES
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from ai_energy_benchmarks.domain.outcomes import PART_ROWS, as_outcomes
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import Slo
from ai_energy_benchmarks.domain.steady import Slices, SteadyWindow
from ai_energy_benchmarks.results.requests import requests_frame
from ai_energy_benchmarks.results.spill import SpillDirectory
from tests.factories import result

LAST_S = 20.0
counts = st.integers(0, 40) | st.sampled_from([2**22, 2**31 - 1])


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    """An answer as a server may give it, a strange one among many plain ones."""
    plain = draw(st.integers(0, 3)) > 0
    events = draw(st.integers(0, 6))
    sent_s = draw(st.floats(0.0, LAST_S))
    gaps_s = draw(st.lists(st.floats(0.0, 3.0), min_size=events + 1, max_size=events + 1))
    times_s, now_s = array("d"), sent_s
    for gap_s in gaps_s[:-1]:
        times_s.append(now_s := now_s + gap_s)
    return Completion(
        number=0,
        prompt_tokens=draw(st.integers(1, 40) if plain else counts),
        output_tokens=events + draw(st.integers(0, 1)) if plain else draw(counts),
        token_source="usage" if plain else draw(st.sampled_from(["token_ids", "usage", "retokenised"])),
        sent_s=sent_s,
        token_times_s=times_s,
        finished_s=now_s + gaps_s[-1],
        finish_reason=draw(
            st.sampled_from(["stop", "length"] if plain else ["stop", "length", "unknown", "cancelled"])
        ),
        truncated_prompt_tokens=0 if plain else draw(st.integers(0, 2)),
        cached_prompt_tokens=draw(st.none() | (st.integers(0, 40) if plain else counts)),
        reasoning_tokens=draw(st.none() | st.integers(0, 4)),
        first_event_tokens=1 if plain else draw(st.none() | st.integers(0, 3)),
        budget_tokens=draw(st.none() | st.integers(0, 8)),
        event_tokens=() if plain else draw(st.sampled_from([(), array("q", [2, 1])])),
        rendered_sha256=sha256(bytes([draw(st.integers(0, 3))])).hexdigest(),
        text="" if plain or draw(st.booleans()) else "kept as it is",
    )


failures = st.builds(
    FailedCompletion, st.just(0), st.sampled_from(["refused", "bad \udfff"]), st.just(3.0), st.floats(3, 30)
)
passes = st.lists(completions() | failures, min_size=1, max_size=40)


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """A pass with or without a steady window, slices and fillers, whose outcomes came in another order."""
    outcomes = [evolve(each, number=number) for number, each in enumerate(draw(passes))]
    fillers = [
        evolve(each, number=len(outcomes) + number)
        for number, each in enumerate(draw(st.lists(completions(), max_size=3)))
    ]
    trial = Trial(1, 0.5, 25.0, None, tuple(outcomes), fillers=tuple(fillers))
    if not draw(st.booleans()):
        return trial
    start_s, stop_s = draw(st.floats(0.0, 9.0)), draw(st.floats(10.0, 24.0))
    edges_s = (start_s, *sorted(draw(st.lists(st.floats(start_s, stop_s), max_size=4))), stop_s)
    slices = Slices(edges_s, ()) if draw(st.booleans()) else None
    return evolve(trial, steady=SteadyWindow(start_s, stop_s, 4, slices=slices))


def in_columns(trial: Trial, arrival: Sequence[Outcome], directory: str) -> Trial:
    """The same trial, its outcomes in pieces of three on disk."""
    table = OutcomeTable(SpillDirectory(Path(directory)), piece_rows=3)
    table.extend(arrival)
    table.finish(lambda outcome: outcome)
    return evolve(trial, outcomes=table)


@settings(max_examples=30, deadline=None)
@given(trials(), st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_how_outcomes_are_kept(trial: Trial, random: Random) -> None:
    """All figures of a trial, its slices, the summary and the rows of its requests are the same to the last bit."""
    arrival = list(trial.outcomes)
    random.shuffle(arrival)
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory:  # the writer may still be at work
        kept = in_columns(trial, arrival, directory)
        assert trial_figures(kept) == trial_figures(trial)
        slo = Slo(ttft_s=1.0, tpot_s=0.5, e2e_s=4.0)
        assert summarise([kept], (), slo=slo) == summarise([trial], (), slo=slo)
        if trial.steady is not None:
            assert work_slices(kept, trial.steady) == work_slices(trial, trial.steady)
        rows, same = (
            requests_frame(result([one], prompts={7: "a question"}, prompt_indices=(7, 8, 7))) for one in (kept, trial)
        )
        assert_frame_equal(rows, same, check_exact=True)


def _plain(number: int, sent_s: float) -> Completion:
    times_s = array("d", [sent_s + 0.1, sent_s + 0.2])
    rendered = sha256(b"a").hexdigest()
    return Completion(number, 5, 2, "usage", sent_s, times_s, sent_s + 0.3, "stop", rendered_sha256=rendered)


def test_parts_follow_one_another_in_the_order_of_the_numbers() -> None:
    """Each part but the last is full, and neighbouring requests of different parts lie in the same piece."""
    table, requests = OutcomeTable(), PART_ROWS + 10
    table.extend(_plain(number ^ 7, float(number)) for number in range(requests) if number ^ 7 < requests)
    table.finish(lambda outcome: outcome, ())
    parts = list(table.parts())
    assert all(isinstance(part, polars.DataFrame) for part in parts)
    assert [len(part) for part in parts] == [PART_ROWS, len(table) - PART_ROWS]
    numbers = [number for part in parts if isinstance(part, polars.DataFrame) for number in part["number"]]
    assert numbers == sorted(numbers)
    assert list(table)[PART_ROWS - 2 : PART_ROWS + 2] == [table[at] for at in range(PART_ROWS - 2, PART_ROWS + 2)]


def test_what_the_columns_do_not_hold_comes_as_objects() -> None:
    """A part with an answer that was replaced after the window is made of objects; the others stay tables."""
    table = OutcomeTable()
    table.extend(_plain(number, float(number)) for number in range(PART_ROWS + 5))
    table.finish(lambda outcome: evolve(outcome, text="yes") if outcome.number == 3 else outcome)
    first, second = table.parts()
    assert isinstance(first, tuple)
    assert first[3] == evolve(_plain(3, 3.0), text="yes")
    assert isinstance(second, polars.DataFrame)


def test_a_pass_of_which_rows_went_to_disk_leaves_the_memory_once_it_is_over(tmp_path: Path) -> None:
    """The room is that of the pass that goes on; what is reported is how many rows had none within the window."""
    table = OutcomeTable(SpillDirectory(tmp_path), budget_bytes=20 * (ROW_BYTES + 2 * 8), piece_rows=10)
    table.extend(_plain(number, float(number)) for number in range(45))
    assert (table.shelved_rows, len(table._here)) == (20, 2)
    table.finish(lambda outcome: outcome)
    assert (table.shelved_rows, len(table._here)) == (20, 0)
    assert len(list(tmp_path.glob("requests.spill.*/*.parquet"))) == 4  # and none is still waiting to be written
    assert [outcome.number for outcome in table] == list(range(45))


@given(passes, st.integers(1, 6), st.integers(1, 4))
def test_the_first_requests_are_known_without_reading_all(outcomes: list[Outcome], count: int, piece_rows: int) -> None:
    """When those sent first had begun, and when the last one had ended, are the same from pieces as from objects."""
    table, plain = OutcomeTable(piece_rows=piece_rows), as_outcomes(outcomes)
    table.extend(outcomes)
    assert table.first_begun_s(count) == plain.first_begun_s(count)
    assert table.last_finished_s() == plain.last_finished_s()


def _loop_sum(start: float, rows: Iterable[tuple[float, ...]]) -> float:
    total = start
    for row in rows:
        for value in row:
            total += value
    return total


@given(st.floats(-1e3, 1e3), st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1, 1)), max_size=20))
def test_values_are_added_as_a_loop_adds_them(start: float, rows: list[tuple[float, float]]) -> None:
    """The rounding after each value is that of ``+=``, row by row."""
    columns = [polars.Series([row[column] for row in rows], dtype=polars.Float64) for column in (0, 1)]
    assert added(start, *columns) == _loop_sum(start, rows)


@pytest.mark.parametrize("seed", range(5))
def test_very_many_values_are_added_one_after_the_other(seed: int) -> None:
    """A whole part of a pass, in one piece or several, is not added up in parallel either."""
    random = Random(seed)
    values = [random.uniform(-1, 1) * 10 ** random.randint(-8, 8) for _ in range(PART_ROWS)]
    pieces = polars.concat([polars.Series(values[:999]), polars.Series(values[999:])], rechunk=False)
    wanted = _loop_sum(0.1, ((value,) for value in values))
    assert added(0.1, polars.Series(values)) == added(0.1, pieces) == wanted


@given(st.lists(st.lists(st.floats(0.001, 9), max_size=5), max_size=9), st.integers(1, 8))
def test_seconds_that_come_together_are_binned_as_those_that_come_in_turn(runs: list[list[float]], most: int) -> None:
    """Bins begin after the same run, so that their sum is rounded alike."""
    together, in_turn = Pool(most), Pool(most)
    seconds = polars.Series([seconds for run in runs for seconds in run], dtype=polars.Float64)
    together.add_runs(seconds, polars.Series(map(len, runs), dtype=polars.Int64))
    for run in runs:
        in_turn.add(run)
    assert together == in_turn
    assert together.distribution() == in_turn.distribution()


def test_blocks_hold_what_was_added() -> None:
    """Numbers keep their order over blocks, and a copy is one of its own."""
    blocks = Blocks("q")
    for first in range(0, 300_000, 50_000):
        blocks.extend(range(first, first + 50_000))
    blocks.append(300_000)
    blocks.extend_column(polars.Series([300_001, 300_002]))
    copied = blocks.copy()
    copied.append(1)
    assert (len(blocks), len(copied)) == (300_003, 300_004)
    assert list(blocks) == blocks.series().to_list() == list(range(300_003))
    blocks.clear()
    assert (len(blocks), list(blocks), list(copied)[-1]) == (0, [], 1)


@given(passes, st.integers(1, 4))
def test_tokens_are_counted_without_objects(outcomes: list[Outcome], piece_rows: int) -> None:
    """Prompt, output and cached tokens of the completions alone, the same from pieces as from objects."""
    table = OutcomeTable(piece_rows=piece_rows)
    table.extend(outcomes)
    done = [outcome for outcome in outcomes if isinstance(outcome, Completion)]
    expected = [(each.prompt_tokens, each.output_tokens, each.cached_prompt_tokens) for each in done]
    assert list(table.token_counts()) == list(as_outcomes(outcomes).token_counts()) == expected
