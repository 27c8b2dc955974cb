"""What is sent to a server of the OpenAI protocol, under the server's own names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from attrs import asdict, field, frozen
from attrs.validators import ge, gt, optional

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.model.context import context_problems
from ai_energy_benchmarks.domain.engine import FactValue
from ai_energy_benchmarks.domain.json_value import JsonValue, as_fact
from ai_energy_benchmarks.domain.prompts import Batch, Request
from ai_energy_benchmarks.safety.keys import is_secret
from ai_energy_benchmarks.safety.marking import Secret, masked
from ai_energy_benchmarks.safety.urls import HIDDEN

# Keys of a request that are no sampling parameters.
_TEMPLATE = "chat_template_kwargs"
# Blocks whose keys are names of the user's own, such as those of a JSON schema.
_FOREIGN_NAMES = frozenset(
    {
        _TEMPLATE,
        "response_format",
        "guided_json",
        "json_schema",
        "structured_outputs",
        "format",
        "tools",
        "functions",
        "logit_bias",
        "metadata",
    }
)
_FORM = frozenset({"model", "messages", "prompt", "stream", "stream_options", "stop", "chat_template_kwargs"})


def _names_a_variable(_: object, __: object, value: str) -> None:
    """People put the key itself there.

    Raises:
        ValueError: it is no name; the value is not shown.
    """
    if isinstance(value, Secret) or not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
        raise ValueError("api_key_env must be the name of an environment variable that holds the key, such as MY_KEY")


@frozen
class OpenAIServerOptions:
    """``backend.options`` of a server.

    Attributes:
        api: ``chat`` lets the server apply the model's template; ``completions`` sends raw text.
        api_key_env: environment variable that holds the key; the key itself is never logged or written.
        verify_tls: check the server's certificate.
        connect_timeout_s: maximum time to open a connection.
        stall_timeout_s: maximum time between two events of an answer; comments are none.
        request_timeout_s: maximum time for a request from sending to the end of its answer, retries included; null
            allows stall_timeout_s and 10 s for each token of max_new_tokens.
        retries: how often a request is sent again after 429, 502, 503, 504 or any 5xx with retry-after; waiting counts
            as latency.
        tokenizer: directory, ``tokenizer.json`` or hub id of the model's tokenizer, to make synthetic prompts, and to
            count the tokens of a server that sends no usage.
        extra_body: further keys of the request body, as this server knows them; values may be lists and mappings. Those
            that would measure another thing than the config says, such as ``n``, are refused.
    """

    api: Literal["chat", "completions"] = "chat"
    api_key_env: str = field(default="OPENAI_API_KEY", validator=_names_a_variable)
    verify_tls: bool = True
    connect_timeout_s: float = field(default=10.0, validator=gt(0))
    stall_timeout_s: float = field(default=600.0, validator=gt(0))
    request_timeout_s: float | None = field(default=None, validator=optional(gt(0)))
    retries: int = field(default=3, validator=ge(0))
    tokenizer: str | None = None
    extra_body: Mapping[str, JsonValue] = field(factory=dict)


# Keys of a request that make it another measurement, whatever the server calls them; 1 is what they are anyway.
_ONE = "one answer a request is measured: its tokens, times and energy belong to one stream; fix: remove it"
_ONLY_ONE: Mapping[str, str] = {"n": _ONE, "best_of": _ONE, "num_return_sequences": _ONE, "beam_width": _ONE}
_REFUSED: Mapping[str, str] = {
    "use_beam_search": "beams are several answers of which one is sent; fix: remove it",
    "echo": "the prompt would be sent back as if it had been generated; fix: remove it",
    "stream": "answers are streamed, since times of tokens are known no other way; fix: remove it",
    "stream_options": "usage is always asked for in the stream; fix: remove it",
    "model": "fix: set backend.model instead",
    "messages": "the prompts are those of scenario.dataset_name; fix: remove it",
    "prompt": "the prompts are those of scenario.dataset_name; fix: remove it",
    "max_tokens": "fix: set scenario.generate_kwargs.max_new_tokens instead",
    "max_completion_tokens": "fix: set scenario.generate_kwargs.max_new_tokens instead",
    "max_new_tokens": "fix: set scenario.generate_kwargs.max_new_tokens instead",
    "num_predict": "fix: set scenario.generate_kwargs.max_new_tokens instead",
    "n_predict": "fix: set scenario.generate_kwargs.max_new_tokens instead",
}
_HARMLESS: Mapping[str, object] = {"use_beam_search": False, "echo": False, "stream": True}
_MASKED = (
    f"{HIDDEN} stands for a user, a password or a key, which results do not hold; fix: write it again, or as "
    "${NAME} with an environment variable"
)
_SAMPLING = ("min_new_tokens", "top_k", "top_p", "min_p", "repetition_penalty", "temperature")


def refused(
    name: str,
    dialect: Mapping[str, str],
    demand: Demand,
    settings: BackendSettings,
    continues: bool = False,
) -> tuple[str, ...]:
    """What a server of this protocol cannot be asked for.

    Args:
        dialect: our name of a generation parameter → the server's.
        settings: its address or how it is launched, as the config has it.
        continues: whether it goes on with a turn that the request has begun.
    """
    options = settings.chosen(OpenAIServerOptions)
    return (
        *_not_honoured(name, dialect, demand, settings),
        *refused_keys(options.extra_body, demand.sample),
        *unseen(name, options.api, continues, demand.sample),
    )


def _not_honoured(name: str, dialect: Mapping[str, str], demand: Demand, settings: BackendSettings) -> tuple[str, ...]:
    given: dict[str, object] = {"endpoint": settings.endpoint, "options": asdict(settings.chosen(OpenAIServerOptions))}
    hidden = tuple(f"{place}: {_MASKED}" for place in _masked_places(given, "backend"))
    context = context_problems(settings, demand.generation) if settings.launch else ()
    unknown = tuple(
        f"scenario.generate_kwargs.{key}: a {name} server has no such parameter; fix: remove it, "
        "or give the server's own key in backend.options.extra_body"
        for key in _SAMPLING
        if getattr(demand.generation, key) is not None and key not in dialect
    )
    if demand.batch_size == 1:
        return (*hidden, *context, *unknown)
    return (
        *hidden,
        *context,
        *unknown,
        f"scenario.input_shapes.batch_size: {demand.batch_size} was asked for, but a server forms its own "
        "batches; fix: set load.concurrency instead",
    )


def _masked_places(value: object, path: str) -> Iterator[str]:
    """Where a config of an earlier result has ``***``."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _masked_places(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _masked_places(item, f"{path}[{number}]")
    elif isinstance(value, str) and HIDDEN in value:
        yield path


