"""`millrace worker`: predicts, joins labels, learns."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config

app = typer.Typer(no_args_is_help=False)

AsJson = Annotated[bool, typer.Option("--log-json", help="Log lines as JSON.")]
Level = Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")]


@app.command(epilog="Examples:  millrace worker   |   millrace worker -c fraud.toml --log-json")
def worker(
    config: ConfigOption = CONFIG, override: SetOption = None, log_json: AsJson = False, log_level: Level = "info"
) -> None:
    """Predict events, join labels to them, learn. Run several to share the partitions.

    Stops at a consistent point on SIGTERM or Ctrl-C. Killed, it goes on where its last checkpoint was: no label is
    lost or learnt twice.
    """
    from streams.cli.logs import set_up_logs
    from streams.cli.long_running import run_to_the_end
    from streams.kafka.process import Ground, prepare
    from streams.stages.candidates import build_candidates

    set_up_logs(as_json=log_json, level=log_level)
    loaded = load_config(config, override)
    build_candidates(loaded)  # a wrong model is an error of the config, told before anything starts
    ground = prepare(loaded)

    async def main(stop: asyncio.Event, ground: Ground = ground) -> None:
        from streams.kafka.worker import Worker

        await Worker(ground.config, ground.connection, ground.identity, ground.store).run(stop)

    run_to_the_end(main)
