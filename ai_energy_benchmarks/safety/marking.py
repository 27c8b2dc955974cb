"""Secrets of a config: found by key, variable and address, and carried with what may be shown in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ai_energy_benchmarks.safety.keys import HANDED_OVER, LOOKS_SECRET, is_secret, is_secret_variable
from ai_energy_benchmarks.safety.secrets import blanked, learn, learn_address
from ai_energy_benchmarks.safety.urls import HIDDEN, hidden, secret_parts

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}")
# ``--api-key=…``, ``HF_TOKEN=…`` and ``"password": "…"`` within a word of a command line.
_PAIR = re.compile(
    r"""(?P<name>[A-Za-z][\w.-]*)["']?\s*[:= ]\s*(?P<value>(?:Bearer |Basic )?["']?[^\s"',}]+)""", re.IGNORECASE
)
_WHOLE_PAIR = re.compile(r"[A-Za-z][\w.-]*=\S+")
_HEADER = re.compile(r"[A-Za-z][\w-]*:\s*\S.*")
_SCHEME = re.compile(r"^(bearer|basic|token)\s+", re.IGNORECASE)
_FLAG = re.compile(r"--?[A-Za-z][\w.-]*")
_SCHEMA = "properties"


class Secret(str):
    """Text with a secret in it, sent as it is; ``repr`` and files have ``shown``.

    Attributes:
        shown: the same with ``***`` for what is secret.
        template: what the user wrote, with ``${NAME}`` and without any secret; None where a secret stands in it.
    """

    shown: str
    template: str | None

    def __new__(cls, text: str, shown: str = HIDDEN, template: str | None = None) -> Secret:
        secret = super().__new__(cls, text)
        secret.shown, secret.template = shown, template
        return secret

    def __repr__(self) -> str:
        return repr(self.shown)

    @property
    def written(self) -> str:
        """What a config file may hold of it."""
        return self.shown if self.template is None else self.template


class _SecretInt(int):
    def __repr__(self) -> str:
        return HIDDEN


class _SecretFloat(float):
    def __repr__(self) -> str:
        return HIDDEN


# Numbers under a secret key, which stay numbers.
SECRET_NUMBERS = (_SecretInt, _SecretFloat)


def marked(value: object, *, secret: bool = False) -> object:
    """The same plain values with every secret text as a ``Secret``, learned; its numbers show ``***`` too.

    Args:
        secret: whether the value stands under a secret key.
    """
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        return _marked_text(value, secret=secret)
    if isinstance(value, Mapping):
        return _each(value, marked, secret=secret)
    if isinstance(value, list | tuple):
        return [_marked_word(value, number, secret) for number in range(len(value))]
    if secret and isinstance(value, int | float) and not isinstance(value, bool | _SecretInt | _SecretFloat):
        learn(str(value))
        return _SecretInt(value) if isinstance(value, int) else _SecretFloat(value)
    return value


def from_variables(text: str, template: str, environment: Mapping[str, str], *, secret: bool) -> str:
    """Text in which ``${NAME}`` was replaced; a ``Secret`` if a secret variable, key or address is involved.

    Args:
        template: as the user wrote it.
        environment: where the variables were looked up.
        secret: whether it stands under a secret key.
    """
    names = [match[1] for match in _REFERENCE.finditer(template)]
    for name in names:
        if secret or is_secret_variable(name):
            learn(environment.get(name, ""))
    found = _marked_text(text, secret=secret)
    if any(name.startswith(HANDED_OVER) for name in names):
        _marked_word([text], 0, secret=False)  # learns what is secret in a word of a command line
    if not names or not (isinstance(found, Secret) or any(map(is_secret_variable, names))):
        return found
    written = _REFERENCE.sub(lambda match: f"${{{match[1]}}}", template)  # a default may be a secret itself
    for part in secret_parts(written):
        if _REFERENCE.sub("", part.partition(":")[2] or part):
            written = written.replace(part, HIDDEN)
    if secret and _SCHEME.sub("", _REFERENCE.sub("", written)).strip():
        written = HIDDEN  # something secret is written out next to the reference
    return Secret(text, HIDDEN if secret else _REFERENCE.sub(HIDDEN, written), written)


def masked(value: object, *, secret: bool = False) -> object:
    """Plain values as they may be shown and stored: ``***`` for secrets of any length, also numbers."""
    if isinstance(value, Mapping):
        return _each(value, masked, secret=secret)
    if isinstance(value, list | tuple):
        return [masked(_marked_word(value, number, secret), secret=secret) for number in range(len(value))]
    if isinstance(value, str):
        found = _marked_text(value, secret=secret)
        return blanked(found.shown if isinstance(found, Secret) else found)
    return HIDDEN if secret and isinstance(value, int | float) and not isinstance(value, bool) else value


def shown_command(words: Sequence[str]) -> str:
    """A command line as it may be shown."""
    shown = masked(list(words))
    assert isinstance(shown, list)
    return " ".join(map(str, shown))


def _each(block: Mapping[object, object], treat: Callable[..., object], *, secret: bool) -> dict[object, object]:
    """Treat every value, those under a secret key as secrets; in a JSON schema a name of a property is no such key."""
    result: dict[object, object] = {}
    for key, item in block.items():
        if key == _SCHEMA and isinstance(item, Mapping):
            result[key] = {name: treat(each, secret=False) for name, each in item.items()}
        else:
            result[key] = treat(item, secret=secret or is_secret(str(key)))
    return result


def _marked_text(text: str, *, secret: bool) -> str:
    if isinstance(text, Secret):
        return text
    if secret and text:
        _learn_value(text)
        return Secret(text)
    if secret_parts(text):
        learn_address(text)
        return Secret(text, hidden(text))
    keys = LOOKS_SECRET.findall(text)
    for key in keys:
        learn(key)
    return Secret(text, LOOKS_SECRET.sub(HIDDEN, text)) if keys else text


def _marked_word(words: Sequence[object], number: int, secret: bool) -> object:
    """An item of a list, which may be a command line: a secret option's value is the next word, or in the same."""
    word = words[number]
    if not isinstance(word, str) or isinstance(word, Secret):
        return marked(word, secret=secret)
    before = words[number - 1] if number else None
    if secret or (_is_flag(before) and is_secret(str(before)) and not _is_flag(word)):
        return _marked_text(word, secret=True)
    shown: str = word
    if word.startswith(("-", "{")) or _WHOLE_PAIR.fullmatch(word) or (_is_flag(before) and _HEADER.fullmatch(word)):
        for match in _PAIR.finditer(word):
            if is_secret(match["name"]) and (value := match["value"].strip("\"'")):
                _learn_value(value)
                shown = shown.replace(value, HIDDEN)
    return Secret(word, shown) if shown != word else _marked_text(word, secret=False)


def _is_flag(word: object) -> bool:
    return isinstance(word, str) and _FLAG.fullmatch(word) is not None


def _learn_value(text: str) -> None:
    learn(text)
    learn(_SCHEME.sub("", text))
    learn_address(text)
