"""The requests of a pass and of its warm-up, in batches."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import cycle, islice
from typing import overload

from attrs import evolve, frozen

from ai_energy_benchmarks.backends.base import Backend, Demand
from ai_energy_benchmarks.config.model import BenchmarkConfig, GenerateKwargs, ScenarioConfig
from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.datasets.hashing import dataset_sha256
from ai_energy_benchmarks.datasets.sampling import take
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Prompt, Request, Tokenizer
from ai_energy_benchmarks.errors import BackendError, DatasetError, parted
from ai_energy_benchmarks.formatters.base import Formatter

_SOME = 32
_LENGTHS = ("max_new_tokens", "min_new_tokens", "stop_strings")


@frozen
class Passes:
    """What is sent.

    Attributes:
        measured: the batches of one trial, the same for every trial.
        warmup: batches on prompts that no trial sends.
        prompts: the distinct prompts of a pass.
        prompt_indices: the prompt index of each request of a trial, in order.
        sha256: hash of the prompts of a pass, in order.
    """

    measured: Sequence[Batch]
    warmup: Sequence[Batch]
    prompts: tuple[Prompt, ...]
    sha256: str
    prompt_indices: Sequence[int]

    def most_output_tokens(self, unless_told: int) -> int:
        """Most output tokens of one trial.

        Args:
            unless_told: those of a request whose prompt brings no length along.
        """
        lengths = {prompt.index: prompt.output_tokens or unless_told for prompt in self.prompts}
        return sum(lengths[index] for index in self.prompt_indices)


def make_passes(config: BenchmarkConfig, dataset: Dataset, formatter: Formatter, tokenizer: Tokenizer | None) -> Passes:
    """Read the prompts and lay them out.

    Raises:
        DatasetError: the dataset cannot be read, or has too few prompts and ``repeat`` is false.
    """
    scenario = config.scenario
    wanted, warm = scenario.num_samples, config.warmup_requests
    found = take(dataset, wanted + warm, scenario.sampling, scenario.seed, tokenizer)
    measured = _measured(found, wanted, config)
    return Passes(
        measured=_batches(config, formatter, measured),
        warmup=_batches(config, formatter, _warmup(found, wanted, warm)),
        prompts=found[:wanted],
        sha256=dataset_sha256(measured),
        prompt_indices=array("q", (prompt.index for prompt in measured)),
    )


def check_passes(config: BenchmarkConfig, dataset: Dataset, formatter: Formatter, backend: Backend) -> Passes:
    """Lay the prompts out as far as that goes before the model is loaded; their texts may then be others.

    Raises:
        DatasetError: as ``make_passes``.
        BackendError: the prompts bring earlier turns or lengths of output that this engine cannot hold.
    """
    has_tokenizer = not backend.needs_endpoint or getattr(config.backend.options, "tokenizer", None) is not None
    passes = make_passes(config, dataset, formatter, _ByteTokenizer() if has_tokenizer else None)
    talk = next((prompt for prompt in passes.prompts if prompt.history), None)
    if talk is not None:
        unseen = backend.problems(Demand(config.scenario.generate_kwargs, sample=formatter.format(0, talk)))
        if unseen:
            message, remedy = parted("\n".join(unseen))
            raise BackendError(message, remedy=remedy)
    if all(prompt.output_tokens is None for prompt in passes.prompts):
        return passes
    batch = passes.measured[0]
    demand = Demand(batch.generation, len(batch.requests), config.load.concurrency, batch.requests[0])
    problems = backend.problems(demand)
    if problems:
        raise BackendError(
            "the dataset decides the length of every output, and this engine cannot hold it:\n" + "\n".join(problems),
            remedy="remove scenario.dataset_options.output_tokens",
        )
    return passes


def some_requests(batches: Sequence[Batch]) -> tuple[Request, ...]:
    """Requests spread evenly over a pass, the first among them."""
    step = max(1, len(batches) // _SOME)
    return tuple(batches[position].requests[0] for position in range(0, len(batches), step))[:_SOME]


class _ByteTokenizer:
    """Stands for a tokenizer that comes with loading the model: one token a byte."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode("utf-8", "surrogatepass"))

    def decode(self, token_ids: list[int]) -> str:
        return bytes(token_ids).decode("utf-8", "replace")