def refused_keys(extra_body: Mapping[str, object], sample: Request | None = None) -> tuple[str, ...]:
    """Keys of ``backend.options.extra_body`` under which another thing would be measured than the report says.

    Blocks of parameters, such as Ollama's ``options``, are looked into.

    Args:
        sample: a request in the form that all will have; None if that is not known yet.
    """
    sent = sample.template_arguments if sample is not None else {}
    given = extra_body.get(_TEMPLATE)
    twice = sorted(sent) if _TEMPLATE in extra_body else []
    if isinstance(given, Mapping):
        twice = [name for name in twice if name in given]
    return (
        *_refused_within(extra_body, "backend.options.extra_body"),
        *(
            f"backend.options.extra_body.{_TEMPLATE}: scenario.reasoning sets {name} there; fix: remove one"
            for name in twice
        ),
    )


def _refused_within(block: Mapping[str, object], path: str) -> Iterator[str]:
    for key, value in block.items():
        if key in _ONLY_ONE:
            why = None if value in (None, 1) else _ONLY_ONE[key]
        else:
            why = None if key in _HARMLESS and value in (None, _HARMLESS[key]) else _REFUSED.get(key)
        if why is not None:
            yield f"{path}.{key}: {value!r} is refused; {why}"
        elif isinstance(value, Mapping) and key not in _FOREIGN_NAMES:
            yield from _refused_within(value, f"{path}.{key}")


def unseen(name: str, api: str, continues: bool, sample: Request | None) -> tuple[str, ...]:
    """What of a conversation or a reasoning switch a server would not see.

    Args:
        continues: whether it goes on with a turn that the request has begun.
    """
    if sample is None:
        return ()
    if api == "completions" and sample.prompt.history:
        return (
            "scenario.dataset_options.turns: a completion is asked for with one text, which has no place for the "
            "earlier turns of a conversation; fix: set backend.options.api: chat, or turns: first",
        )
    if api == "completions" and (sample.template_arguments or sample.assistant_prefix):
        return ("scenario.reasoning: raw text has no chat template to set it in; fix: set backend.options.api: chat",)
    if sample.assistant_prefix and not continues:
        return (
            f"scenario.reasoning: a {name} server cannot begin the answer with {sample.assistant_prefix!r}; "
            "fix: use backend.type: vllm if it is one, or remove scenario.reasoning",
        )
    return ()


def request_body(
    model: str,
    options: OpenAIServerOptions,
    dialect: Mapping[str, str],
    request: Request,
    batch: Batch,
    *,
    counts_events: bool = False,
) -> dict[str, object]:
    """The JSON document of a request.

    Args:
        dialect: our name of a generation parameter → the server's.
        counts_events: whether the server can send its usage with every event.
    """
    generation = batch.generation
    body: dict[str, object] = {"model": model}
    if is_chat(options, request):
        body |= turns(request)
    else:
        body["prompt"] = "\n".join(each.content for each in request.messages) or request.prompt.text
    usage = {"include_usage": True, **({"continuous_usage_stats": True} if counts_events else {})}
    body |= {"stream": True, "stream_options": usage, "max_tokens": generation.max_new_tokens}
    sampling = {theirs: getattr(generation, ours) for ours, theirs in dialect.items()}
    body |= {name: value for name, value in sampling.items() if value is not None}
    body |= {"seed": batch.seed + request.number} if generation.do_sample else {"temperature": 0}
    if generation.stop_strings:
        body["stop"] = list(generation.stop_strings)
    whole = {**body, **request.parameters, **options.extra_body}
    ours, theirs = body.get(_TEMPLATE), options.extra_body.get(_TEMPLATE)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        whole[_TEMPLATE] = {**theirs, **ours}
    return whole


def is_chat(options: OpenAIServerOptions, request: Request) -> bool:
    """Whether the server applies the chat template."""
    return options.api == "chat" and bool(request.messages)


def used_parameters(body: Mapping[str, object]) -> dict[str, FactValue]:
    """The generation parameters in a request, as the server was told them."""
    return {name: _shown(name, value) for name, value in body.items() if name not in _FORM and value is not None}


def _shown(name: str, value: object) -> FactValue:
    if isinstance(value, (int, float)) and not is_secret(name):  # nearly all, once for every request
        return value
    return as_fact(masked(value, secret=is_secret(name)))


def turns(request: Request) -> dict[str, object]:
    """The part of a chat request that decides what the model's template renders."""
    messages = [{"role": each.role, "content": each.content} for each in request.messages]
    form: dict[str, object] = {"messages": messages}
    if request.assistant_prefix:
        messages.append({"role": "assistant", "content": request.assistant_prefix})
        form |= {"add_generation_prompt": False, "continue_final_message": True}
    if request.template_arguments:
        form["chat_template_kwargs"] = dict(request.template_arguments)
    return form
