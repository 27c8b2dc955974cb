"""Numbers that readers of YAML 1.1, PyYAML among them, take for other numbers than YAML 1.2 says."""

from __future__ import annotations

import re

# YAML 1.1 writes octal numbers with a leading zero (yaml.org/type/int.html), YAML 1.2 with 0o (section 10.3.2).
_OCTAL = re.compile(r"[-+]?0[0-7]+")


def in_yaml_1_1(text: str, value: object) -> str | None:
    """What YAML 1.1 makes of an unquoted scalar, and how to write it so that both agree; None where they do.

    Args:
        text: as the file has it.
        value: what YAML 1.2 makes of it.
    """
    if not isinstance(value, int) or not _OCTAL.fullmatch(text) or (octal := int(text, 8)) == value:
        return None
    return f"{text} is read as {value}, as YAML 1.2 says, where YAML 1.1 reads {octal}; fix: write {value} or {octal}"
