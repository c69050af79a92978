"""`millrace monitor`: watches for drift, raises alerts, asks for retraining."""

from __future__ import annotations

import asyncio

import typer

from streams.cli.options import (
    CONFIG,
    ConfigOption,
    LogJsonOption,
    LogLevelOption,
    MetricsPortOption,
    SetOption,
    load_config,
)

app = typer.Typer(no_args_is_help=False)


@app.command(epilog="Examples:  millrace monitor   |   millrace monitor -c fraud.toml --log-level warning")
def monitor(
    config: ConfigOption = CONFIG,
    metrics_port: MetricsPortOption = None,
    override: SetOption = None,
    log_json: LogJsonOption = False,
    log_level: LogLevelOption = "info",
) -> None:
    """Watch predictions and examples for drift, raise alerts, ask for retraining, render reports.

    One is active; run a second one and it stands by. Killed, its successor goes on from the last checkpoint: an alert
    may be told again under the same id, never invented or forgotten.
    """
    from streams.cli.logs import set_up_logs
    from streams.cli.long_running import run_to_the_end, serving_figures
    from streams.kafka.process import Ground, prepare
    from streams.stages.watch import Watch

    set_up_logs(as_json=log_json, level=log_level)
    loaded = load_config(config, override)
    Watch(loaded)  # a wrong statistic or detector is an error of the config, told before anything starts
    ground = prepare(loaded)

    async def main(stop: asyncio.Event, ground: Ground = ground) -> None:
        from streams.kafka.monitor import Monitor

        monitor = Monitor(ground.config, ground.connection, ground.identity, ground.store)
        with serving_figures(monitor, metrics_port):
            await monitor.run(stop)

    run_to_the_end(main)
