"""Options that mean the same in every command that has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


class RenamedOption(click.Option):
    """An option that also goes by the names it had before, which no help shows.

    Args:
        older: those names.
    """

    def __init__(self, *args: Any, older: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._older = tuple(older)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        shown, self.opts = self.opts, [*self.opts, *self._older]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown


def samples_option(default: str, *, older: Sequence[str] = ()) -> Callable[[_Command], _Command]:
    """``-n/--samples``.

    Args:
        default: how many there are without it, for the help.
    """
    text = f"Prompts of one pass (scenario.num_samples).  [default: {default}]"
    return click.option("-n", "--samples", type=int, cls=RenamedOption, older=older, help=text)


def output_dir_option(default: str) -> Callable[[_Command], _Command]:
    """``--output-dir``; None where it is not given.

    Args:
        default: where results go without it, for the help.
    """
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("--output-dir", type=kind, help=f"The result directory (output_dir).  [default: {default}]")


def name_for(file: Path, otherwise: str) -> str:
    """What is written into a new file is called after it, so that results lie where its name makes one look.

    Args:
        otherwise: where the file's name cannot stand in YAML without quotes.
    """
    plain = re.fullmatch(r"[A-Za-z][\w-]*", file.stem) and file.stem.lower() not in ("null", "true", "false")
    return file.stem if plain else otherwise


def as_overrides(samples: int | None, output_dir: Path | None) -> dict[str, object]:
    """What the two options change in a config."""
    changes: dict[str, object] = {}
    if samples is not None:
        changes["scenario.num_samples"] = samples
    if output_dir is not None:
        changes["output_dir"] = str(output_dir)
    return changes
