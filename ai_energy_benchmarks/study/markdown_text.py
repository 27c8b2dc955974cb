"""Text of results and configs inside Markdown: it becomes no table, tag, link or mention."""

from __future__ import annotations

from ai_energy_benchmarks.safety.printable import one_line

_INSTEAD = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "\\`"), ("[", "\\["), ("@", "@\u200b"))


def safe(text: str) -> str:
    """One line for a cell of a table or an item of a list; names come from anyone's config."""
    text = one_line(text)
    for character, instead in _INSTEAD:
        text = text.replace(character, instead)
    return text
