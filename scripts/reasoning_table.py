"""Render every reasoning switch with real chat templates, as the table of docs/reasoning.md.

The templates are the models' own, so they are not part of this repository. Give a directory of ``*.jinja`` files, such
as ``models/templates`` of llama.cpp, and a CSV with ``model,template`` rows:

    python scripts/reasoning_table.py TEMPLATES MODELS.csv
"""

from __future__ import annotations

import csv
import sys
from difflib import SequenceMatcher
from pathlib import Path

from ai_energy_benchmarks.backends.rendering import rendered_text
from ai_energy_benchmarks.domain.prompts import Prompt
from ai_energy_benchmarks.formatters.registry import FormatterRegistry

PROMPT = Prompt(0, "Why is the sky blue?")
LONGEST = 90


class Template:
    """The part of a tokenizer that renders."""

    def __init__(self, text: str) -> None:
        self.chat_template: object = text

    def apply_chat_template(self, conversation, *, tokenize, add_generation_prompt, **arguments):  # type: ignore[no-untyped-def] # transformers' own
        from transformers.utils.chat_template_utils import render_jinja_template

        rendered, _ = render_jinja_template(
            [list(conversation)],
            chat_template=self.chat_template,
            add_generation_prompt=add_generation_prompt,
            bos_token="<bos>",
            eos_token="<eos>",
            **arguments,
        )
        return rendered[0]

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return list(text.encode())

    def decode(self, token_ids: list[int]) -> str:
        return bytes(token_ids).decode()


def difference(text: str, other: str) -> str:
    """What of ``text`` is not in ``other``."""
    blocks = SequenceMatcher(None, text, other, autojunk=False).get_opcodes()
    parts = [text[begin:end] for kind, begin, end, *_ in blocks if kind != "equal"]
    joined = " … ".join(part for part in parts if part)
    return joined if len(joined) <= LONGEST else joined[:LONGEST] + "…"


def cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return f"`{text!r}`".replace("|", "\\|") if text else "nothing more"


def row(model: str, template: Path | None) -> str:
    """One line of the table."""
    registry = FormatterRegistry()
    family, switch = registry.find(model), registry.get_formatter(model)
    if family is None:
        return f"| {model} | unknown | | |"
    if switch is None:
        return f"| {model} | {family.name}: none | {'always' if family.default == 'on' else 'never'} thinks | |"
    kind = f"{family.name}: {family.type}"
    on, off = (switch.bind(state).format(0, PROMPT) for state in (True, False))
    if template is None:
        sent = f"sends `{family.on!r}` for on, `{family.off!r}` for off ({family.source})".replace("|", "\\|")
        return f"| {model} | {kind} | not rendered: template not available | {sent} |"
    renderer = Template(template.read_text(encoding="utf-8"))
    texts = rendered_text(renderer, on), rendered_text(renderer, off)
    return f"| {model} | {kind} | {cell(difference(*texts))} | {cell(difference(*reversed(texts)))} |"


def main() -> None:
    """Print the table."""
    directory, models = Path(sys.argv[1]), Path(sys.argv[2])
    print("| model | family: type | only in the prompt with thinking on | only in the prompt with thinking off |")
    print("|---|---|---|---|")
    with models.open(encoding="utf-8", newline="") as lines:
        for model, name in csv.reader(lines):
            print(row(model, directory / f"{name}.jinja" if name else None))


if __name__ == "__main__":
    main()
