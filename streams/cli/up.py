"""`millrace up`: broker (when local), topics, worker, monitor and the live page in one terminal."""

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.main import stop_on_sigterm
from streams.cli.options import CONFIG, ConfigOption, SetOption, load_config
from streams.cli.terminal import complain, console, interactive, note

if TYPE_CHECKING:
    from streams.supervise import Children

app = typer.Typer()

_STYLE = {"worker": "cyan", "monitor": "magenta", "webhook": "green", "dashboard": "blue"}
_LEVEL = {"warning": "yellow", "error": "bold red", "critical": "bold red"}


@app.command(
    epilog="Examples:  millrace up   |   millrace up --no-dashboard   |   "
    "millrace up -c fraud.toml --set kafka.bootstrap=kafka:9092"
)
def up(
    config: ConfigOption = CONFIG,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="Also the live page, on this machine alone.")
    ] = True,
    override: SetOption = None,
) -> None:
    """Start everything one millrace.toml needs and show what it says; Ctrl-C stops it together, in order.

    A worker or monitor that falls is started again and goes on from its last checkpoint. The live page is at port 8321,
    or at another one if that is taken; should it end, the others go on.
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
        pages = [Child("dashboard", ["dashboard", *arguments, "--port", str(_page_port())], _print)]
        page = stack.enter_context(Children(pages if dashboard else []))
        note("worker and monitor started; Ctrl-C stops everything")
        try:
            while (fallen := children.fallen()) is None:
                _without_fallen(page)
                time.sleep(0.2)
        except KeyboardInterrupt:
            note("stopping worker, monitor and Kafka")
            return
        complain(f"the {fallen.name} has ended for good, everything is stopped")
        raise typer.Exit(1)


def _page_port() -> int:
    """The usual one if it is free: a pipeline does not wait for a page that somebody else shows there."""
    from streams.cli.dashboard import PORT
    from streams.kafka.ports import free_port, is_free

    return PORT if is_free(PORT) else free_port()


def _without_fallen(pages: "Children") -> None:
    """A page that has ended for good is told of once; nothing depends on it."""
    fallen = pages.fallen()
    if fallen is not None:
        complain(f"the {fallen.name} has ended for good, everything else goes on")
        pages.children.remove(fallen)


def _print(line: object) -> None:
    from streams.supervise import LogLine

    assert isinstance(line, LogLine)
    if line.event == "dashboard_ready":
        note(f"the live page: {line.fields.get('address')}")
        return
    fields = {key: value for key, value in line.fields.items() if key not in {"event", "level", "timestamp"}}
    told = " ".join(f"{key}={value}" for key, value in fields.items())
    text = f"{line.event} {told}" if line.event else line.text
    if not interactive(sys.stderr):
        note(f"{line.child}: {text}")
        return
    from rich.text import Text

    out = Text.assemble((f"{line.child:10}", _STYLE.get(line.child, "")), (text, _LEVEL.get(line.level, "")))
    console(stderr=True).print(out)
