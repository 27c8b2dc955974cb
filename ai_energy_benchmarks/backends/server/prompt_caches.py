"""What the client of a server does about its cache of prompts, and what the report says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from attrs import define

from ai_energy_benchmarks.backends.base import Salt
from ai_energy_benchmarks.backends.server.salts import line, salted
from ai_energy_benchmarks.backends.server.tokens import TokenCounter
from ai_energy_benchmarks.domain.engine import FactValue
from ai_energy_benchmarks.domain.prompts import Batch, Request
from ai_energy_benchmarks.errors import BackendError

_COUNTED_LINES = 8


@define
class PromptCaches:
    """How requests are kept from what a server's prefix cache holds.

    Attributes:
        wanted: ``load.salt``.
        key: the request's key that salts the cache; None if the server has none.
        requested: the setting that asks for a cache; empty if none does.
        line_tokens: tokens that a random first line adds to a prompt; None if they could not be counted.
        common_tokens: tokens with which every prompt begins; None until prompts were compared.
    """

    wanted: Salt
    key: str | None
    requested: str = ""
    line_tokens: float | None = None
    common_tokens: int | None = None

    @property
    def salt(self) -> Salt:
        """What is done: ``key``, ``text`` or ``none``."""
        if self.wanted != "auto":
            return self.wanted
        return "key" if self.key else "none"

    def problems(self, name: str, extra_body: Mapping[str, object]) -> tuple[str, ...]:
        """What of ``load.salt`` this server cannot do."""
        if self.wanted == "key" and self.key is None:
            return (
                f"load.salt: key is refused; a {name} server has none that salts its cache; fix: set load.salt: text, "
                "or backend.type: vllm if it is one",
            )
        if self.salt == "key" and self.key is not None and self.key in extra_body:
            return (
                f"backend.options.extra_body.{self.key}: {extra_body[self.key]!r} is refused; it would be the same in "
                "every trial; fix: remove it, or set load.salt: none if the cache is what you measure",
            )
        return ()

    def request(self, request: Request, batch: Batch) -> Request:
        """The request as it is sent; warm-up batches have no salt and stay as they are."""
        return salted(request, batch.salt) if self.salt == "text" and batch.salt else request

    def keys(self, batch: Batch) -> dict[str, object]:
        """What is added to the body of a request."""
        return {self.key: batch.salt} if self.salt == "key" and self.key and batch.salt else {}

    def count_line(self, counter: TokenCounter | None) -> None:
        """Count what a first line adds to a prompt, as the mean of some."""
        if self.salt != "text" or counter is None:
            return
        try:
            tokens = [counter.output_tokens(line("sample", number)) for number in range(_COUNTED_LINES)]
        except BackendError:
            return
        self.line_tokens = sum(tokens) / len(tokens)

    def compare(self, requests: Sequence[Request], render: Callable[[Request], Sequence[int] | None]) -> None:
        """Note with how many tokens prompts begin of which these are some; the same prompt twice says nothing.

        Args:
            render: the ids of a prompt as the model sees it; None if they are not shown.
        """
        distinct: set[tuple[int, ...]] = set()
        for request in requests:
            ids = render(salted(request, "compared") if self.salt == "text" else request)
            if ids is None:
                return
            distinct.add(tuple(ids))
        if len(distinct) > 1:
            # Every other sequence lies between the smallest and the largest, and begins as both do.
            pairs = zip(min(distinct), max(distinct), strict=False)
            self.common_tokens = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def facts(self) -> dict[str, FactValue]:
        """For the engine's settings; ``analysis/prompt_caches.py`` reads them there."""
        return {
            "salt": self.salt,
            "salt_tokens": self.line_tokens,
            "cache_requested": self.requested or ("load.salt: none" if self.wanted == "none" else None),
            "common_prefix_tokens": self.common_tokens,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What was added to the prompts, if anything."""
        if self.salt != "text":
            return ()
        how_long = "about 9" if self.line_tokens is None else f"{self.line_tokens:.3g}"
        counted = "not counted here" if self.line_tokens is None else "counted by the model's tokenizer"
        return (
            f"load.salt: text puts a random first line before every prompt of a trial: {how_long} tokens each "
            f"({counted}), which are among the prompt tokens",
        )
