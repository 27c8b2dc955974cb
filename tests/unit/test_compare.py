"""Comparing two sets of results: what is refused, what is said beside the ratio, and what the gate decides."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.ratio import Decision, decide
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.quotable import J_PER_OUTPUT_TOKEN
from ai_energy_benchmarks.study.comparison import words
from ai_energy_benchmarks.study.comparison.comparing import Comparison, compare
from ai_energy_benchmarks.study.comparison.shown import ComparisonView, compare_results
from ai_energy_benchmarks.study.comparison.sides import Sides
from ai_energy_benchmarks.study.stored_runs import StoredRun, read_runs, run_of
from tests.factories import completion, reading, result, trial

CONFIG = """
backend: {type: fake, model: test-model, options: {dtype: float32}}
scenario: {num_samples: 5, generate_kwargs: {max_new_tokens: 4, do_sample: false}}
load: {concurrency: 1, salt: auto}
"""
Changes = Mapping[str, object]


def base(**changes: object) -> dict[str, object]:
    """The report of a run that nothing is wrong with; ``a__b`` changes the key ``b`` of the block ``a``."""
    made = result([trial(number, reading(half_width_j=0.05)) for number in range(1, 6)])
    document = report_document(evolve(made, config_yaml=CONFIG, dataset_sha256="ab" * 32))
    document["verdict"] = {"level": "PASS", "headline": "gpu", "components": {"gpu": "PASS"}, "findings": []}
    return changed(document, changes)


def changed(document: dict[str, object], changes: Changes) -> dict[str, object]:
    document = json.loads(json.dumps(document))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = document
        for name in parents:
            place = place.setdefault(name, {})  # type: ignore[assignment] # mappings all the way down
        place[last] = value
    return document


BASE = base()


def run(factor: float = 1.0, number: int = 0, **changes: object) -> StoredRun:
    """A run whose J per output token is 5 times a factor, with its bounds around it."""
    per_token = {
        "value": 5 * factor,
        "low": 4.9975 * factor,
        "high": 5.0025 * factor,
        "n": 5,
        "standard_deviation": 0.05,
    }
    derived = {"derived__gpu__j_per_output_token": per_token, "run_id": f"run-{number}"}
    return run_of(changed(BASE, derived | changes))


def runs(factors: Iterable[float], **changes: object) -> list[StoredRun]:
    return [run(factor, number, **changes) for number, factor in enumerate(factors)]


STEADY = (1.0, 1.01, 0.99, 1.005, 0.995)


def compared(more: float = 1.0, *, limit: float | None = None, **changes: object) -> Comparison:
    """Five alike runs against five that use so many times as much."""
    return compare(runs(STEADY), runs([more * factor for factor in STEADY], **changes), limit=limit)


@pytest.fixture(scope="module")
def simulated() -> Callable[[float], list[StoredRun]]:
    """Make five cycles around a mean, with a CV of 1 %; the documents share all but their figure."""
    dice, bare = random.Random(15), [run() for _ in range(5)]

    def arm(mean: float) -> list[StoredRun]:
        return [evolve(of, document=with_figure(of.document, 5 * mean * math.exp(dice.gauss(0, 0.01)))) for of in bare]

    return arm


def with_figure(document: Mapping[str, object], value: float) -> dict[str, object]:
    """The document with another J per output token and nothing copied that stays."""
    derived = document["derived"]
    assert isinstance(derived, Mapping)
    per_token = {"value": value, "low": value, "high": value}
    return {**document, "derived": {**derived, "gpu": {**derived["gpu"], "j_per_output_token": per_token}}}


GATE = [(1.08, "regression", 0.95, 1.0), (1.01, "pass", 0.95, 1.0), (1.03, "regression", 0.0, 0.05)]


@pytest.mark.parametrize(("truth", "decision", "least", "most"), GATE)
def test_the_gate_decides_as_it_promises(
    simulated: Callable[[float], list[StoredRun]], truth: float, decision: Decision, least: float, most: float
) -> None:
    """At a CV of 1 %, five cycles an arm and 5 %: +8 % is a regression, +1 % passes, +3 % is hardly ever one."""
    sides = (Sides(simulated(1.0), simulated(truth), "gpu") for _ in range(2000))
    share = sum(decide(each.ratio(J_PER_OUTPUT_TOKEN), 0.05) == decision for each in sides) / 2000
    assert least <= share <= most


def test_the_command_decides_by_that_ratio(simulated: Callable[[float], list[StoredRun]]) -> None:
    """What is simulated above is what ``compare`` returns."""
    for truth in (1.01, 1.03, 1.05, 1.08) * 10:
        first, second = simulated(1.0), simulated(truth)
        quotient = Sides(first, second, "gpu").ratio(J_PER_OUTPUT_TOKEN)
        found = compare(first, second, limit=0.05)
        assert (found.quotient, found.decision) == (quotient, decide(quotient, 0.05))


def test_the_ratio_is_that_of_the_means() -> None:
    """Ten percent more is a ratio of 1.1, whose interval holds it."""
    found = compared(1.1, limit=0.05)
    assert found.quotient.best == pytest.approx(1.1)
    assert found.quotient.low is not None
    assert found.quotient.high is not None
    assert 1.05 < found.quotient.low < 1.1 < found.quotient.high
    assert (found.decision, found.component, found.figure) == ("regression", "gpu", "j_per_output_token")
    assert (found.cautions, found.noted, found.allowed) == ((), (), ())
    assert found.first.cv == pytest.approx(0.0079, rel=0.01)


def test_of_a_throughput_less_is_worse() -> None:
    """The limit holds for how much slower B is."""
    slow = compare(
        runs(STEADY, summary__throughput_tokens_per_second=100.0),
        runs(STEADY, summary__throughput_tokens_per_second=90.0),
        figure="output_tokens_per_s",
        limit=0.05,
    )
    assert slow.quotient.best == pytest.approx(0.9)
    assert slow.decision == "regression"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config__model": "other"}, "model: model is test-model in A, other in B"),
        ({"config__dataset_sha256": "cd" * 32}, "dataset: the prompts' hash is abababababab in A, cdcdcdcdcdcd in B"),
        ({"config__num_samples": 6}, "prompts: num_samples is 5 in A, 6 in B"),
        (
            {"config__settings__scenario__generate_kwargs__max_new_tokens": 8},
            "generation: max_new_tokens is 4 in A, 8 in B",
        ),
        ({"totals__token_sources": ["usage"]}, "tokens: the source of token counts is token_ids in A, usage in B"),
        ({"config__batch_size": 4}, "load: batch_size is 1 in A, 4 in B"),
        ({"config__settings__load__concurrency": 4}, "load: concurrency is 1 in A, 4 in B"),
        ({"components__gpu__source": "modelled"}, "method: the method of GPU energy is measured in A, modelled in B"),
    ],
)
def test_unlike_work_is_refused_by_name(changes: Changes, said: str) -> None:
    """Each difference is named, with the option that allows it."""
    with pytest.raises(ConfigError) as refused:
        compared(**changes)
    assert said in str(refused.value)
    kind = said.partition(":")[0]
    assert f"--allow {kind}" in str(refused.value)
    allowed = compare(runs(STEADY), runs(STEADY, **changes), allow=(kind,))  # type: ignore[arg-type] # a kind by name
    assert [str(each) for each in allowed.allowed] == [said]


def test_results_of_one_side_must_be_alike_too() -> None:
    """A mean over two workloads is none of either."""
    with pytest.raises(ConfigError, match="num_samples is 5 in A, 5 and 6 in B"):
        compare(runs(STEADY), [run(), run(number=1, config__num_samples=6)])


def test_all_differences_are_named_at_once() -> None:
    """Whoever mends one finds no next one."""
    with pytest.raises(ConfigError, match=r"(?s)model: .*load: .*--allow model --allow load"):
        compared(config__model="other", config__batch_size=2)


def test_what_is_withheld_or_failed_is_refused() -> None:
    """Unresolved windows, doubtful tokens, runs that were cut short, steady states that are not, and FAIL."""
    unresolved = {"derived__gpu__j_per_output_token": {"value": None, "low": 1.0, "high": 9.0}}
    for changes, said in (
        (unresolved, "not resolved: within [1.0, 9.0]"),
        ({"tokens__in_doubt": "they contradict"}, "token counts are in doubt: they contradict"),
        ({"ending": "interrupted"}, "the run was interrupted"),
        ({"derived__gpu__steady": None, "steady_state": {"absent": "too short"}}, "no steady state: too short"),
        ({"verdict__components__gpu": "FAIL"}, "FAIL for 0 of 5 runs in A, FAIL for 5 of 5 runs in B"),
    ):
        with pytest.raises(ConfigError) as refused:
            compared(**changes)
        assert said in str(refused.value)
    assert refused.value.remedy == "measure again without what failed, or --allow verdict"


def test_a_figure_or_component_that_is_not_there_is_refused() -> None:
    """An unknown figure lists the known ones; headlines about different components need a choice."""
    with pytest.raises(ConfigError, match=r"choose one of j_per_output_token, j_per_request"):
        compare([run()], [run()], figure="joules")
    with pytest.raises(ConfigError, match="gpu and cpu"):
        compared(verdict__headline="cpu")
    with pytest.raises(ConfigError, match="no meter saw the DRAM"):
        compare(runs(STEADY), runs(STEADY), component="dram")


def test_emitted_tokens_that_differ_are_said_with_both_signs() -> None:
    """111 against 120 tokens a request: 3 % less per token is 5 % more per request, and the text says that it turns."""
    first = runs(STEADY, summary__total_completion_tokens=555.0)
    second = runs([0.97 * each for each in STEADY], summary__total_completion_tokens=600.0)
    for side, per_request in ((first, 555.0), (second, 0.97 * 600.0)):
        wh = dict.fromkeys(("value", "low", "high"), per_request / 3600)
        side[:] = [
            evolve(each, document=changed(dict(each.document), {"derived__gpu__wh_per_request": wh})) for each in side
        ]
    (said,) = compare(first, second).cautions
    assert said == (
        "emitted tokens differ: 111 output tokens a request in A, 120 in B; B uses -3.0% J per output token and "
        "+4.9% J per request: the sign depends on which of the two is meant"
    )


def test_circumstances_that_differed_are_named() -> None:
    """Clocks, heat, brakes, caches, drivers, engines and settings: under the ratio, not in its way."""
    conditions = {"id": "GPU-0", "name": "Test board 0", "sm_clock_mhz": 1400.0, "temperature_celsius": 50.0}
    hot = {**conditions, "sm_clock_mhz": 1200.0, "temperature_celsius": 80.0, "power_limit_w": 300.0}
    hot["throttled_share"] = {"the driver's thermal limit": 0.25}
    first = runs(STEADY, gpu_conditions=[{**conditions, "power_limit_w": 700.0}])
    second = runs(
        STEADY,
        gpu_conditions=[hot],
        tokens__cached_prompt=25.0,
        environment__driver_version="580.1",
        environment__libraries={"torch": "2.13.0"},
        backend_info__engine="fake 2.0",
        config__settings__backend__options__dtype="bfloat16",
    )
    assert compare(first, second).noted == (
        "backend.options.dtype: float32 in A, bfloat16 in B",
        "engine: fake 1.0 in A, fake 2.0 in B",
        "driver: None in A, 580.1 in B",
        "torch: None in A, 2.13.0 in B",
        "mean clock of the GPU: 1400 MHz in A, 1200 MHz in B",
        "temperature of the GPU: 50 °C in A, 80 °C in B",
        "power limit of the GPU: 700 W in A, 300 W in B",
        "the driver's thermal limit held clocks down for 0.0% of the trials in A, 25.0% in B",
        "prompt tokens from a cache: 0.0% in A, 50.0% in B",
    )


def test_single_results_are_no_replicates() -> None:
    """The interval of trials within one process may be used, with a warning that says what it is."""
    found = compare([run()], [run(1.2)], limit=0.05)
    assert found.quotient.method == "trials of one process"
    assert any("no replication" in each for each in found.cautions)


def test_other_gpus_bring_the_gain_of_their_sensors() -> None:
    """On one GPU it cancels; on two it widens the interval where it is known, and is a warning where it is not."""
    other = [{"component": "gpu", "id": "GPU-1", "counted": True}]
    limit = {"components__gpu__sensor_gain_limit": 0.05}
    known = compare(runs(STEADY, **limit), runs(STEADY, **limit, metrics_metadata__devices=other))
    alone = compare(runs(STEADY), runs(STEADY))
    assert alone.quotient.high is not None
    assert known.quotient.high is not None
    assert alone.quotient.high < 1.02
    assert known.quotient.high > 1.08
    assert any("gain of both sensors" in each for each in known.cautions)
    unknown = compare(
        runs(STEADY), runs(STEADY, metrics_metadata__devices=other, components__gpu__sensor_gain_limit=None)
    )
    assert any("gains are not known" in each for each in unknown.cautions)


def test_the_meters_bounds_are_in_the_interval() -> None:
    """Equal processes still leave what the meter leaves."""
    found = compare(runs([1.0] * 5), runs([1.0] * 5))
    assert found.quotient.high == pytest.approx(math.exp(2 * 0.0005), rel=1e-6)


def test_cells_of_one_study_are_compared_cycle_by_cycle() -> None:
    """What a cycle does to both cells cancels."""
    drift = (1.0, 1.1, 1.2)
    sides = [
        [evolve(run(more * each, cycle), cycle=cycle, study=Path("study")) for cycle, each in enumerate(drift)]
        for more in (1.0, 1.1)
    ]
    found = compare(*sides)
    assert found.quotient.method == "paired by cycle"
    assert ", 95 %, paired by cycle, 2 degrees of freedom)" in words.sentence(found)
    two_cycles = [side[:2] for side in sides]
    assert ", 95 %, paired by cycle, 1 degree of freedom)" in words.sentence(compare(*two_cycles))
    assert found.quotient.high == pytest.approx(1.1, rel=2e-3)


def test_python_compares_what_the_command_line_does(tmp_path: Path) -> None:
    """Paths are read as ``compare`` reads them; one path needs no list."""
    places = [tmp_path / name / "result.json" for name in ("a", "b")]
    for place, energy in zip(places, (1.0, 1.1), strict=True):
        place.parent.mkdir()
        place.write_text(json.dumps(run(energy).document))
    found = compare_results(places[0].parent, [str(places[1].parent)], limit=0.05)
    assert found.comparison.quotient.best == pytest.approx(1.1)
    assert repr(found).startswith("REGRESSION")


def test_text_and_markdown_say_the_same() -> None:
    """The decision leads; names cannot break the table or the page."""
    changes = {"name": "<b>a|b</b> @all"}
    found = compared(1.1, limit=0.05, **changes)
    first, second, *_ = words.lines(found)
    assert first == "REGRESSION: B is more than 5% worse"
    assert second.startswith("B has 10.0% more GPU J/output token than A (ratio 1.100 [1.0")
    page = ComparisonView(found)._repr_markdown_()
    assert page == words.markdown(found)
    assert repr(ComparisonView(found)) == "\n".join(words.lines(found))
    assert page.startswith("### ❌ REGRESSION: B is more than 5% worse\n")
    assert "| B | &lt;b&gt;a\\|b&lt;/b&gt; @\u200ball | 5 | 5.500 | 0.8% | 4 | 5 × PASS |" in page
    assert json.loads(json.dumps(words.plain(found)))["quotient"]["best"] == pytest.approx(1.1)


def test_paths_are_files_directories_and_directories_of_these(tmp_path: Path) -> None:
    """A result.json, the directory around it, several of them; the same run twice is no replicate."""
    for number in (1, 2):
        directory = tmp_path / "set" / str(number)
        directory.mkdir(parents=True)
        (directory / "result.json").write_text(json.dumps(BASE))
    first = tmp_path / "set" / "1"
    assert len(read_runs([tmp_path / "set"])) == 2
    assert read_runs([first])[0].settings == read_runs([first / "result.json"])[0].settings
    with pytest.raises(ConfigError, match="given twice"):
        read_runs([first, first / "result.json"])
    with pytest.raises(ConfigError, match="there is no"):
        read_runs([tmp_path / "nowhere"])


def test_an_older_document_takes_its_settings_from_the_config_beside_it(tmp_path: Path) -> None:
    """Results without settings are compared all the same."""
    (tmp_path / "result.json").write_text(json.dumps(changed(BASE, {"config__settings": {}})))
    (tmp_path / "config.yaml").write_text("# run_id: x\n" + CONFIG)
    (read,) = read_runs([tmp_path])
    assert compare([read], [run()]).allowed == ()
    assert completion().output_tokens == 4  # as CONFIG says
