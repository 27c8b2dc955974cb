"""What a study answers, from its directory."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ai_energy_benchmarks.analysis.crossing import AxisValue, independent_axes
from ai_energy_benchmarks.cli.compare import compare
from ai_energy_benchmarks.cli.study_report import report
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.answers import words
from ai_energy_benchmarks.study.answers.answering import answer
from ai_energy_benchmarks.study.cells import Cell, write_cells
from ai_energy_benchmarks.study.manifest_writer import ManifestWriter
from ai_energy_benchmarks.study.report import charts_of, page_of, table_of
from ai_energy_benchmarks.text.json_text import shown_json
from tests.unit.test_compare import BASE, changed

Settings = Mapping[str, object]
FOUR = {f"engine={engine}, batch={batch}": {"engine": engine, "batch": batch} for engine in "xy" for batch in (1, 2)}
MEANS = dict(zip(FOUR, (4.0, 2.4, 5.0, 2.5), strict=True))
SCATTER = (1.0, 1.01, 0.99, 1.005)


def make(
    directory: Path,
    cells: Mapping[str, Settings] = FOUR,
    means: Mapping[str, float] = MEANS,
    *,
    cycles: Sequence[float] = SCATTER,
    changes: Mapping[str, Mapping[str, object]] | None = None,
    failing: Sequence[str] = (),
) -> Path:
    """A finished study: cell → settings, cell → mean, factors of the cycles, changes to the documents of a cell."""
    dice = random.Random(7)
    made = {name: Cell(f"cell{row}", name, of, "fake", "0" * 64) for row, (name, of) in enumerate(cells.items())}
    directory.mkdir()
    write_cells(directory, list(made.values()))
    with ManifestWriter(directory) as manifest:
        manifest.add("opened", schema_version=1, study_sha256="", seed=1, host="", pid=1, environment={})
        for cycle, factor in enumerate(cycles, 1):
            for position, (name, cell) in enumerate(made.items()):
                value = means[name] * factor * (1 + dice.gauss(0, 0.001))
                figures = {"derived__gpu__j_per_output_token": dict.fromkeys(("value", "low", "high"), value)}
                document = changed(BASE, figures | dict((changes or {}).get(name, {})))
                run = directory / "cells" / cell.id / str(cycle)
                run.mkdir(parents=True)
                place = {"cell": cell.id, "cycle": cycle, "position": position, "attempt": 1}
                place["directory"] = str(run.relative_to(directory))
                manifest.add("started", **place, gpus=[], gap_s=0.0, gate="")
                state = "failed" if name in failing else "completed"
                if state == "completed":
                    (run / "result.json").write_text(json.dumps(document))
                reason = "out of memory" if state == "failed" else ""
                manifest.add("ended", **place, state=state, verdict="", reason=reason, exit_code=0, wall_s=1.0)
    return directory


def test_the_cheapest_cell_is_named_with_its_interval(tmp_path: Path) -> None:
    """With what cannot be excluded: two cells that lie 4 % apart are told apart by four cycles with little scatter."""
    found = answer(make(tmp_path / "study"))
    said, gain = words.sentences(found)
    assert said.startswith("engine=x, batch=2 at 2.40")
    assert gain.startswith("engine=x, batch=2 has 40.0% less J/output token than engine=x, batch=1 (ratio 0.6005 [0.")
    assert gain.endswith("95 %), at +0.0% output tokens/s.")
    assert said.endswith("J/output token is the cheapest (95 %, against all others at once).")
    assert [cell.name for cell in found.ranked] == sorted(MEANS, key=MEANS.__getitem__)
    assert len(found.pairs) == 6
    assert found.fitted is not None
    assert (found.fitted.model, found.fitted.degrees) == ("group + cycle", 9)


def test_rivals_that_cannot_be_excluded_are_named(tmp_path: Path) -> None:
    """Two cells that are alike within their scatter stay two."""
    means = {**MEANS, "engine=y, batch=2": 2.4005}
    said, _ = words.sentences(answer(make(tmp_path / "study", means=means)))
    assert said.endswith("has the best mean; engine=y, batch=2 cannot be excluded as the cheapest.")


def test_one_cycle_says_nothing_of_the_scatter(tmp_path: Path) -> None:
    """The means are shown, and no interval is made up."""
    found = answer(make(tmp_path / "study", cycles=(1.0,)))
    assert words.sentences(found)[0].endswith("without a second cycle nothing is known of the scatter.")
    assert (found.pairs, found.candidates, found.effects) == ((), (), "no scatter between processes is known")


def test_modelled_energy_has_no_interval(tmp_path: Path) -> None:
    """The error of a model is the same in every process: the mean stands without a ±, and a note says why."""
    changes = {name: {"components__gpu__source": "modelled"} for name in FOUR}
    found = answer(make(tmp_path / "study", changes=changes), component="gpu")
    assert all(cell.estimate is not None and cell.estimate.leading_half_width is None for cell in found.ranked)
    caveat, best, gain = words.sentences(found)
    assert gain.startswith("By the model, engine=x, batch=2 has 40.0% less J/output token than ")
    assert caveat == words.lines(found)[0] == words.plain(found)["caveats"][0]  # type: ignore[index] # a list
    assert caveat.startswith("Modelled energy cannot be ranked: ")
    assert words.markdown(found).startswith("**Modelled energy cannot be ranked: ")
    assert re.fullmatch(r"By the model, engine=x, batch=2 at \S+ J/output token has the lowest mean\.", best)
    assert any("modelled, not measured" in note for note in found.notes)


def test_what_each_axis_does_and_the_front(tmp_path: Path) -> None:
    """Batch 2 over batch 1: the mean of 0.6 and 0.5; a slower but cheaper cell is on the front, a beaten one is not."""
    speeds = dict(zip(FOUR, (50.0, 40.0, 60.0, 30.0), strict=True))
    changes = {name: {"summary__throughput_tokens_per_second": speed} for name, speed in speeds.items()}
    found = answer(make(tmp_path / "study", changes=changes), control="engine=x, batch=1")
    assert not isinstance(found.effects, str)
    engine, batch = found.effects
    assert (engine.reference, engine.level, batch.reference, batch.level) == ("x", "y", 1, 2)
    assert batch.ratio.best == pytest.approx((0.6 * 0.5) ** 0.5, rel=2e-3)
    assert found.front == ("engine=x, batch=2", "engine=x, batch=1", "engine=y, batch=1")
    assert [pair.first for pair in found.controlled] == ["engine=x, batch=1"] * 3
    text = "\n".join(words.lines(found))
    assert "Effect of batch, 2 over 1: 0.54" in text
    assert re.search(r"; 0\.(49|50)\d to 0\.(59|60)\d by the other axes", text)
    assert "Against the control (Dunnett):" in text


def test_objectives_choose_among_the_cells_that_keep_them(tmp_path: Path) -> None:
    """The cheapest of those with at least 95 % good requests, or none and how close the best came."""
    shares = dict(zip(FOUR, (0.99, 0.5, 0.97, 0.94), strict=True))
    changes = {name: {"goodput": {"share": share}} for name, share in shares.items()}
    found = words.sentences(answer(make(tmp_path / "some", changes=changes)))
    assert found[-1].startswith(
        "Of the cells with at least 95% of requests within the objectives: engine=x, batch=1 at 4"
    )
    assert "is the cheapest" in found[-1]
    changes = {name: {"goodput": {"share": share / 2}} for name, share in shares.items()}
    none = words.sentences(answer(make(tmp_path / "none", changes=changes)))
    assert none[-1] == (
        "None meets the objectives: no cell has at least 95% of requests within the objectives; the closest, "
        "engine=x, batch=1, has 49.5%."
    )


def test_what_failed_or_is_withheld_is_not_ranked_and_says_why(tmp_path: Path) -> None:
    """A verdict of FAIL, a figure that a report withholds, and a cell that never completed."""
    names = list(FOUR)
    changes = {names[1]: {"verdict__components__gpu": "FAIL"}, names[2]: {"tokens__in_doubt": "they contradict"}}
    directory = make(tmp_path / "study", changes=changes, failing=[names[3]])
    found = answer(directory)
    assert [cell.name for cell in found.ranked] == [names[0]]
    assert found.unranked == {
        names[1]: "the verdict is FAIL in 4 of 4 cycles",
        names[2]: "token counts are in doubt: they contradict",
        names[3]: "failed: out of memory",
    }
    said = words.sentences(found)
    assert said[0] == f"1 of 2 cells are not ranked, for their verdict is FAIL: {names[1]}."
    assert said[1].startswith(f"{names[0]} at ")


def test_the_verdict_decides_before_the_figure(tmp_path: Path) -> None:
    """A cell that failed is never ahead of one that did not, however little it used, nor named without its verdict."""
    names = list(FOUR)
    findings = [{"level": "FAIL", "check": "other work", "message": "m", "component": None}]
    failed = {"verdict__components__gpu": "FAIL", "verdict__findings": findings}
    found = answer(make(tmp_path / "one", changes={names[1]: failed}), with_failed=True)
    assert [cell.name for cell in found.ranked] == [names[3], names[0], names[2], names[1]]
    assert [candidate.name for candidate in found.candidates] == [names[3], names[0], names[2]]
    assert names[1] not in found.front
    caveat, best, *_ = words.sentences(found)
    assert caveat == f"Cells with a verdict of FAIL stand after all others, whatever their figure: {names[1]}."
    assert best.startswith(f"{names[3]} at ")
    every = answer(make(tmp_path / "all", changes=dict.fromkeys(names, failed)), with_failed=True)
    assert re.search(
        r"^engine=x, batch=2 at \S+ ± \S+ J/output token \(verdict FAIL: other work\)", words.lines(every)[0]
    )


def test_a_short_cell_is_not_ahead_unseen_of_a_long_one_that_failed(tmp_path: Path) -> None:
    """The check that failed for one cell and could not be made for the best one is named with it."""
    names = list(FOUR)
    of = {
        level: [{"level": level, "check": "other work", "message": "m", "component": None}]
        for level in ("WARN", "FAIL")
    }
    changes = {
        names[1]: {"verdict__components__gpu": "WARN", "verdict__findings": of["WARN"]},
        names[3]: {"verdict__components__gpu": "FAIL", "verdict__findings": of["FAIL"]},
    }
    out, doubt, best, *_ = words.sentences(answer(make(tmp_path / "study", changes=changes)))
    assert out == f"1 of 4 cells are not ranked, for their verdict is FAIL: {names[3]}."
    assert doubt == f"'other work', which failed there, is a WARN of {names[1]}: the same may be true of it."
    assert " J/output token (verdict WARN: other work) is the cheapest" in best


def test_without_a_ranked_cell_the_failed_checks_and_a_fix_are_named(tmp_path: Path) -> None:
    """As counts of cycles, of the component's checks alone; and an unknown control is refused all the same."""
    findings = [
        {"level": "FAIL", "check": "other work", "message": "m", "component": None},
        {"level": "FAIL", "check": "counter", "message": "m", "component": "cpu"},
        {"level": "WARN", "check": "clocks", "message": "m", "component": None},
    ]
    changes = {name: {"verdict__components__gpu": "FAIL", "verdict__findings": findings} for name in FOUR}
    directory = make(tmp_path / "study", changes=changes, cycles=(1.0, 1.01))
    found = answer(directory, control="engine=x, batch=1")
    reason = "the verdict is FAIL in 2 of 2 cycles: other work in 2 of 2 cycles"
    assert found.unranked == dict.fromkeys(FOUR, reason)
    text = words.lines(found)
    assert text[:2] == ("No cell can be ranked.", f"Not ranked: {next(iter(FOUR))}: {reason}")
    assert text[-1].startswith("fix: measure again while the machine is at rest")
    assert text[-1].endswith("--with-failed")
    assert "- fix: measure again" in words.markdown(found)
    assert words.plain(found)["fix"] == text[-1].removeprefix("fix: ")
    with pytest.raises(ConfigError, match="has no cell 'nothing'"):
        answer(directory, control="nothing")


