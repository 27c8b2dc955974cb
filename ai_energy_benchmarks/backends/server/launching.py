"""What every server that can be started here has in common: its options and the words of its command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, fields, frozen
from attrs.validators import gt

from ai_energy_benchmarks.backends.server.requests import OpenAIServerOptions

# Our name of a generation parameter → vLLM's; TensorRT-LLM takes the same.
DIALECT: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "min_new_tokens": "min_tokens",
    "repetition_penalty": "repetition_penalty",
}


@frozen
class LaunchOptions(OpenAIServerOptions):
    """``backend.options`` of a server that may be started here.

    Attributes:
        startup_timeout_s: maximum number of seconds until a launched server is ready.
        environment: variables set for a launched server only.
        trust_remote_code: run Python code that comes with the model.
        extra_args: further arguments, as the command line takes them.
    """

    startup_timeout_s: float = field(default=1800.0, validator=gt(0))
    environment: Mapping[str, str] = field(factory=dict)
    trust_remote_code: bool = False
    extra_args: tuple[str, ...] = ()


def command_names(options: type, *ours: str) -> tuple[str, ...]:
    """The options of a class that its server's command knows under their own names.

    Args:
        ours: those that it does not know.
    """
    shared = {each.name for each in fields(LaunchOptions)}
    own = (each.name for each in fields(options) if each.name not in shared and each.name not in ours)
    return ("trust_remote_code", *own)


def flags(options: object, names: Sequence[str], separator: str) -> tuple[str, ...]:
    """Options as words of a command line: ``--name value``, ``--name`` for true, nothing for false or not set.

    Args:
        separator: what the command puts between the words of a name.
    """
    words: list[str] = []
    for name in names:
        value = getattr(options, name)
        if value is None or value is False:
            continue
        words.append(f"--{name.replace('_', separator)}")
        if value is not True:
            words.append(str(value))
    return tuple(words)
