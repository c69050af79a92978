"""What of aiokafka 0.14.0 is changed for the whole process, and why; it is pinned for that reason."""

from __future__ import annotations

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException, KafkaConnectionError

_some_rows = fetcher.FetchResult.getall


class FetchedBatches(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """What a fetch brought of one partition, a batch at a time."""

    next_fetch_offset: int

    def rows(self) -> list[Any]:
        """All of it: read-committed, without control records, from `next_fetch_offset` on, which moves behind them."""
        rows: list[Any] = []
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if self._is_readable(batch):
                found = list(batch)
                if found and found[0].offset < self.next_fetch_offset:  # a batch comes whole, wherever one begins in it
                    found = [row for row in found if row.offset >= self.next_fetch_offset]
                rows += found
            self.next_fetch_offset = batch.next_offset
        return rows

    def _consumer_record(self, _partition: Any, record: Any) -> Any:
        return record

    def _is_readable(self, batch: Any) -> bool:
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return False
        return not batch.is_control_batch


def _fetched_rows(fetched: Any, max_records: int | None = None) -> list[Any]:
    if max_records is not None:
        return _some_rows(fetched, max_records)  # type: ignore[no-any-return]
    if not fetched.check_assignment(fetched._topic_partition) or not fetched.has_more():  # noqa: SLF001
        return []
    rows: list[Any] = fetched._partition_records.rows()  # noqa: SLF001
    fetched._update_position()  # noqa: SLF001
    fetched._partition_records = None  # noqa: SLF001
    return rows


def keep_records_as_fetched() -> None:
    """Rows stay aiokafka's own C records (offset, timestamp, key, value, headers), and batches stay together.

    Stock aiokafka copies each record into a ConsumerRecord of twelve fields that nobody here reads, and passes it
    through a generator, which alone makes 0.95 µs of a record out of 0.25. An event is three records.
    """
    fetcher.PartitionRecords = FetchedBatches
    fetcher.FetchResult.getall = _fetched_rows


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
