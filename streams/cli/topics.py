"""`millrace topics create|check`: the pipeline's topics, as they should be."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, load_config
from streams.cli.terminal import json_out, say
from streams.cli.wording import plural
from streams.kafka.admin import Admin
from streams.kafka.topics import Departure, TopicSpec, diff, topic_specs

app = typer.Typer(
    no_args_is_help=True, help="The pipeline's topics: make them, check that they are as they should be, describe them."
)


@app.command(epilog="Examples:  millrace topics create   |   millrace topics create --mend -c fraud.toml")
def create(
    config: ConfigOption = CONFIG,
    override: SetOption = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Also set the settings of existing topics that 'topics check' complains of.")
    ] = False,
) -> None:
    """Make the topics that are missing; leave those that exist as they are.

    Topics named in topics.features and topics.labels are yours: they are never made or altered.
    Exit code 1 if something is not as it should be afterwards.
    """
    loaded = load_config(config, override)
    with Admin(loaded) as admin:
        specs = topic_specs(loaded)
        made = set(create_missing(admin, specs))
        if mend:
            mend_settings(admin, specs)
        for spec in specs:
            say(f"{_deed(spec, made):8} {spec.name} ({plural(spec.partitions, 'partition')})")
        left = departures(admin, specs)
    _show(left)
    raise typer.Exit(1 if left else 0)


@app.command(epilog="Examples:  millrace topics check   |   millrace topics check --json")
def check(config: ConfigOption = CONFIG, override: SetOption = None, as_json: JsonOption = False) -> None:
    """Compare the topics with what the pipeline needs, and say how to mend what departs. Exit code 1 if any does."""
    loaded = load_config(config, override)
    with Admin(loaded) as admin:
        specs = topic_specs(loaded)
        found = departures(admin, specs)
    if as_json:
        json_out({"topics": len(specs), "departures": [dataclasses.asdict(each) for each in found]})
    else:
        say(f"{len(specs)} topics, {plural(len(found), 'departure') if found else 'no departures'}")
        _show(found)
    raise typer.Exit(1 if found else 0)


@app.command(epilog="Examples:  millrace topics asyncapi   |   millrace topics asyncapi -c fraud.toml > asyncapi.json")
def asyncapi(config: ConfigOption = CONFIG, override: SetOption = None) -> None:
    """Print the topics as an AsyncAPI 3.0 document: addresses, keys, schemas. Needs no broker, holds no secret."""
    from streams.asyncapi import document

    json_out(document(load_config(config, override)))


def create_missing(admin: Admin, specs: list[TopicSpec]) -> list[str]:
    """Make those of our own that do not exist; their names."""
    there = admin.topics(spec.name for spec in specs)
    return admin.create_topics([spec for spec in specs if spec.owned and spec.name not in there])


def mend_settings(admin: Admin, specs: list[TopicSpec]) -> None:
    """Set what departs in topics of our own, and nothing else."""
    wanted = {spec.name: spec.configs for spec in specs if spec.owned}
    for each in departures(admin, specs):
        if each.what in wanted.get(each.topic, {}):
            admin.alter_configs(each.topic, {each.what: wanted[each.topic][each.what]})


def departures(admin: Admin, specs: list[TopicSpec]) -> list[Departure]:
    """What differs now."""
    return diff(specs, admin.topics(spec.name for spec in specs), bootstrap=admin.bootstrap)


def _deed(spec: TopicSpec, made: set[str]) -> str:
    if spec.name in made:
        return "created"
    return "exists" if spec.owned else "yours"


def _show(found: list[Departure]) -> None:
    for each in found:
        say(f"- {each}\n    {each.mend}")
