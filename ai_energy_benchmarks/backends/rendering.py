"""Requests to token ids: chat template, truncation to the context, hash of what is really sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import evolve, frozen

from ai_energy_benchmarks.domain.prompts import Message, Request, TemplateValue


class ChatTokenizer(Protocol):
    """The part of a transformers tokenizer that rendering uses."""

    chat_template: object

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, str]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        **arguments: TemplateValue,
    ) -> str: ...

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...

    def decode(self, token_ids: list[int]) -> str: ...


@frozen
class Rendered:
    """A prompt as the model sees it.

    Attributes:
        truncated_tokens: prompt tokens that were cut away to fit.
        sha256: hash of the rendered text.
    """

    token_ids: tuple[int, ...]
    truncated_tokens: int
    sha256: str


class PromptTooLongError(ValueError):
    """The prompt does not fit, and cutting it was not allowed or cannot help."""


def render(tokenizer: ChatTokenizer, request: Request, limit_tokens: int | None, truncation: bool) -> Rendered:
    """Token ids of a request, at most ``limit_tokens`` of them.

    The prompt's own text is cut at its end, never the template around it, so that a shortened chat is
    still a well-formed chat.

    Raises:
        PromptTooLongError: it does not fit and ``truncation`` is false, or the template alone is too long.
    """
    text, token_ids = _encode(tokenizer, request)
    full_length = len(token_ids)
    if limit_tokens is None or full_length <= limit_tokens:
        return Rendered(tuple(token_ids), 0, _sha256(text))
    if not truncation:
        raise PromptTooLongError(
            f"prompt of {full_length} tokens exceeds the {limit_tokens} that the context leaves for it"
        )
    prompt_ids = tokenizer.encode(request.prompt.text, add_special_tokens=False)
    # Cut text does not always re-encode to the tokens it was cut from, so the excess is taken off until it fits.
    keep = len(prompt_ids)
    while len(token_ids) > limit_tokens:
        keep -= len(token_ids) - limit_tokens
        if keep < 1:
            raise PromptTooLongError(
                f"the chat template alone exceeds the {limit_tokens} tokens that the context leaves"
            )
        text, token_ids = _encode(tokenizer, _with_text(request, tokenizer.decode(prompt_ids[:keep])))
    return Rendered(tuple(token_ids), full_length - len(token_ids), _sha256(text))


def rendered_text(tokenizer: ChatTokenizer, request: Request) -> str:
    """A request as the model sees it, as text."""
    return _encode(tokenizer, request)[0]


def _encode(tokenizer: ChatTokenizer, request: Request) -> tuple[str, list[int]]:
    if not request.messages or not tokenizer.chat_template:
        text = "\n".join(message.content for message in request.messages) or request.prompt.text
        text = _continued(text, request.assistant_prefix)
        return text, tokenizer.encode(text)
    turns = [{"role": message.role, "content": message.content} for message in request.messages]
    text = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True, **{**request.template_arguments, **request.parameters}
    )
    text = _continued(text, request.assistant_prefix)
    # The template has written the special tokens already; adding them again would change the prompt.
    return text, tokenizer.encode(text, add_special_tokens=False)


def _continued(text: str, prefix: str) -> str:
    """The text with the prefix at its end; what of the prefix the template has written already is not repeated."""
    overlap = next(length for length in range(len(prefix), -1, -1) if text.endswith(prefix[:length]))
    return text + prefix[overlap:]


def _with_text(request: Request, text: str) -> Request:
    """The request with the prompt's text replaced, in the prompt and wherever a turn quotes it."""
    old = request.prompt.text
    messages = tuple(Message(each.role, each.content.replace(old, text)) for each in request.messages)
    return evolve(request, prompt=evolve(request.prompt, text=text), messages=messages)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
