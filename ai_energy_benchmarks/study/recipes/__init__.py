"""Studies by name: the questions that people ask most, each as a study file that can be printed and edited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.environment_variables import escape
from ai_energy_benchmarks.text.problems import InvalidError, nearest
from ai_energy_benchmarks.text.yaml_text import dump

_DIRECTORY = Path(__file__).parent
RECIPES: Mapping[str, str] = {
    "cheapest-under-slo": "Which load costs the least energy per token while requests keep their latency objectives?",
    "power-cap": "Which power limit of the GPU costs the least energy per token, and how much speed does it cost?",
    "batch-curve": "How does the energy per token fall with the batch size, or with the requests in flight?",
    "quantization": "What do weights of fewer bits save?",
    "engines": "Which engine needs the least energy for the same model and prompts?",
}
_SERVER_LOAD = "load.concurrency: {pow2: {min: 1, max: 64}}"
_BATCHES = "scenario.input_shapes.batch_size: {pow2: {min: 1, max: 64}}"
_LOADING_PYTORCH = """\
    - {backend.options.dtype: bfloat16}
    - {backend.options.dtype: bfloat16, backend.options.quantization: {bits: 8}}
    - {backend.options.dtype: bfloat16, backend.options.quantization: {bits: 4, kind: nf4}}"""
_LOADING_CHECKPOINTS = """\
    - {backend.model: @MODEL@}
    - {backend.model: @FP8@}        # the same model quantised, as a checkpoint of its own
    - {backend.model: @AWQ@}"""


@frozen
class Subject:
    """What a recipe is about.

    Attributes:
        endpoint: address of a server that runs already; None starts one for every cell, or runs in process.
        ttft_s, tpot_s: objectives of ``cheapest-under-slo``.
    """

    model: str = "HuggingFaceTB/SmolLM2-135M-Instruct"
    backend: str = "pytorch"
    endpoint: str | None = None
    ttft_s: float = 0.5
    tpot_s: float = 0.05


def recipe_text(name: str, subject: Subject, file: str = "study.yaml") -> str:
    """The study file of a recipe.

    Raises:
        ConfigError: there is no such recipe or engine.
    """
    if name not in RECIPES:
        known = ", ".join(RECIPES)
        raise ConfigError(f"there is no recipe {name!r}{nearest(name, tuple(RECIPES))}", remedy=f"use one of {known}")
    try:
        server = needs_endpoint(subject.backend)
    except InvalidError as error:
        raise ConfigError(f"there is no backend {subject.backend!r}", remedy="ai-energy-benchmark list") from error
    if subject.endpoint is not None and not server:
        raise ConfigError(f"the {subject.backend} backend runs in this process", remedy="leave the endpoint out")
    text = (_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")
    places = {
        "@QUESTION@": RECIPES[name],
        "@FILE@": file,
        "@BACKEND@": _backend(subject, server=server),
        "@LOAD@": _SERVER_LOAD if server else _BATCHES,
        "@BUSY@": "load: {concurrency: 16}" if server else "scenario.input_shapes.batch_size: 16",
        "@SAMPLES@": "640" if server else "64",
        "@LOADING@": _LOADING_PYTORCH if subject.backend == "pytorch" else _LOADING_CHECKPOINTS,
        "@TTFT@": f"{subject.ttft_s:g}",
        "@TPOT@": f"{subject.tpot_s:g}",
        "@MODEL@": _scalar(subject.model),
        "@FP8@": _scalar(f"{subject.model}-FP8"),
        "@AWQ@": _scalar(f"{subject.model}-AWQ"),
    }
    for place, value in places.items():
        text = text.replace(place, value)
    return text


def _backend(subject: Subject, *, server: bool) -> str:
    keys: dict[str, object] = {"type": subject.backend, "model": subject.model}
    if subject.endpoint is not None:
        keys["endpoint"] = subject.endpoint
    elif server:
        keys["launch"] = True
    return "\n".join(f"    {line}" for line in dump(keys).splitlines())


def _scalar(text: str) -> str:
    """A text as YAML has it wherever it stands; JSON's quotes are YAML's too (YAML 1.2, section 1.3)."""
    return json.dumps(escape(text), ensure_ascii=False)
