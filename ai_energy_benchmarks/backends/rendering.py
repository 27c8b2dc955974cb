"""Requests to token ids: chat template, truncation to the context, hash of what is really sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
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


_LONGEST_REASON = 200
_SHORTER = "lower scenario.generate_kwargs.max_new_tokens, choose shorter prompts or a model with a longer context"
_RAW = "set scenario.chat_template: false to send the text without a template, or choose another model"
_FIRST = "set scenario.dataset_options.turns: first, or choose another model"


class RenderingError(ValueError):
    """The prompt does not fit and cannot be cut, or the model's template does not take its turns.

    Attributes:
        message: what is wrong.
        remedy: how to fix it, if every prompt is refused so.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def render(tokenizer: ChatTokenizer, request: Request, limit_tokens: int | None, truncation: bool) -> Rendered:
    """Token ids of a request, at most ``limit_tokens`` of them.

    The prompt's own text is cut at its end, never the template around it, so that a shortened chat is
    still a well-formed chat.

    Raises:
        RenderingError: it does not fit and ``truncation`` is false, what stands around it is too long by itself, or
            the template refuses its turns, or there is none for them.
    """
    text, token_ids = _encode(tokenizer, request)
    full_length = len(token_ids)
    if limit_tokens is None or full_length <= limit_tokens:
        return Rendered(tuple(token_ids), 0, _sha256(text))
    if not truncation:
        raise RenderingError(
            f"prompt of {full_length} tokens exceeds the {limit_tokens} that the context leaves for it",
            f"set scenario.truncation: true, or {_SHORTER}",
        )
    prompt_ids = tokenizer.encode(request.prompt.text, add_special_tokens=False)
    # Cut text does not always re-encode to the tokens it was cut from, so the excess is taken off until it fits.
    keep = len(prompt_ids)
    while len(token_ids) > limit_tokens:
        keep -= len(token_ids) - limit_tokens
        if keep < 1:
            raise RenderingError(
                f"{_around(request)} alone exceeds the {limit_tokens} tokens that the context leaves", _SHORTER
            )
        text, token_ids = _encode(tokenizer, _with_text(request, tokenizer.decode(prompt_ids[:keep])))
    return Rendered(tuple(token_ids), full_length - len(token_ids), _sha256(text))


def rendered_text(tokenizer: ChatTokenizer, request: Request) -> str:
    """A request as the model sees it, as text."""
    return _encode(tokenizer, request)[0]


def _encode(tokenizer: ChatTokenizer, request: Request) -> tuple[str, list[int]]:
    if not request.messages or not tokenizer.chat_template:
        if request.prompt.history:
            raise RenderingError(
                "this model has no chat template, so there is no place for the earlier turns of a conversation; set "
                "scenario.dataset_options.turns: first, or choose a chat model",
                _FIRST,
            )
        text = "\n".join(message.content for message in request.messages) or request.prompt.text
        text = _continued(text, request.assistant_prefix)
        return text, tokenizer.encode(text)
    turns = [{"role": message.role, "content": message.content} for message in request.messages]
    arguments = {**request.template_arguments, **request.parameters}
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **arguments)
    except _template_errors() as error:
        raise _refusal(tokenizer.chat_template, request, error) from error
    text = _continued(text, request.assistant_prefix)
    # The template has written the special tokens already; adding them again would change the prompt.
    return text, tokenizer.encode(text, add_special_tokens=False)


def _continued(text: str, prefix: str) -> str:
    """The text with the prefix at its end; what of the prefix the template has written already is not repeated."""
    overlap = next(length for length in range(len(prefix), -1, -1) if text.endswith(prefix[:length]))
    return text + prefix[overlap:]


def _with_text(request: Request, text: str) -> Request:
    """The request with the prompt's text replaced, in the prompt and at the end of the turn that it is."""
    *earlier, last = request.messages or (Message("user", request.prompt.text),)
    shorter = Message(last.role, last.content.removesuffix(request.prompt.text) + text)
    messages = (*earlier, shorter) if request.messages else ()
    return evolve(request, prompt=evolve(request.prompt, text=text), messages=messages)


def _around(request: Request) -> str:
    return "the conversation before the prompt" if request.prompt.history else "the chat template"


def _refusal(template: object, request: Request, error: Exception) -> RenderingError:
    """What a template raised, as one sentence; by ``raise_exception`` it speaks for itself."""
    remedy = _FIRST if request.prompt.history else _RAW
    if type(error).__name__ == "TemplateError":
        return RenderingError(f"the model's chat template refuses these turns: {error}", remedy)
    if isinstance(template, Mapping) and "default" not in template:
        names = ", ".join(sorted(map(str, template)))
        return RenderingError(f"the model has several chat templates ({names}) and none of them is the default", remedy)
    what = " ".join(str(error).split())[:_LONGEST_REASON]
    return RenderingError(f"the model's chat template fails: {type(error).__name__}: {what}", remedy)


@cache
def _template_errors() -> tuple[type[Exception], ...]:
    """What a template can raise, which is a program of its own; transformers refuses an unclear choice so, too."""
    errors = (
        ArithmeticError,
        AssertionError,
        AttributeError,
        ImportError,
        LookupError,
        NameError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    )
    try:
        from jinja2 import TemplateError
    except ImportError:
        return errors
    return (TemplateError, *errors)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
