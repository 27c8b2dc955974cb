"""Token counts for servers that send no ``usage``: their texts, tokenised again after the window.

The counts may differ from those of the engine, since text does not always split into the tokens that it was made of;
the verdict warns of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from attrs import define, evolve, field, frozen

from ai_energy_benchmarks.backends.model import small_model
from ai_energy_benchmarks.backends.model.files import resolve_model
from ai_energy_benchmarks.backends.model.kind import missing_for_tokenizer
from ai_energy_benchmarks.backends.rendering import ChatTokenizer, RenderingError, render
from ai_energy_benchmarks.backends.server.event_decoding import StreamSummary, Usage
from ai_energy_benchmarks.backends.server.event_stream import EventStream
from ai_energy_benchmarks.backends.server.json_text import LARGEST_COUNT_TOKENS, token_count
from ai_energy_benchmarks.backends.server.probe import Server, post
from ai_energy_benchmarks.backends.server.replies import NO_TOKEN, first_event_tokens, reasoning_tokens
from ai_energy_benchmarks.backends.server.requests import turns
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome, exceeds
from ai_energy_benchmarks.domain.progress import Silent
from ai_energy_benchmarks.domain.prompts import Request
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.installing import install_line

_NAME_IT = "name the model's tokenizer in backend.options.tokenizer to have its texts counted"
NO_USAGE = f"the server sent no usage at the end, so its tokens are unknown; {_NAME_IT}"
_INSTALL_LINE = install_line("pytorch")


def no_usage(summary: StreamSummary) -> str:
    """Why an answer has no count of tokens."""
    return (
        NO_USAGE
        if summary.doubt is None
        else f"the server's token counts are not believed: {summary.doubt}; {_NAME_IT}"
    )


class TokenCounter(Protocol):
    """Counts the tokens of texts, outside of every window."""

    @property
    def note(self) -> str:
        """One sentence for the verdict: who counts."""
        ...

    def output_tokens(self, text: str) -> int:
        """Tokens of an answer."""
        ...

    def prompt_tokens(self, request: Request) -> int:
        """Tokens of a request after templating, where the template is known."""
        ...


@frozen
class LocalCounter:
    """A tokenizer in this process."""

    name: str
    tokenizer: ChatTokenizer

    @property
    def note(self) -> str:
        return f"tokens of answers without usage are counted with the tokenizer {self.name}"

    def output_tokens(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def prompt_tokens(self, request: Request) -> int:
        return len(self.prompt_ids(request))

    def prompt_ids(self, request: Request) -> Sequence[int]:
        """A request after templating, where the template is known."""
        try:
            return render(self.tokenizer, request, None, truncation=False).token_ids
        except RenderingError as error:
            raise BackendError(f"backend.options.tokenizer: {error.message}", remedy=error.remedy) from error


@frozen
class ServerCounter:
    """The server's own tokenizer, behind ``/tokenize`` (vLLM, llama.cpp) or ``/extras/tokenize/count``.

    Attributes:
        renders: whether it applies the chat template; else the texts of the turns are counted.
    """

    server: Server
    model: str
    path: str
    renders: bool

    @property
    def note(self) -> str:
        without = "" if self.renders else "; those of prompts are without the chat template"
        return f"tokens of answers without usage are counted by the server's {self.path}{without}"

    def output_tokens(self, text: str) -> int:
        return self._count({"prompt": text, "content": text, "input": text, "add_special_tokens": False})

    def prompt_tokens(self, request: Request) -> int:
        if self.renders and request.messages:
            return self._count(turns(request))
        text = "\n".join(each.content for each in request.messages) or request.prompt.text
        return self._count({"prompt": text, "content": text, "input": text})

    def _count(self, body: dict[str, object]) -> int:
        count = _counted(post(self.server, self.path, {"model": self.model, **body}))
        if count is None:
            raise BackendError(
                f"the server's {self.path} no longer counts tokens",
                remedy="name the model's tokenizer in backend.options.tokenizer",
            )
        return count


def prompt_ids(server: Server, model: str, request: Request, *, chat: bool) -> Sequence[int] | None:
    """A prompt as the server's ``/tokenize`` renders it (vLLM, SGLang); None where it shows no ids of it."""
    text = "\n".join(each.content for each in request.messages) or request.prompt.text
    form = turns(request) if chat else {"prompt": text}
    ids = (post(server, "/tokenize", {"model": model, **form}) or {}).get("tokens")
    return ids if isinstance(ids, list) and ids and all(isinstance(each, int) for each in ids) else None


def _counted(document: dict[str, object] | None) -> int | None:
    """The count in an answer, as a number or as the tokens themselves."""
    count, tokens = token_count((document or {}).get("count")), (document or {}).get("tokens")
    if count is not None and count <= LARGEST_COUNT_TOKENS:
        return count
    return len(tokens) if isinstance(tokens, list) else None


def server_counter(server: Server, model: str) -> ServerCounter | None:
    """The server's own tokenizer; None if it offers none."""
    for path in ("/tokenize", "/extras/tokenize/count"):
        found = ServerCounter(server, model, path, renders=False)
        try:
            if not found.output_tokens("one two three"):
                continue
        except BackendError:
            continue
        chat: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": "one two three"}]}
        return evolve(found, renders=bool(_counted(post(server, path, chat))))
    return None


