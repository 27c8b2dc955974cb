"""``${NAME}`` and ``${NAME:-default}`` inside the text of a config file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ai_energy_benchmarks.text.problems import wrong

_REFERENCE = re.compile(
    r"(?P<escape>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<other>\$\{)"
)


def substitute(text: str, environment: Mapping[str, str]) -> str:
    """Replace every reference.

    ``${NAME:-default}`` takes the default where the variable is unset or empty, as a shell does;
    ``$${`` stands for ``${`` itself.

    Raises:
        InvalidError: a variable is unset and has no default, or a reference is not closed.
    """

    def value(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        if match["other"]:
            raise wrong(f"{text!r} has a '${{' that opens no ${{NAME}}; write '$${{' for the characters themselves")
        found, default = environment.get(match["name"]), match["default"]
        if default is not None:
            return found or default
        if found is None:
            name = match["name"]
            raise wrong(f"environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return found

    return _REFERENCE.sub(value, text)


def escape(text: str) -> str:
    """Text that ``substitute`` turns back into ``text``, whatever the environment."""
    return text.replace("${", "$${")
