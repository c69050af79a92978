"""`millrace monitor`: watches for drift, raises alerts, asks for retraining."""

from __future__ import annotations

import asyncio

import typer

from streams.cli.option_lists import spread
from streams.cli.options import Process

app = typer.Typer(no_args_is_help=False)


@app.command(epilog="Examples:  millrace monitor   |   millrace monitor -c fraud.toml --log-level warning")
@spread
def monitor(process: Process) -> None:
    """Watch predictions and examples for drift, raise alerts, ask for retraining, render reports.

    One is active; run a second one and it stands by. Killed, its successor goes on from the last checkpoint: an alert
    may be told again under the same id, never invented or forgotten.
    """
    from streams.cli.long_running import run_to_the_end, serving_figures
    from streams.kafka.process import Ground, prepare
    from streams.stages.watch import Watch

    loaded = process.begin()
    Watch(loaded)  # a wrong statistic or detector is an error of the config, told before anything starts
    ground = prepare(loaded)

    async def main(stop: asyncio.Event, ground: Ground = ground) -> None:
        from streams.kafka.monitor import Monitor

        monitor = Monitor(ground.config, ground.connection, ground.identity, ground.store)
        with serving_figures(monitor, process.metrics_port):
            await monitor.run(stop)

    run_to_the_end(main)
