"""Whether two results are of the same work: what must agree before their ratio means anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from attrs import frozen

from ai_energy_benchmarks.results.quotable import block
from ai_energy_benchmarks.study.stored_runs import StoredRun

Kind = Literal["model", "dataset", "prompts", "generation", "tokens", "load", "method", "verdict"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Keys of ``scenario`` that change what is generated, and those of ``load`` that change nothing of the work.
_GENERATION = ("truncation", "chat_template", "reasoning", "reasoning_params")
_NO_LOAD = ("salt", "watch_server_s", "cancel_cap_s")
Facts = Mapping[tuple[Kind, str], object]


@frozen
class Difference:
    """One thing that is not the same on both sides, or on one.

    Attributes:
        kind: what ``--allow`` calls it.
        name: of the setting.
        first, second: what each side has, in words.
    """

    kind: Kind
    name: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name} is {self.first} in A, {self.second} in B"


def unlike(first: Sequence[StoredRun], second: Sequence[StoredRun]) -> tuple[Difference, ...]:
    """Everything in which the work differs, between the sides or within one; unknown differs from nothing."""
    facts = [list(map(work, side)) for side in (first, second)]
    found = []
    for kind, name in dict.fromkeys(key for side in facts for of in side for key in of):
        values = [_distinct(of.get((kind, name)) for of in side) for side in facts]
        if all(values) and values[0] + values[1] != 2 * values[0][:1]:
            found.append(Difference(kind, name, *(" and ".join(side) for side in values)))
    return tuple(found)


def _distinct(values: Iterator[object]) -> list[str]:
    return list(dict.fromkeys(_shown(value) for value in values if value is not None))


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def work(run: StoredRun) -> Facts:
    """What was asked of the model; None and missing keys are unknown."""
    config, scenario = block(run.document, "config"), block(run.settings, "scenario")
    facts: dict[tuple[Kind, str], object] = {("model", "model"): config.get("model")}
    facts["dataset", "the prompts' hash"] = _hash(config) or None
    if not _hash(config):
        facts["dataset", "dataset"] = config.get("dataset")
        facts["dataset", "sampling"] = config.get("sampling")
    facts["prompts", "num_samples"] = config.get("num_samples")
    sources = block(run.document, "totals").get("token_sources")
    facts["tokens", "the source of token counts"] = (
        " and ".join(map(str, sources)) if isinstance(sources, list) else None
    )
    facts["load", "batch_size"] = config.get("batch_size")
    facts |= _keys("load", block(run.settings, "load"), _NO_LOAD)
    facts |= _keys("generation", block(scenario, "generate_kwargs"))
    facts |= _keys("generation", {key: scenario[key] for key in _GENERATION if key in scenario})
    if block(scenario, "generate_kwargs").get("do_sample"):
        facts["generation", "seed"] = scenario.get("seed")
    return facts


def _hash(config: Mapping[str, object]) -> str:
    digest = config.get("dataset_sha256")
    return digest[:12] if isinstance(digest, str) else ""


def _keys(kind: Kind, of: Mapping[str, object], without: Sequence[str] = ()) -> dict[tuple[Kind, str], object]:
    """A null is a value here: it is the engine's own default."""
    return {(kind, key): "null" if value is None else value for key, value in of.items() if key not in without}
