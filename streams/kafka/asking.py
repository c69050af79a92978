"""Asking something of the monitor: a record on `control`."""

from __future__ import annotations

import getpass
import uuid
from typing import Any, Literal

from streams.config import Config
from streams.kafka.producing import RecordSender
from streams.messages import Instruction, encode

_BY_CHARS_MAX, _NOTE_CHARS_MAX = 100, 1_000


def ask(
    config: Config,
    action: Literal["acknowledge", "close", "silence", "unsilence", "rebase"],
    by: str | None,
    note: str,
    **fields: Any,
) -> Instruction:
    """Send one instruction, `by` being the login name unless given; it is on the topic when this returns.

    Raises:
        BrokerError: no broker, or no topic.
    """
    name = (by or _login())[:_BY_CHARS_MAX]
    said = Instruction(uuid.uuid4().hex, action, by=name, note=note[:_NOTE_CHARS_MAX], **fields)
    with RecordSender(config, ("control",)) as sender:
        sender.send("control", (said.incident or action).encode(), encode(said))
        sender.flush()
    return said


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return "somebody"
