"""Dead letters: the original bytes where people can look at them, the reason and the place in headers."""

from __future__ import annotations

import hashlib

from streams.kafka.sending import Header
from streams.stages.task import DeadLetter


def dead_letter(letter: DeadLetter, bytes_max: int) -> tuple[bytes, bytes, list[Header]]:
    """Key, value and headers of a dead letter.

    The key `topic/partition/offset` is the same however often a replay says it again. A value beyond `bytes_max` is cut
    there; `size` and `sha256` then tell what it was.
    """
    row = letter.row
    value = row.value or b""
    headers = [
        ("reason", letter.reason.encode()),
        ("topic", letter.topic.encode()),
        ("partition", b"%d" % letter.partition),
        ("offset", b"%d" % row.offset),
        ("timestamp", b"%d" % row.timestamp),
        ("size", b"%d" % len(value)),
    ]
    if row.key is not None:
        headers.append(("key", row.key[:1024]))
    if row.value is None:
        headers.append(("tombstone", b"true"))
    if len(value) > bytes_max:
        headers.append(("sha256", hashlib.sha256(value).hexdigest().encode()))
        value = value[:bytes_max]
    return f"{letter.topic}/{letter.partition}/{row.offset}".encode(), value, headers