def _measured(found: tuple[Prompt, ...], wanted: int, config: BenchmarkConfig) -> tuple[Prompt, ...]:
    name = config.scenario.dataset_name
    if not found:
        raise DatasetError(f"dataset {name!r} has no prompts", remedy="choose another scenario.dataset_name")
    if len(found) < wanted and not config.scenario.repeat:
        raise DatasetError(
            f"scenario.num_samples is {wanted}, but dataset {name!r} has only {len(found)} prompts",
            remedy=f"set scenario.num_samples to at most {len(found)}, or scenario.repeat: true",
        )
    return tuple(islice(cycle(found[:wanted]), wanted))


def _warmup(found: tuple[Prompt, ...], wanted: int, count: int) -> tuple[Prompt, ...]:
    """Prompts beyond the measured ones; where the dataset has no more, measured ones with another beginning.

    A prompt that begins differently shares no prefix with a measured one, so no cache is warmed for it.
    """
    spare = found[wanted : wanted + count]
    salted = (_beginning(f"Warm-up {number}. ", prompt) for number, prompt in enumerate(cycle(found), start=1))
    return (*spare, *islice(salted, count - len(spare)))


def _beginning(words: str, prompt: Prompt) -> Prompt:
    """The prompt with these words before the first thing that is said."""
    if not prompt.history:
        return evolve(prompt, text=words + prompt.text)
    first, *later = prompt.history
    return evolve(prompt, history=(evolve(first, content=words + first.content), *later))


def _batches(config: BenchmarkConfig, formatter: Formatter, prompts: tuple[Prompt, ...]) -> Sequence[Batch]:
    """All batches, ready to be sent; of a very long pass each is made when it is asked for."""
    batches = _Batches(config.scenario, formatter, prompts)
    if len(prompts) <= MANY_REQUESTS:
        return tuple(batches)
    if any(prompt.output_tokens is not None for prompt in prompts):
        for number in range(len(batches)):
            batches.generation(number)  # what cannot be sent must be known now
    return batches


@frozen(eq=False)
class _Batches(Sequence[Batch]):
    scenario: ScenarioConfig
    formatter: Formatter
    prompts: tuple[Prompt, ...]

    def __len__(self) -> int:
        return len(range(0, len(self.prompts), self.scenario.input_shapes.batch_size))

    @overload
    def __getitem__(self, index: int) -> Batch: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Batch]: ...

    def __getitem__(self, index: int | slice) -> Batch | Sequence[Batch]:
        positions = range(len(self))[index]
        return tuple(map(self._batch, positions)) if isinstance(positions, range) else self._batch(positions)

    def generation(self, number: int) -> Generation:
        """How the tokens of a batch are chosen.

        Raises:
            DatasetError: its prompts cannot be generated together.
        """
        return _generation(self.scenario.generate_kwargs, self._prompts(number))

    def _prompts(self, number: int) -> tuple[Prompt, ...]:
        size = self.scenario.input_shapes.batch_size
        return self.prompts[number * size : (number + 1) * size]

    def _batch(self, number: int) -> Batch:
        prompts, first = self._prompts(number), number * self.scenario.input_shapes.batch_size
        requests = tuple(self.formatter.format(first + position, prompt) for position, prompt in enumerate(prompts))
        return Batch(requests, self.generation(number), self.scenario.truncation, self.scenario.seed)


def _generation(asked: GenerateKwargs, prompts: tuple[Prompt, ...]) -> Generation:
    """As the config says, unless the prompts of this batch bring the length of their outputs along."""
    lengths = {prompt.output_tokens for prompt in prompts}
    if lengths == {None}:
        return asked
    for name in _LENGTHS:
        if getattr(asked, name) != getattr(GenerateKwargs(), name):
            raise DatasetError(
                f"scenario.generate_kwargs.{name} has no effect: the dataset decides the length of every output",
                remedy=f"remove {name}, or scenario.dataset_options.output_tokens",
            )
    if len(lengths) > 1:
        raise DatasetError(
            "the outputs of one batch end together, but the dataset asks for different lengths in it",
            remedy="set scenario.input_shapes.batch_size: 1, or scenario.dataset_options.output_tokens.sigma: 0",
        )
    (exact,) = lengths
    assert exact is not None  # a set of None alone was dealt with above
    return evolve(asked, max_new_tokens=exact, min_new_tokens=exact)
