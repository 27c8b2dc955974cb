"""A result directory back to the benchmark that wrote it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.carbon import tariff_for
from ai_energy_benchmarks.config.loading import config_from_yaml
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Device, Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon, Reasoning, Step, Subject, Trial
from ai_energy_benchmarks.domain.verdict import Finding, Level, Verdict
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.details import stored
from ai_energy_benchmarks.results.judging import required_components
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_results
from ai_energy_benchmarks.results.request_columns import outcome
from ai_energy_benchmarks.results.requests import FILLERS_FILE
from ai_energy_benchmarks.results.run_id import run_id_of, without_run_id
from ai_energy_benchmarks.results.stored_tables import read_requests, read_timeline, whole_table
from ai_energy_benchmarks.safety.files import refuse_special
from ai_energy_benchmarks.text.json_text import parsed

if TYPE_CHECKING:
    import polars

_REMEDY = "re-analysis needs the files of the json and parquet reporters, side by side under their own names"


@frozen
class Stored:
    """What a result directory holds.

    Attributes:
        result: as it was measured; summary and verdict are those of the recorded readings.
    """

    config: BenchmarkConfig
    result: BenchmarkResult


def load_stored(directory: Path) -> Stored:
    """Read ``result.json``, ``config.yaml``, ``requests.parquet``, ``timeline.parquet`` and any ``fillers.parquet``.

    Raises:
        ConfigError: a file is missing, cannot be read, or does not hold what re-analysis needs.
    """
    from polars.exceptions import PolarsError

    (document,) = load_results(directory / RESULT_FILE)
    try:
        return _loaded(directory, document)
    except ConfigError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, PolarsError) as error:
        text = f"the files of {directory} are not those that this package wrote: {type(error).__name__}: {error}"
        raise ConfigError(text, remedy="restore them from a copy, or measure again") from error


def _loaded(directory: Path, document: Mapping[str, Any]) -> Stored:
    config_yaml = _text(directory / "config.yaml")
    config = config_from_yaml(config_yaml, source=str(directory / "config.yaml"), stored=True)
    requests = whole_table(directory / "requests.parquet", read_requests)
    timeline = whole_table(directory / "timeline.parquet", read_timeline)
    fillers = _fillers(directory / FILLERS_FILE)
    ids = {
        RESULT_FILE: {document.get("run_id")},
        "config.yaml": {run_id_of(config_yaml)},
        "timeline.parquet": set(_of(timeline, "run")["detail"]) or {None},
        "requests.parquet": _ids(requests),
        FILLERS_FILE: _ids(fillers),
    }
    run_id = _one_run(directory, ids)
    samples = _samples(timeline)
    steps, trials = _windows(directory, timeline, outcomes_by_trial(requests), outcomes_by_trial(fillers))
    report = directory / RESULT_FILE
    info, asked = document["backend_info"], document["reasoning"]
    engine = stored(info, EngineFacts, f"backend_info of {report}") if info else None
    required = required_components(config, engine, trials, steps, samples)
    result = BenchmarkResult(
        subject=_subject(document),
        config_yaml=without_run_id(config_yaml),
        started_utc=document["started_utc"],
        ending=document["ending"],
        steps=steps,
        trials=trials,
        summary=summarise(trials, steps, slo=config.scenario.slo, required=required),
        verdict=_recorded_verdict(document["verdict"]),
        environment=stored(document["environment"], Environment, f"environment of {report}"),
        engine=engine,
        dataset_sha256=document["config"]["dataset_sha256"],
        prompt_indices=prompt_indices(requests),
        samples=samples,
        carbon=_carbon(document["energy"]),
        tariff=tariff_for(config.metrics),
        wall_factor=config.metrics.wall_factor,
        reasoning=stored(asked, Reasoning, f"reasoning of {report}") if asked else None,
        save_texts=config.save_texts,
        clock_offset_s=_of(timeline, "clock")["value"][0],
        meter_notes=tuple(_of(timeline, "meter note")["detail"]),
        noticed=tuple(
            Finding(
                cast("Level", row["name"]), row["subject"], row["detail"], cast("Component | None", row["component"])
            )
            for row in _of(timeline, "finding").iter_rows(named=True)
        ),
        schema_version=document["schema_version"],
        run_id=run_id,
    )
    return Stored(config, result)


def _ids(frame: polars.DataFrame | None) -> set[str | None]:
    """The runs that rows of requests name; empty without rows."""
    if frame is None or not len(frame):
        return set()
    return set(frame["run_id"].unique()) if "run_id" in frame.columns else {None}


def _one_run(directory: Path, ids: Mapping[str, set[str | None]]) -> str:
    """The run that wrote all files; empty if an older version did.

    Args:
        ids: file → the runs that it names; None where it names none.
    """
    known = set().union(*ids.values())
    if len(known) > 1:
        named = "; ".join(f"{name}: {' and '.join(sorted(map(str, of)))}" for name, of in ids.items() if of)
        raise ConfigError(
            f"the files of {directory} come from different runs ({named})",
            remedy=f"ai-energy-benchmark recover {directory}, or measure again",
        )
    return known.pop() or ""


def _text(file: Path) -> str:
    try:
        refuse_special(file)
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}", remedy=_REMEDY) from error


def _of(timeline: polars.DataFrame, kind: str) -> polars.DataFrame:
    return timeline.filter(kind=kind)


def _samples(timeline: polars.DataFrame) -> Samples:
    key = ("name", "subject", "component", "meter")
    parts = _of(timeline, "sample").partition_by(key, as_dict=True, maintain_order=True)
    found = []
    for row in _of(timeline, "series").iter_rows(named=True):
        part = parts[tuple(row[each] for each in key)]
        device = Device(cast("Component", row["component"]), row["subject"], row["detail"])
        columns = (array("d", part[each].to_list()) for each in ("before_s", "after_s", "value"))
        found.append(Series(device, cast("Quantity", row["name"]), row["meter"], *columns))
    return Samples(tuple(found))


def _fillers(file: Path) -> polars.DataFrame | None:
    """The filler requests; None where a run had none."""
    return whole_table(file, read_requests) if file.exists() else None


def _windows(
    directory: Path,
    timeline: polars.DataFrame,
    outcomes: Mapping[int, tuple[Outcome, ...]],
    fillers: Mapping[int, tuple[Outcome, ...]],
) -> tuple[tuple[Step, ...], tuple[Trial, ...]]:
    steps: list[Step] = []
    trials: list[Trial] = []
    place = f"a mark in {directory / 'timeline.parquet'}"
    for detail in _of(timeline, "mark").filter(name="stop")["detail"]:
        window = parsed(detail)
        if "step" in window:
            steps.append(stored(window["step"], Step, place))
        else:
            trial = stored(window["trial"], Trial, place)
            number = trial.number
            trials.append(evolve(trial, outcomes=outcomes.get(number, ()), fillers=fillers.get(number, ())))
    return tuple(steps), tuple(trials)


def outcomes_by_trial(requests: polars.DataFrame | None) -> dict[int, tuple[Outcome, ...]]:
    """Trial number → its outcomes, from rows of requests."""
    found: dict[int, list[Outcome]] = {}
    for row in requests.iter_rows(named=True) if requests is not None else ():
        found.setdefault(row["trial"], []).append(outcome(row))
    return {number: tuple(outcomes) for number, outcomes in found.items()}


def prompt_indices(requests: polars.DataFrame) -> tuple[int, ...]:
    """The prompt index of each request of a pass, from rows of requests."""
    return in_order(dict(zip(requests["number"], requests["prompt_index"], strict=True)))


def in_order(indices: Mapping[int, int]) -> tuple[int, ...]:
    """The prompt index of each request of a pass, of a mapping from its number."""
    return tuple(indices[number] for number in _from_zero(indices))


def outcomes_of(requests: polars.DataFrame) -> Iterator[Outcome]:
    """The outcome of each row of a table of requests."""
    return map(outcome, requests.iter_rows(named=True))


def _from_zero(numbers: Iterable[int]) -> Iterable[int]:
    known = set(numbers)
    number = 0
    while number in known:
        yield number
        number += 1


def _recorded_verdict(block: Mapping[str, Any]) -> Verdict:
    """As the document has it; re-analysis makes another one."""
    findings = (
        Finding(cast("Level", each["level"]), each["check"], each["message"], each.get("component"))
        for each in block["findings"]
    )
    return Verdict(tuple(findings), tuple(block.get("components") or ()))


def _subject(document: Mapping[str, Any]) -> Subject:
    """What was measured, as the report names it."""
    said, energy = document["config"], document["energy"]
    return Subject(
        name=said["name"],
        backend=said["backend"],
        model=said["model"],
        dataset=said["dataset"],
        num_samples=said["num_samples"],
        batch_size=said["batch_size"],
        device_ids=tuple(said["device_ids"]),
        project_name=energy["project_name"],
        country=energy["country"],
        region=energy["region"],
        sampling=said.get("sampling", "first"),
        dataset_options=said.get("dataset_options", {}),
    )


def _carbon(energy: Mapping[str, Any]) -> Carbon | None:
    known = energy["emissions_source"] != "absent" or energy["carbon_intensity_g_per_kwh"] or energy["pue"] != 1.0
    if not known:
        return None
    # Older documents name the source only where there are emissions.
    source = energy.get("carbon_intensity_source", energy["emissions_source"])
    return Carbon(energy["carbon_intensity_g_per_kwh"], energy["pue"], source)
