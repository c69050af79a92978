"""`millrace webhook`: posts alerts to whoever is named in the config."""

from __future__ import annotations

import asyncio

import typer

from streams.cli.option_lists import spread
from streams.cli.options import Process

app = typer.Typer(no_args_is_help=False)


@app.command(epilog="Examples:  millrace webhook   |   millrace webhook -c fraud.toml --log-json --metrics-port 0")
@spread
def webhook(process: Process) -> None:
    """Post every phase of an incident where `alerts.webhook` says: JSON, Slack or PagerDuty.

    The first time it begins with the next alert; from then on none is passed over, and one that nobody takes becomes
    a dead letter. Killed, it may post one alert again, under the same Idempotency-Key. Run a second one and it stands
    by.
    """
    from streams.cli.long_running import run_to_the_end, serving_source
    from streams.kafka.webhook import Webhook, require_topics, webhook_settings
    from streams.observability.server import Source

    loaded = process.begin()
    webhook_settings(loaded)
    require_topics(loaded)

    async def main(stop: asyncio.Event) -> None:
        posting = Webhook(loaded)
        with serving_source(loaded, process.metrics_port, lambda: Source(posting.figures, posting.condition)):
            await posting.run(stop)

    run_to_the_end(main)
