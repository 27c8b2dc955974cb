"""Prompts of an exact number of tokens under the model's own tokenizer, made from random words."""

from __future__ import annotations

import random
from statistics import NormalDist
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge

from ai_energy_benchmarks.datasets.base import DatasetSettings
from ai_energy_benchmarks.datasets.cells import Source, no_columns
from ai_energy_benchmarks.datasets.sampling import ALL
from ai_energy_benchmarks.datasets.words import FILLERS, WORDS
from ai_energy_benchmarks.domain.prompts import Prompt, Tokenizer
from ai_energy_benchmarks.errors import DatasetError

_ATTEMPTS = 50


@frozen
class Length:
    """A number of tokens, the same for all prompts or drawn from a normal distribution cut at both ends.

    Attributes:
        mean: of the distribution before it is cut.
        sigma: its standard deviation; 0 makes every prompt ``mean`` tokens long.
        min, max: the ends, both possible; without ``max`` there is none.
    """

    mean: int = field(default=128, validator=ge(1))
    sigma: float = field(default=0.0, validator=ge(0))
    min: int = field(default=1, validator=ge(1))
    max: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.mean < self.min or (self.max is not None and self.mean > self.max):
            raise ValueError(f"mean must lie between min and max, got {self.min} ≤ {self.mean} ≤ {self.max}")

    def draw(self, dice: random.Random) -> int:
        """One length, by the inverse of the distribution function between its ends."""
        if self.sigma == 0:
            return self.mean
        normal = NormalDist(self.mean, self.sigma)
        low = normal.cdf(self.min - 0.5)
        high = 1.0 if self.max is None else normal.cdf(self.max + 0.5)
        share = low + (high - low) * dice.random()
        drawn = round(normal.inv_cdf(min(max(share, 1e-15), 1 - 1e-15)))
        return max(self.min, drawn if self.max is None else min(self.max, drawn))


@frozen
class SyntheticOptions:
    """``scenario.dataset_options`` of ``synthetic``.

    Attributes:
        prompt_tokens: length of the prompt's own text, without what the chat template adds.
        prefix_tokens: how many of them stand at the beginning of other prompts too; 0 for none.
        prefixes: how many different beginnings there are, used in turn.
        output_tokens: exact length of each output; without it ``scenario.generate_kwargs`` decides.
    """

    prompt_tokens: Length = field(factory=Length)
    prefix_tokens: int = field(default=0, validator=ge(0))
    prefixes: int = field(default=1, validator=ge(1))
    output_tokens: Length | None = None


class SyntheticDataset:
    """Made-up prompts of given lengths, as many as are required."""

    Options: ClassVar[type] = SyntheticOptions

    def __init__(self, settings: DatasetSettings) -> None:
        self._settings = settings
        options = settings.options
        self._options = options if isinstance(options, SyntheticOptions) else SyntheticOptions()

    @classmethod
    def from_settings(cls, settings: DatasetSettings) -> SyntheticDataset:
        return cls(settings)

    def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
        source = Source(self._settings.name, self._settings.text_column)
        no_columns(source)
        if tokenizer is None:
            raise DatasetError(
                "synthetic prompts are counted with the model's tokenizer, and a server does not hand its own out",
                remedy="name it in backend.options.tokenizer (a hub id, a directory or a tokenizer.json), "
                "or choose another scenario.dataset_name",
            )
        if count == ALL:
            raise DatasetError("synthetic prompts have no end, so they cannot be sampled", remedy="leave sampling out")
        options = self._options
        maker = TextMaker(tokenizer)
        prefixes = [
            maker.text(options.prefix_tokens, random.Random(f"{self._settings.seed} prefix {number}"))
            for number in range(options.prefixes if options.prefix_tokens else 0)
        ]
        return tuple(self._prompt(index, maker, prefixes) for index in range(count))

    def _prompt(self, index: int, maker: TextMaker, prefixes: list[str]) -> Prompt:
        dice = random.Random(f"{self._settings.seed} prompt {index}")
        wanted_tokens = self._options.prompt_tokens.draw(dice)
        prefix = prefixes[index % len(prefixes)] if prefixes else ""
        if wanted_tokens <= self._options.prefix_tokens:
            raise DatasetError(
                f"synthetic prompt {index + 1} has {wanted_tokens} tokens, no more than its prefix",
                remedy="set dataset_options.prompt_tokens.min above dataset_options.prefix_tokens",
            )
        return Prompt(index, maker.text(wanted_tokens, dice, prefix), self._output_tokens(index))

    def _output_tokens(self, index: int) -> int | None:
        length = self._options.output_tokens
        return None if length is None else length.draw(random.Random(f"{self._settings.seed} output {index}"))


@frozen
class TextMaker:
    """Makes texts of an exact number of tokens.

    Attributes:
        tokenizer: the model's own; tokens that it adds around any text (such as a start token) are not counted.
    """

    tokenizer: Tokenizer

    def tokens(self, text: str) -> int:
        """Tokens of a text, without those that the tokenizer adds to every text."""
        return len(self.tokenizer.encode(text)) - len(self.tokenizer.encode(""))

    def text(self, wanted_tokens: int, dice: random.Random, prefix: str = "") -> str:
        """Random words with ``wanted_tokens`` tokens in all, of which the prefix keeps its own.

        Raises:
            DatasetError: this tokenizer reaches no such number.
        """
        begins = self.tokenizer.encode(prefix)[: self.tokens(prefix)]
        for _ in range(_ATTEMPTS):
            made = self._attempt(wanted_tokens, dice, prefix)
            if made is not None and self.tokenizer.encode(made)[: len(begins)] == begins:
                return made
        raise DatasetError(
            f"no text of exactly {wanted_tokens} tokens was found under this model's tokenizer",
            remedy="choose another scenario.dataset_options.prompt_tokens, or a dataset of real prompts",
        )

    def _attempt(self, wanted_tokens: int, dice: random.Random, prefix: str) -> str | None:
        """Words while they fit, nearly as many at once as are missing, then fillers; None if no filler fits."""
        tokens_per_word = self.tokens(" ".join(WORDS)) / len(WORDS)
        text, has_tokens, share = prefix, self.tokens(prefix), 0.95
        while has_tokens < wanted_tokens:
            words = int(share * (wanted_tokens - has_tokens) / tokens_per_word)
            additions = [" " + " ".join(dice.choices(WORDS, k=words))] if words else dice.sample(FILLERS, len(FILLERS))
            for addition in additions:
                longer = text + addition if text else addition.lstrip()
                found_tokens = self.tokens(longer)
                if has_tokens < found_tokens <= wanted_tokens:
                    text, has_tokens = longer, found_tokens
                    break
            else:
                if not words:
                    return None
                share /= 2
        return text
