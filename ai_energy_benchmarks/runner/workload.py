"""The requests of a pass and of its warm-up, in batches."""

from __future__ import annotations

from itertools import cycle, islice

from attrs import evolve, frozen

from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.datasets.hashing import dataset_sha256
from ai_energy_benchmarks.domain.prompts import Batch, Prompt, Request, Tokenizer
from ai_energy_benchmarks.errors import DatasetError
from ai_energy_benchmarks.formatters.base import Formatter


@frozen
class Passes:
    """What is sent.

    Attributes:
        measured: the batches of one trial, the same for every trial.
        warmup: batches on prompts that no trial sends.
        prompts: the distinct prompts of a pass.
        sha256: hash of the prompts of a pass, in order.
    """

    measured: tuple[Batch, ...]
    warmup: tuple[Batch, ...]
    prompts: tuple[Prompt, ...]
    sha256: str

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests of a trial, in order."""
        return tuple(request for batch in self.measured for request in batch.requests)


def make_passes(config: BenchmarkConfig, dataset: Dataset, formatter: Formatter, tokenizer: Tokenizer | None) -> Passes:
    """Read the prompts and lay them out.

    Raises:
        DatasetError: the data set cannot be read, or has too few prompts and ``repeat`` is false.
    """
    wanted, warm = config.scenario.num_samples, _warmup_count(config)
    found = dataset.prompts(wanted + warm, tokenizer)
    measured = _measured(found, wanted, config)
    return Passes(
        measured=_batches(config, formatter, measured),
        warmup=_batches(config, formatter, _warmup(found, wanted, warm)),
        prompts=found[:wanted],
        sha256=dataset_sha256(measured),
    )


def _warmup_count(config: BenchmarkConfig) -> int:
    """At least as many requests as the load has on their way at once, so that every connection is open."""
    asked = config.protocol.warmup.requests
    at_once = config.load.concurrency * config.scenario.input_shapes.batch_size
    return max(asked, at_once) if asked else 0


def _measured(found: tuple[Prompt, ...], wanted: int, config: BenchmarkConfig) -> tuple[Prompt, ...]:
    name = config.scenario.dataset_name
    if not found:
        raise DatasetError(f"data set {name!r} has no prompts", remedy="choose another scenario.dataset_name")
    if len(found) < wanted and not config.scenario.repeat:
        raise DatasetError(
            f"scenario.num_samples is {wanted}, but data set {name!r} has only {len(found)} prompts",
            remedy=f"set scenario.num_samples to at most {len(found)}, or scenario.repeat: true",
        )
    return tuple(islice(cycle(found[:wanted]), wanted))


def _warmup(found: tuple[Prompt, ...], wanted: int, count: int) -> tuple[Prompt, ...]:
    """Prompts beyond the measured ones; where the data set has no more, measured ones with another beginning.

    A prompt that begins differently shares no prefix with a measured one, so no cache is warmed for it.
    """
    spare = found[wanted : wanted + count]
    salted = (
        evolve(prompt, text=f"Warm-up {number}. {prompt.text}") for number, prompt in enumerate(cycle(found), start=1)
    )
    return (*spare, *islice(salted, count - len(spare)))


def _batches(config: BenchmarkConfig, formatter: Formatter, prompts: tuple[Prompt, ...]) -> tuple[Batch, ...]:
    scenario = config.scenario
    size = scenario.input_shapes.batch_size
    requests = tuple(formatter.format(number, prompt) for number, prompt in enumerate(prompts))
    return tuple(
        Batch(requests[first : first + size], scenario.generate_kwargs, scenario.truncation, scenario.seed)
        for first in range(0, len(requests), size)
    )
