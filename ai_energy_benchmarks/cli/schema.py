"""``schema``: the JSON Schema of a config, for editors and other programs."""

from __future__ import annotations

import json

import click


@click.command(short_help="Print the JSON Schema of a config.")
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of a config, with the members that are installed here.

    An editor that knows YAML checks and completes a config by it: write the output to a file and begin the config with

        # yaml-language-server: $schema=FILE
    """
    from ai_energy_benchmarks.config.json_schema import config_schema

    click.echo(json.dumps(config_schema(), indent=2))
