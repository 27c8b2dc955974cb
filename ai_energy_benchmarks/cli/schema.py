"""``schema``: the JSON Schema of a config or of a result, for editors and other programs."""

from __future__ import annotations

import json

import click


@click.command(short_help="Print the JSON Schema of a config or of a result.")
@click.option("--result", is_flag=True, help="That of result.json, whose version is in its $id.")
def schema(*, result: bool) -> None:
    """Print the JSON Schema (draft 2020-12) of a config, with the members that are installed here.

    An editor that knows YAML checks and completes a config by it: write the output to a file and begin the config with

        # yaml-language-server: $schema=FILE
    """
    if result:
        from ai_energy_benchmarks.results.document.json_schema import result_schema

        click.echo(json.dumps(result_schema(), indent=2))
        return
    from ai_energy_benchmarks.config.json_schema import config_schema

    click.echo(json.dumps(config_schema(), indent=2))