def local_counter(name: str) -> LocalCounter:
    """A tokenizer by directory, ``tokenizer.json`` or hub id.

    Raises:
        BackendError: neither transformers nor tokenizers is installed, or there is no such tokenizer.
    """
    if missing := missing_for_tokenizer(Path(name).expanduser()):
        raise BackendError(
            f"backend.options.tokenizer: {name!r} is a SentencePiece file, which needs {' and '.join(missing)}",
            remedy=f"pip install {' '.join(missing)}",
        )
    try:
        return LocalCounter(name, _load(name))
    except ImportError as error:
        raise BackendError(f"backend.options.tokenizer: {error}", remedy=_INSTALL_LINE) from error
    except (OSError, ValueError) as error:
        raise BackendError(
            f"backend.options.tokenizer: {name!r} cannot be loaded: {error}",
            remedy="name a directory with the model's tokenizer files, a tokenizer.json, or a hub id",
        ) from error


def _load(name: str) -> ChatTokenizer:
    path = Path(name).expanduser()
    if path.is_file():
        return _Plain(path)
    from transformers import AutoTokenizer

    if name in small_model.NAMES and not path.exists():
        name = resolve_model(name, Silent()).path_or_id
    return cast("ChatTokenizer", AutoTokenizer.from_pretrained(str(path) if path.exists() else name))


class _Plain:
    """A ``tokenizer.json`` on its own, which has no chat template."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self.chat_template: object = None
        self._tokenizer = Tokenizer.from_file(str(path))

    def apply_chat_template(self, conversation: object, **arguments: object) -> str:
        raise NotImplementedError("rendering asks for it only where there is a template")

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def decode(self, token_ids: list[int]) -> str:
        return str(self._tokenizer.decode(token_ids))


@define
class LaterCounts:
    """Answers without usage, kept until there is time to count them.

    The server is asked for a tokenizer of its own when the first such answer comes, which is in the warm-up.

    Attributes:
        counter: None if there is none, or none has been needed.
        keep: whether texts have to be kept; until the server has shown that it sends usage.
        finer: whether its events are known to be finer than tokens, so that there may be more of them.
    """

    server: Server
    model: str
    counter: TokenCounter | None = None
    keep: bool = True
    finer: bool = False
    _asked: bool = False
    _asking: asyncio.Lock = field(factory=asyncio.Lock)
    _waiting: dict[int, tuple[Request, EventStream]] = field(factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Who counts, if anybody has to."""
        return (self.counter.note,) if self._asked and self.counter is not None else ()

    def prompt_ids(self, request: Request, *, chat: bool) -> Sequence[int] | None:
        """A prompt as the model sees it, by the tokenizer here or the server's; None if neither shows it."""
        if isinstance(self.counter, LocalCounter):
            try:
                return self.counter.prompt_ids(request)
            except BackendError:
                return None
        return prompt_ids(self.server, self.model, request, chat=chat and bool(request.messages))

    async def compared(self, answer: Completion, stream: EventStream) -> Completion:
        """An answer with usage; of the first ones, which are the warm-up's, more events than tokens are looked into.

        Where the text has as many tokens as usage says, the events are finer than tokens and usage is right.
        """
        more_events = exceeds(len(answer.token_times_s), answer.output_tokens)
        if more_events and self.keep and stream.keep:
            self.keep = False
            self.finer = await asyncio.to_thread(self._agrees, stream, answer.output_tokens)
        self.keep = False
        return evolve(answer, first_event_tokens=None) if more_events and self.finer else answer

    def _agrees(self, stream: EventStream, output_tokens: int) -> bool:
        """Whether the text of an answer has about so many tokens; false if they cannot be counted."""
        counter = self.counter or server_counter(self.server, self.model)
        if counter is None:
            return False
        try:
            tokens = counter.output_tokens(stream.text())
        except BackendError:
            return False
        return not exceeds(tokens, output_tokens) and not exceeds(output_tokens, tokens)

    async def take(self, request: Request, stream: EventStream) -> bool:
        """Keep an answer for ``recount``; false if it can never be counted."""
        async with self._asking:
            if self.counter is None and not self._asked:
                self.counter = await asyncio.to_thread(server_counter, self.server, self.model)
            self._asked = True
        if self.counter is None or not stream.keep:
            return False
        self._waiting[request.number] = (request, stream)
        return True

    def recount(self, outcome: Completion) -> Outcome:
        """The same outcome with its tokens counted, or a failure that says why they could not be."""
        request, stream = self._waiting.pop(outcome.number)
        assert self.counter is not None  # nothing is kept without one
        text = stream.text()
        try:
            prompt_tokens, output_tokens = self.counter.prompt_tokens(request), self.counter.output_tokens(text)
        except BackendError as error:
            reason = f"{error.message}; fix: {error.remedy}"
            return FailedCompletion(outcome.number, reason, outcome.sent_s, outcome.finished_s)
        if not output_tokens:
            return FailedCompletion(outcome.number, NO_TOKEN, outcome.sent_s, outcome.finished_s)
        return evolve(
            outcome,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            reasoning_tokens=reasoning_tokens(stream, Usage(prompt_tokens, output_tokens)),
            first_event_tokens=first_event_tokens(stream, output_tokens),
            text=text,
        )
