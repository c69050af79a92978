"""What of aiokafka 0.14.0 is changed for the whole process, and why; it is pinned for that reason."""

from __future__ import annotations

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError


def keep_records_as_fetched() -> None:
    """Rows stay aiokafka's own C records (offset, timestamp, key, value, headers).

    Stock aiokafka copies each into a ConsumerRecord of twelve fields that nobody here reads, which costs about a fifth
    of the whole path of an event.
    """
    fetcher.PartitionRecords._consumer_record = lambda _self, _partition, record: record  # noqa: SLF001


_send = AIOKafkaConnection.send


def closed_connections_are_broken() -> None:
    """Writing to a connection that has just been closed is a broken connection, which aiokafka knows how to mend.

    asyncio's own transports say nothing there, or raise an OSError; uvloop's raise a RuntimeError, which ended the
    fetcher, the coordinator or whoever wrote, and the process with it, when a broker was killed at that moment.
    """
    AIOKafkaConnection.send = _send_or_break


def _send_or_break(connection: Any, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002 - aiokafka's
    try:
        return _send(connection, request, expect_response=expect_response)
    except RuntimeError as error:
        if "is closed" not in str(error):
            raise
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"connection at {connection.host}:{connection.port} broken: {error}") from error
