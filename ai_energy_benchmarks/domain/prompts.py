"""What is asked of a model: prompts as read, requests as formatted, batches as sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from attrs import field, frozen

TemplateValue = str | int | float | bool | None


@frozen
class Message:
    """One turn of a chat.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
        content: the text of the turn.
    """

    role: str
    content: str


@frozen
class Prompt:
    """One prompt as the dataset holds it.

    Attributes:
        index: position in the dataset, from 0; a repeated prompt keeps its index.
        text: the prompt itself, which is the user's last turn.
        output_tokens: exact length of its output; None leaves the length to the model and ``Generation``.
        history: what was said before, by ``system``, ``user`` and ``assistant``.
    """

    index: int
    text: str
    output_tokens: int | None = None
    history: tuple[Message, ...] = ()

    @property
    def transcript(self) -> str:
        """The text alone, or every turn after the name of its speaker."""
        if not self.history:
            return self.text
        return "\n\n".join(f"{turn.role}: {turn.content}" for turn in (*self.history, Message("user", self.text)))


@frozen
class Request:
    """A formatted prompt: what the backend renders with the model's own chat template.

    Attributes:
        number: position in the pass, from 0, unique where the prompt's index may repeat.
        prompt: the prompt it came from.
        messages: chat turns; empty means the text is sent raw, without a template.
        template_arguments: keyword arguments of the chat template (``enable_thinking`` …).
        assistant_prefix: text that opens the assistant's turn after the template is rendered.
        parameters: keys of a server's request itself; an engine in process gives them to the template.
    """

    number: int
    prompt: Prompt
    messages: tuple[Message, ...] = ()
    template_arguments: Mapping[str, TemplateValue] = field(factory=dict)
    assistant_prefix: str = ""
    parameters: Mapping[str, TemplateValue] = field(factory=dict)


@frozen
class Generation:
    """How tokens are chosen, in terms that every engine shares. Greedy unless ``do_sample``.

    None means "not set": the engine's own default, which it reports back.

    Attributes:
        temperature: below 1 likelier tokens become likelier still.
        top_k: draw from so many likeliest tokens only.
        top_p: draw from the likeliest tokens that together have this probability.
        min_p: skip tokens with less than this share of the likeliest one's probability.
        repetition_penalty: above 1 tokens that have come already become less likely.
        max_new_tokens: maximum number of output tokens of one request.
        min_new_tokens: fewest; end tokens are suppressed until then.
        do_sample: draw from the distribution instead of taking the most likely token.
        stop_strings: texts at which a request ends.
    """

    max_new_tokens: int = 100
    min_new_tokens: int | None = None
    do_sample: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    stop_strings: tuple[str, ...] = ()


@frozen
class Batch:
    """Requests that are generated together, and how.

    Attributes:
        requests: what to generate, in order.
        generation: how tokens are chosen.
        truncation: cut the end of prompts that do not fit the context less ``max_new_tokens``; if
            False such a request fails with its reason.
        salt: changes with every trial, so that no server's prefix cache carries one trial into the next.
        seed: seed of the sampling, the same for every trial; unused when greedy.
        usage_per_event: have a server report its token counts with every event, where it can.
    """

    requests: tuple[Request, ...]
    generation: Generation
    truncation: bool = True
    seed: int = 0
    salt: str = ""
    usage_per_event: bool = False


class Tokenizer(Protocol):
    """The little that datasets and formatters need of a model's tokenizer."""

    def encode(self, text: str) -> list[int]:
        """The token ids of a text."""
        ...

    def decode(self, token_ids: list[int]) -> str:
        """The text of token ids."""
        ...
