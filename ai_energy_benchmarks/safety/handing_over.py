"""Secrets for another process of this package: through its environment, which no file holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ai_energy_benchmarks.safety.keys import HANDED_OVER, LOOKS_SECRET
from ai_energy_benchmarks.safety.marking import SECRET_NUMBERS, Secret, marked
from ai_energy_benchmarks.safety.urls import HIDDEN, secret_parts


def handed_over(mapping: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """A config with ``${AEB_SECRET_…}`` in the place of each secret, and these variables with their values.

    A secret that the user has written as ``${NAME}`` stays that: the other process has the same environment.
    """
    variables: dict[str, str] = {}
    secured = marked(mapping)
    assert isinstance(secured, Mapping)
    return {str(key): _named(value, (str(key),), variables) for key, value in secured.items()}, variables


def _named(value: object, path: tuple[str, ...], variables: dict[str, str]) -> object:
    if isinstance(value, Mapping):
        return {key: _named(item, (*path, str(key)), variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(item, (*path, str(number)), variables) for number, item in enumerate(value)]
    if isinstance(value, Secret) and value.template is not None and HIDDEN not in value.template:
        return value
    if isinstance(value, (Secret, *SECRET_NUMBERS)):
        name = HANDED_OVER + re.sub(r"\W", "_", "_".join(path), flags=re.ASCII).upper()
        text = f"{value}" if isinstance(value, Secret) else json.dumps(value)
        template = text
        for number, part in enumerate(_parts(text)):
            variable = f"{name}_{number}" if number else name
            variables[variable] = part
            template = template.replace(part, f"${{{variable}}}")
        return Secret(text, HIDDEN, template)
    return value


def _parts(text: str) -> tuple[str, ...]:
    """What of a text is handed over: of an address its secrets alone."""
    return tuple(dict.fromkeys((*secret_parts(text), *LOOKS_SECRET.findall(text)))) or (text,)
