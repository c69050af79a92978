"""`millrace up`: broker (when local), topics, worker and monitor in one terminal."""

import sys
import time
from contextlib import ExitStack

import typer

from streams.cli.main import stop_on_sigterm
from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import complain, console, interactive, note

app = typer.Typer()

_STYLE = {"worker": "cyan", "monitor": "magenta", "webhook": "green"}
_LEVEL = {"warning": "yellow", "error": "bold red", "critical": "bold red"}


@app.command(epilog="Examples:  millrace up   |   millrace up -c fraud.toml --set kafka.bootstrap=kafka:9092")
def up(config: ConfigOption = CONFIG, override: SetOption = None) -> None:
    """Start everything one millrace.toml needs and show what it says; Ctrl-C stops it together, in order.

    A worker or monitor that falls is started again and goes on from its last checkpoint.
    """
    from streams.cli.broker_progress import start_broker
    from streams.cli.topics import create_missing, departures
    from streams.kafka.admin import Admin
    from streams.kafka.bootstrap import LOCAL
    from streams.kafka.broker_settings import LocalBrokerSettings
    from streams.kafka.topics import topic_specs
    from streams.supervise import Child, Children

    stop_on_sigterm()
    loaded = load_config(config, override)
    with ExitStack() as stack:
        if loaded.kafka.bootstrap.strip() == LOCAL:
            broker = start_broker(LocalBrokerSettings(folder=loaded.path(loaded.kafka.local_folder)))
            stack.enter_context(broker)
            note(f"Kafka at {broker.status().bootstrap}")
        with Admin(loaded) as admin:
            specs = topic_specs(loaded)
            made = create_missing(admin, specs)
            note(f"{len(specs)} topics, {len(made)} of them new")
            for departure in departures(admin, specs):
                note(f"  {departure}")
        arguments = ["--config", str(config), "--log-json", *(f"--set={each}" for each in override or [])]
        names = ("worker", "monitor", *(("webhook",) if loaded.alerts.webhook is not None else ()))
        children = stack.enter_context(Children([Child(name, [name, *arguments], _print) for name in names]))
        note("worker and monitor started; Ctrl-C stops everything")
        try:
            while (fallen := children.fallen()) is None:
                time.sleep(0.2)
        except KeyboardInterrupt:
            note("stopping worker, monitor and Kafka")
            return
        complain(f"the {fallen.name} has ended for good, everything is stopped")
        raise typer.Exit(1)


def _print(line: object) -> None:
    from streams.supervise import LogLine

    assert isinstance(line, LogLine)
    fields = {key: value for key, value in line.fields.items() if key not in {"event", "level", "timestamp"}}
    told = " ".join(f"{key}={value}" for key, value in fields.items())
    text = f"{line.event} {told}" if line.event else line.text
    if not interactive(sys.stderr):
        note(f"{line.child}: {text}")
        return
    from rich.text import Text

    out = Text.assemble((f"{line.child:8}", _STYLE.get(line.child, "")), (text, _LEVEL.get(line.level, "")))
    console(stderr=True).print(out)
