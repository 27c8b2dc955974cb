"""Groups of commands whose modules are imported when one is looked at."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

import click


class LazyGroup(click.Group):
    """Imports a subcommand's module when the command is looked at.

    Attributes:
        TARGETS: name → ``module:attribute``, in the order of the help.
    """

    TARGETS: ClassVar[Mapping[str, str]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.TARGETS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a guess where there is no such command."""
        if args and not args[0].startswith("-") and args[0] not in self.TARGETS:
            near = difflib.get_close_matches(args[0], self.TARGETS, n=1)
            ctx.fail(f"No such command {args[0]!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.TARGETS:
            return None
        module, _, name = self.TARGETS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command
