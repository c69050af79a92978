"""The folder of a local broker: ports kept in it, Kafka's files, its formatted data, its logs."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from streams.errors import BrokerError
from streams.kafka.broker_process import write_json
from streams.kafka.broker_record import PORTS, remembered_ports
from streams.kafka.broker_settings import (
    CONSOLE,
    DATA,
    LOG,
    LOGGING,
    PROPERTIES,
    java_command,
    log4j2_xml,
    server_properties,
)
from streams.kafka.java import Java
from streams.kafka.ports import free_port, is_free

_TAIL_LINES = 15
_LINE_MAX = 300


def choose_ports(folder: Path, *, asked: int = 0, afresh: bool = False) -> tuple[int, int]:
    """(broker's port, controller's port): those of the last start if they are free, and unless `afresh`.

    Raises BrokerError if the port `asked` for is taken, OSError if none is free.
    """
    kept = None if afresh else remembered_ports(folder)
    if asked and not is_free(asked):
        raise BrokerError(f"could not start Kafka on 127.0.0.1:{asked}: the port is in use")
    port = asked or (kept[0] if kept and is_free(kept[0]) else free_port())
    controller_port = kept[1] if kept and kept[1] != port and is_free(kept[1]) else free_port(avoid=(port,))
    return port, controller_port


def prepare_folder(folder: Path, java: Java, jars: tuple[Path, ...], *, port: int, controller_port: int) -> None:
    """Write Kafka's settings anew; format the data the first time. Raises BrokerError if that fails."""
    (folder / LOG).parent.mkdir(exist_ok=True)
    properties = server_properties(port=port, controller_port=controller_port)
    (folder / PROPERTIES).write_text(properties, encoding="ascii")
    (folder / LOGGING).write_text(log4j2_xml(), encoding="ascii")
    write_json(folder / PORTS, {"port": port, "controller_port": controller_port})
    (folder / CONSOLE).write_bytes(b"")
    if (folder / DATA / "meta.properties").exists():  # written last by a format, so the format was complete
        return
    # The zero byte keeps the id from starting with "-", which Kafka's tool would read as an option.
    cluster_id = base64.urlsafe_b64encode(b"\x00" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()
    arguments = ("format", "--ignore-formatted", "-t", cluster_id, "-c", PROPERTIES)
    command = java_command(java, jars, "kafka.tools.StorageTool", *arguments, heap_mb=128)
    done = subprocess.run(  # noqa: S603  our own command
        command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        raise BrokerError(
            f"could not prepare {folder / DATA} for Kafka: {(done.stdout + done.stderr).strip()[-2_000:]}"
        )


def log_tail(folder: Path) -> str:
    """The last lines of Kafka's log and of what Java printed, indented; empty if there are none."""
    lines = []
    for name in (LOG, CONSOLE):
        try:
            lines += (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        except OSError:
            continue
    return "\n".join(f"    {line[:_LINE_MAX]}" for line in lines)
