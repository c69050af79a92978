"""`millrace status`: one screen that says how the pipeline stands, whether or not anything runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from streams.cli.options import CONFIG, ConfigOption, JsonOption, SetOption, load_config
from streams.cli.terminal import json_out

app = typer.Typer(no_args_is_help=False)


@app.command(epilog="Examples:  millrace status   |   millrace status --json   |   watch -n 5 millrace status")
def status(
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=60, help="How long to look, for the records a second.")
    ] = 1.0,
    override: SetOption = None,
) -> None:
    """Show lag, rates, checkpoints, the models' scores beside the baselines, the label ledger, drift, dead letters.

    Reads topics and checkpoints and changes nothing. Lag is counted from committed offsets, which follow the
    checkpoints. Exit code 0, also when the broker is away: what is not there is said.
    """
    from streams.cli.status_screen import draw
    from streams.kafka.status_facts import kafka_facts, state_facts
    from streams.status import assemble

    loaded = load_config(config, override)
    kafka = kafka_facts(loaded, seconds)
    states, gaps, problem = state_facts(loaded)
    told = assemble(loaded, int(time.time() * 1000), kafka, states, problem, gaps)
    if as_json:
        json_out(told)
    else:
        draw(loaded, told)
