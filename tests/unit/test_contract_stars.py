"""Stars of AI Energy Score, from results of ours and from tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_energy_benchmarks.analysis.stars import STARS, Entry, band_edges_j, rate, size_class
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.scores import read_scores
from tests.functional.commands import command


def exact(name: str, energy_j: float) -> Entry:
    return Entry(name, energy_j, energy_j, energy_j)


@pytest.mark.parametrize(
    ("parameters", "klass"),
    [(1, "A"), (20_000_000_000, "A"), (20_000_000_001, "B"), (66_000_000_000, "B"), (66_000_000_001, "C")],
)
def test_classes_are_by_parameters(parameters: int, klass: str) -> None:
    """A up to 20 billion, B up to 66 billion, C above."""
    assert size_class(parameters) == klass


def test_bands_are_of_equal_width() -> None:
    """From the least energy to the most; an edge belongs to the better band."""
    assert band_edges_j([10.0, 60.0, 33.0]) == (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
    found = rate([exact(str(energy), energy) for energy in (60.0, 10.0, 20.0, 20.1, 40.0, 50.0, 50.1)])
    assert [(each.entry.energy_j, each.stars) for each in found] == [
        (10.0, 5),
        (20.0, 5),
        (20.1, 4),
        (40.0, 3),
        (50.0, 2),
        (50.1, 1),
        (60.0, 1),
    ]


def test_an_interval_may_change_the_stars() -> None:
    """The middle model could fall into the next band; the ends of the range cannot."""
    found = rate([exact("best", 10.0), Entry("middle", 19.0, 17.0, 21.0), exact("worst", 60.0)])
    assert [(each.fewest, each.stars, each.most) for each in found] == [(5, 5, 5), (4, 5, 5), (1, 1, 1)]


def test_the_intervals_of_others_count_too() -> None:
    """If the worst were better than measured, everything else would look worse."""
    found = rate([exact("best", 10.0), exact("middle", 19.0), Entry("worst", 60.0, 50.0, 70.0)])
    assert [(each.fewest, each.stars, each.most) for each in found][1] == (4, 5, 5)


@pytest.mark.parametrize("energies", [(), (5.0,), (5.0, 5.0)])
def test_without_a_range_there_are_no_stars(energies: tuple[float, ...]) -> None:
    """One model alone, or equals, cannot be rated."""
    with pytest.raises(ValueError, match="at least two models"):
        rate([exact("m", each) for each in energies])


@given(
    st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 0.5), st.floats(0, 0.5)), min_size=2, max_size=8).filter(
        lambda rows: len({row[0] for row in rows}) > 1
    )
)
def test_stars_lie_between_fewest_and_most(rows: list[tuple[float, float, float]]) -> None:
    """Always from 1 to 5, and never better for more energy."""
    found = rate(
        [Entry(str(n), energy, energy * (1 - low), energy * (1 + high)) for n, (energy, low, high) in enumerate(rows)]
    )
    assert all(1 <= each.fewest <= each.stars <= each.most <= STARS for each in found)
    assert [each.stars for each in found] == sorted((each.stars for each in found), reverse=True)


def document(model: str, wh: float | None, parameters: int | None = 10**9, **more: object) -> dict[str, object]:
    bounds = None if wh is None else {"value": wh, "low": wh * 0.9, "high": wh * 1.1}
    return {
        "schema_version": 1,
        "started_utc": model,
        "config": {"model": model},
        "backend_info": {"parameters": parameters},
        "derived": {"gpu": {"wh_per_1000_queries": bounds}},
        "verdict": {"level": "PASS"},
        **more,
    }


def written(directory: Path, *documents: dict[str, object]) -> Path:
    for number, each in enumerate(documents):
        (directory / f"run{number}").mkdir()
        (directory / f"run{number}" / "result.json").write_text(json.dumps(each))
    return directory


def test_results_are_read_with_their_bounds(tmp_path: Path) -> None:
    """Grouped by task and class; what has no GPU energy, or no class, has a reason instead of a score."""
    directory = written(
        tmp_path,
        document("a", 2.0),
        document("b", 3.0, 30 * 10**9, reasoning={"asked": True}),
        document("c", None),
        document("d", 1.0, None),
        document("e", 1.0, verdict={"level": "FAIL"}),
    )
    a, b, c, d, e = read_scores([directory])
    assert (a.group, b.group) == ("text_generation, class A", "reasoning, class B")
    assert (a.energy_j, a.low_j, a.high_j) == pytest.approx((7200.0, 6480.0, 7920.0))
    assert (c.energy_j, d.energy_j) == (None, None)
    assert "no GPU energy" in c.note
    assert "class, is unknown" in d.note
    assert (e.energy_j, e.note) == (3600.0, "the verdict of its run is FAIL")


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    """A master table of ours as well as a leaderboard."""
    ours, theirs = tmp_path / "master.csv", tmp_path / "leaderboard.csv"
    ours.write_text(
        "model_name,model_class,task,reasoning_state,wh_per_1000_queries,error_message\n"
        "a,A,text_gen,Off,2.0,\nb,A,text_gen,On (High),3.0,\nc,B,text_gen,,,it broke\n"
    )
    theirs.write_text("model,class,task,total_gpu_energy\nd,A,text_generation,4.0\n")
    a, b, c, d = read_scores([ours, theirs])
    assert [each.group for each in (a, b, c, d)] == [
        "text_generation, class A",
        "reasoning, class A",
        "text_generation, class B",
        "text_generation, class A",
    ]
    assert (a.energy_j, d.energy_j) == (7200.0, 14400.0)
    assert "it broke" in c.note


def test_a_table_without_energy_is_refused(tmp_path: Path) -> None:
    """It names the columns that would do."""
    (tmp_path / "t.csv").write_text("model,class\na,A\n")
    with pytest.raises(ConfigError, match="none of the columns wh_per_1000_queries"):
        read_scores([tmp_path / "t.csv"])


def test_the_command_prints_stars_edges_and_what_could_change(tmp_path: Path) -> None:
    """Results and a leaderboard together; a group of one is told, not rated."""
    written(tmp_path, document("ours", 2.5), document("alone", 3.0, 10**12))
    (tmp_path / "board.csv").write_text(
        "model,class,task,wh_per_1000_queries\nlow,A,text_gen,1.0\nhigh,A,text_gen,6.0\n"
    )
    done = command("rate", str(tmp_path / "run0"), str(tmp_path / "run1"), str(tmp_path / "board.csv"), cwd=tmp_path)
    assert done.code == 0, done.err
    assert "band edges, Wh per 1,000 queries: 1, 2, 3, 4, 5, 6" in done.out
    line = next(line for line in done.out.splitlines() if "ours" in line)
    assert "★★★★☆" in line
    assert "2.50 [2.25, 2.75]" in line
    assert "class C: stars need at least two models" in done.out
    parsed = json.loads(command("rate", str(tmp_path / "board.csv"), "--json", cwd=tmp_path).out)
    assert [each["stars"] for each in parsed["groups"]["text_generation, class A"]["models"]] == [5, 1]


def test_nothing_to_rate_is_a_failure(tmp_path: Path) -> None:
    """With the reason."""
    written(tmp_path, document("a", None))
    done = command("rate", str(tmp_path), cwd=tmp_path)
    assert done.code == 1
    assert "no GPU energy" in done.out


def test_a_run_that_was_cut_short_is_not_rated(tmp_path: Path) -> None:
    """Its energy may be that of a part of a pass."""
    bounds = {"value": 1.0, "low": 0.9, "high": 1.1}
    document = {
        "schema_version": 1,
        "ending": "interrupted",
        "config": {"model": "some/model"},
        "backend_info": {"parameters": 1},
        "derived": {"gpu": {"wh_per_1000_queries": bounds}},
    }
    (tmp_path / "result.json").write_text(json.dumps(document), encoding="utf-8")
    (score,) = read_scores([tmp_path])
    assert (score.energy_j, score.note) == (None, "its run was interrupted")
