"""From ``scenario.reasoning`` to the formatter, and what can be said of it once the model's template is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import cast

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.thinking import thinking_tokens
from ai_energy_benchmarks.backends.base import Renders
from ai_energy_benchmarks.backends.rendering import ChatTokenizer, RenderingError, rendered_text
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.prompts import Prompt, Request, TemplateValue, Tokenizer
from ai_energy_benchmarks.domain.result import Reasoning
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.formatters.base import Formatter
from ai_energy_benchmarks.formatters.family import Family
from ai_energy_benchmarks.formatters.plain import PlainFormatter
from ai_energy_benchmarks.formatters.registry import FormatterRegistry
from ai_energy_benchmarks.formatters.switch import SwitchedFormatter

_CHECK = "reasoning"


@frozen
class ReasoningPlan:
    """What will be sent for thinking.

    Attributes:
        opposite: the same with the switch set the other way; None where there is no switch, or it is not touched.
    """

    asked: bool | None
    family: Family | None
    formatter: Formatter
    opposite: Formatter | None = None


@frozen
class Observed:
    """What was seen of a plan with the model loaded; ``begun`` says that the prompt itself opens the thinking."""

    reasoning: Reasoning
    findings: tuple[Finding, ...]
    begun: bool = False


def plan_reasoning(config: BenchmarkConfig) -> ReasoningPlan:
    """Choose the format and set its switch; with ``reasoning`` absent nothing is sent.

    Raises:
        ConfigError: thinking was asked of a model that has no switch for it, or with parameters that it does not know.
    """
    scenario, model = config.scenario, config.backend.model
    registry = FormatterRegistry(scenario.reasoning_formats)
    family, wanted = registry.find(model), scenario.reasoning
    plain = PlainFormatter(scenario.chat_template)
    if wanted is None:
        if scenario.reasoning_params:
            raise ConfigError("scenario.reasoning_params has no effect without scenario.reasoning",
                              remedy="set scenario.reasoning: true or false, or remove the parameters")  # fmt: skip
        return ReasoningPlan(None, family, plain)
    switch = registry.get_formatter(model)
    if switch is None:
        _refuse_what_has_no_switch(wanted, scenario.reasoning_params, family, model)
        return ReasoningPlan(wanted, family, plain)
    if not scenario.chat_template:
        raise ConfigError("scenario.reasoning needs the chat template, but scenario.chat_template is false",
                          remedy="remove one of the two")  # fmt: skip
    return ReasoningPlan(
        wanted, family, switch.bind(wanted, scenario.reasoning_params), opposite=switch.bind(not wanted)
    )


def _refuse_what_has_no_switch(
    wanted: bool, params: Mapping[str, TemplateValue] | None, family: Family | None, model: str
) -> None:
    """On is fine for what always thinks, off for everything else; nothing is sent in either case."""
    if wanted and family is None:
        raise ConfigError(
            f"scenario.reasoning is true, but no reasoning format is known for {model!r}",
            remedy="describe the model in a file as docs/reasoning.md shows and name it in scenario.reasoning_formats, "
            "or remove scenario.reasoning",
        )
    if wanted and family is not None and family.default != "on":
        raise ConfigError(
            f"scenario.reasoning is true, but {model!r} does not think (family {family.name}: {family.source})",
            remedy="remove scenario.reasoning, or name another model",
        )
    if extra := set(params or {}) - {"enable_thinking", "thinking", "reasoning"}:
        raise ConfigError(
            f"scenario.reasoning_params.{sorted(extra)[0]}: {model!r} has no such parameter", remedy="remove it"
        )


def observe(plan: ReasoningPlan, prompt: Prompt, tokenizer: Tokenizer | None, backend: object = None) -> Observed:
    """Render the first prompt both ways, where the template is in this process or the backend shows it, and judge.

    Args:
        backend: asked only where the tokenizer has no template.
    """
    family = plan.family
    render = _renderer(tokenizer, backend) if family is not None else None
    prompt = evolve(prompt, history=())  # the switch is the same with a conversation before it
    text = render(plan.formatter.format(0, prompt)) if render else None
    opposite = render(plan.opposite.format(0, prompt)) if render and plan.opposite else None
    seen = Reasoning(
        asked=plan.asked,
        family=family.name if family else None,
        type=family.type if family else None,
        sent=_sent(plan.formatter),
        rendered_sha256=_sha256(text),
        opposite_sha256=_sha256(opposite),
        source=family.source if family else "",
    )
    opens = family.thinking[0] if family and family.thinking else None
    begun = bool(text and opens and text.rstrip().endswith(opens.strip()))
    return Observed(seen, tuple(_findings(plan, seen)), begun)


def count_thinking(family: Family | None, begun: bool, token_ids: Sequence[int], tokenizer: Tokenizer) -> int | None:
    """Thinking tokens of one output; None if the family does not state how they show."""
    if family is None or family.thinking is None:
        return 0 if family is not None and family.type is None and family.default == "off" else None
    return thinking_tokens(token_ids, tokenizer.decode, *family.thinking, begun=begun)


def _findings(plan: ReasoningPlan, seen: Reasoning) -> Iterator[Finding]:
    if plan.asked is None:
        return
    state, family = "on" if plan.asked else "off", plan.family
    if family is None:
        yield Finding("INFO", _CHECK, "off was asked, but no format is known for this model; nothing was sent for it")
        return
    if not plan.asked and (family.thinks_when_off or (family.type is None and family.default == "on")):
        yield Finding("WARN", _CHECK, f"off was asked, but {family.name} models cannot stop thinking")
    if family.note:
        yield Finding("INFO", _CHECK, family.note)
    if plan.opposite is None:
        yield Finding("INFO", _CHECK, f"{state}: {family.name} models have no switch; nothing was sent for it")
    elif not seen.rendered_sha256:
        yield Finding("INFO", _CHECK, f"{state}: sent {_shown(seen)}; the server renders it, which is not visible here")
    elif seen.rendered_sha256 == seen.opposite_sha256:
        yield Finding("WARN", _CHECK, f"{state}: sent {_shown(seen)}, but on and off render to the same prompt")
    else:
        yield Finding("PASS", _CHECK, f"{state}: sent {_shown(seen)}; on and off render differently")


def _text(tokenizer: ChatTokenizer, request: Request) -> str | None:
    """None where the template refuses it, which an engine in this process has said before."""
    try:
        return rendered_text(tokenizer, request)
    except RenderingError:
        return None


def _renderer(tokenizer: Tokenizer | None, backend: object) -> Callable[[Request], str | None] | None:
    if hasattr(tokenizer, "apply_chat_template"):
        return partial(_text, cast("ChatTokenizer", tokenizer))
    return backend.rendered if isinstance(backend, Renders) else None


def _sent(formatter: Formatter) -> dict[str, TemplateValue]:
    if not isinstance(formatter, SwitchedFormatter):
        return {}
    switch = formatter.switch
    texts = {
        "system": switch.system,
        "before_prompt": switch.before_prompt,
        "assistant_prefix": switch.assistant_prefix,
    }
    return {**{name: text for name, text in texts.items() if text}, **switch.parameters, **switch.template_arguments}


def _shown(seen: Reasoning) -> str:
    return ", ".join(f"{name}={value!r}"[:80] for name, value in seen.sent.items()) or "nothing"


def _sha256(text: str | None) -> str:
    return "" if text is None else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