def test_work_that_differs_between_cells_is_a_note(tmp_path: Path) -> None:
    """Other prompts, and other numbers of tokens that were emitted."""
    changed_work = {"config__num_samples": 9, "summary__total_completion_tokens": 30.0}
    other_gpu = {"metrics_metadata__devices": [{"component": "gpu", "id": "GPU-1", "counted": True}]}
    changes = {"engine=y, batch=1": changed_work | other_gpu}
    assert answer(make(tmp_path / "study", changes=changes)).notes == (
        "the work differs between cells: prompts: num_samples is 5 or 9",
        "emitted tokens differ between cells: 4 to 6 output tokens a request",
        "cells were measured on different devices: the gain of their sensors is in no ratio",
    )


def test_a_study_without_a_complete_cell_has_no_answer(tmp_path: Path) -> None:
    """The fix is to go on."""
    directory = make(tmp_path / "study", failing=list(FOUR))
    with pytest.raises(ConfigError, match=r"no cell of .* is complete yet"):
        answer(directory)
    with pytest.raises(ConfigError, match="has no cell 'nothing'"):
        answer(make(tmp_path / "other"), control="nothing")


def test_the_command_writes_text_markdown_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One report in three forms."""
    directory = str(make(tmp_path / "study"))
    assert report.main([directory], standalone_mode=False) == 0
    assert "is the cheapest" in capsys.readouterr().out
    assert report.main([directory, "--format", "markdown"], standalone_mode=False) == 0
    assert "| engine=x, batch=2 | 4 | 2.4" in capsys.readouterr().out
    file = tmp_path / "report.json"
    assert report.main([directory, "--format", "json", "--output", str(file)], standalone_mode=False) == 0
    plain = json.loads(file.read_text())
    assert plain["cells"][0]["estimate"]["n"] == 4
    assert plain["candidates"][0]["may_be_best"] is True


def test_a_study_may_be_given_as_text(tmp_path: Path) -> None:
    """The documented calls take ``str`` as they take ``Path``."""
    study = make(tmp_path / "study")
    assert [cell.name for cell in answer(str(study)).ranked] == [cell.name for cell in answer(study).ranked]
    assert [chart.spec for chart in charts_of(str(study))] == [chart.spec for chart in charts_of(study)]
    assert page_of(str(study)) == page_of(study)
    assert table_of(str(study)) == table_of(study)


def test_what_one_engine_alone_has_is_no_axis(tmp_path: Path) -> None:
    """An option that only changes with the engine, and settings that change together, leave the crossing complete."""
    fixed: Settings = {"backend.type": "x", "backend.options.dtype": "bfloat16"}
    engines: list[Settings] = [fixed, {"backend.type": "y"}]
    lengths: list[Settings] = [{"s.samples": 64, "s.tokens": 32}, {"s.samples": 8, "s.tokens": 256}]
    cells = {f"{e}{n}": {**engine, **length} for e, engine in enumerate(engines) for n, length in enumerate(lengths)}
    found = answer(make(tmp_path / "study", cells=cells, means=dict(zip(cells, (4.0, 2.0, 5.0, 2.5), strict=True))))
    assert not isinstance(found.effects, str)
    assert [(effect.axis, effect.reference, effect.level) for effect in found.effects] == [
        ("backend.type", "x", "y"), ("s.samples, s.tokens", "samples=64, tokens=32", "samples=8, tokens=256"),
    ]  # fmt: skip
    assert [effect.ratio.best for effect in found.effects] == pytest.approx([1.25, 0.5], rel=2e-3)
    axes = [chart.name for chart in charts_of(tmp_path / "study") if chart.name.startswith("axis-")]
    assert axes == ["axis-backend-type", "axis-s-samples", "axis-s-tokens"]


@pytest.mark.parametrize(
    ("cells", "axes"),
    [
        ([{"a": 1}, {"a": 2}], (("a",),)),
        ([{"a": 1, "c": 5}, {"a": 2, "c": 5}], (("a",),)),
        ([{}, {"a": 2}], (("a",),)),
        ([{"e": "p", "o": 1}, {"e": "p", "o": 2}, {"e": "v"}], (("e", "o"),)),
        ([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}], (("a",), ("b",))),
        ([{"e": "p", "d": 16}, {"e": "v", "d": 32}, {"e": "t", "d": 32}], (("e", "d"),)),
    ],
)
def test_an_axis_is_what_varies_by_itself(cells: list[dict[str, AxisValue]], axes: tuple[tuple[str, ...], ...]) -> None:
    """What follows from another setting is named with it, or not at all where it has a single value."""
    assert independent_axes(cells) == axes


EVIL = "\x9b31m\x7f\x1b[2J\u202ea\u2028b\r\n\ud800 é ±"


def test_json_has_every_value_as_it_is_and_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in the name of a cell are escaped as JSON escapes them, so that a program reads them back."""
    directory = make(tmp_path / "study", {"a": {"x": EVIL}, "b": {"x": "fine"}}, {"a": 2.0, "b": 4.0})
    assert report.main([str(directory), "--format", "json"], standalone_mode=False) == 0
    shown = capsys.readouterr().out
    assert not [letter for letter in shown if not letter.isprintable() and letter != "\n"]
    assert json.loads(shown)["cells"][0]["settings"] == {"x": EVIL}
    assert "é ±" in shown
    assert compare.main([f"{directory}:b", f"{directory}:b", "--format", "json"], standalone_mode=False) == 0
    assert json.loads(capsys.readouterr().out)["decision"] is None


def test_json_has_no_number_that_is_none() -> None:
    """What is not finite is null: JSON has no infinity."""
    assert json.loads(shown_json({"a": [float("inf"), (1.5, float("nan"))]})) == {"a": [None, [1.5, None]]}
