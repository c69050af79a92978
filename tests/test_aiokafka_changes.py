"""What of aiokafka is changed does what aiokafka does, and what it should."""

import asyncio
import struct
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException, KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.aiokafka_changes import FetchedBatches, closed_connections_are_broken, keep_records_as_fetched

PLACE = TopicPartition("shop.features", 0)
CONTROL = 0x20


def batch_of(base, records, *, producer=-1, transactional=False, marker=None, compression=0):
    """A batch of the wire, at offsets from `base`; with a marker (0: abort, 1: commit) a control batch."""
    builder = DefaultRecordBatchBuilder(2, compression, int(transactional), producer, 0, 0, 1 << 20)
    key = None if marker is None else struct.pack(">hh", 0, marker)
    for place in range(records):
        builder.append(place, 1_000 + base + place, key or b"k", b"value %d" % (base + place), [("h", b"1")])
    raw = bytearray(builder.build())
    struct.pack_into(">q", raw, 0, base)
    if marker is not None:
        struct.pack_into(">h", raw, 21, struct.unpack_from(">h", raw, 21)[0] | CONTROL)
        struct.pack_into(">I", raw, 17, calc_crc32c(memoryview(bytes(raw))[21:]))
    return bytes(raw)


@st.composite
def logs(draw):
    """Bytes of a fetch, and the transactions in it that were aborted: plain batches, transactions, markers, gaps."""
    raw, aborted, offset, begun = b"", [], draw(st.integers(0, 50)), {}
    first = offset
    for _ in range(draw(st.integers(1, 8))):
        kind, count = draw(st.sampled_from(["plain", "open", "commit", "abort"])), draw(st.integers(1, 5))
        producer, codec = draw(st.integers(1, 2)), draw(st.sampled_from([0, 1]))
        if kind == "plain":
            raw += batch_of(offset, count, producer=draw(st.sampled_from([-1, 9])), compression=codec)
        elif kind == "open":
            begun.setdefault(producer, offset)
            raw += batch_of(offset, count, producer=producer, transactional=True, compression=codec)
        else:
            count = 1
            if kind == "abort" and producer in begun:
                aborted.append((producer, begun[producer]))
            begun.pop(producer, None)
            raw += batch_of(offset, 1, producer=producer, transactional=True, marker=int(kind == "commit"))
        offset += count + draw(st.sampled_from([0, 0, 0, 2]))
    return raw, aborted, draw(st.integers(max(0, first - 3), offset + 2))


@given(logs(), st.sampled_from([READ_COMMITTED, READ_UNCOMMITTED]))
def test_batches_bring_what_records_one_by_one_bring(log, isolation):
    """Rows, and where the next fetch begins: of transactions, markers, gaps, and a fetch that begins inside a batch."""
    raw, aborted, position = log
    stock, ours = (
        kind(PLACE, MemoryRecords(raw), list(aborted), position, None, None, True, isolation)
        for kind in (PartitionRecords, FetchedBatches)
    )
    one_by_one = [(row.offset, row.timestamp, row.key, row.value, tuple(row.headers)) for row in stock]
    rows = [(row.offset, row.timestamp, row.key, row.value, tuple(row.headers)) for row in ours.rows()]

    assert rows == one_by_one
    assert ours.next_fetch_offset == stock.next_fetch_offset


def fetched(raw, position):
    """A fetch as aiokafka keeps it, and the state of its partition."""
    keep_records_as_fetched()
    state = SimpleNamespace(paused=False, position=position)
    state.consumed_to = lambda offset: setattr(state, "position", offset)
    records = FetchedBatches(PLACE, MemoryRecords(raw), [], position, None, None, True, READ_COMMITTED)
    assignment = SimpleNamespace(active=True, state_value=lambda _place: state)
    return FetchResult(PLACE, assignment=assignment, partition_records=records, backoff=0), state


def test_a_fetch_is_taken_whole_or_in_parts_and_the_position_follows():
    """Restores ask for a thousand at a time, agents for all there is."""
    raw = batch_of(5, 4) + batch_of(9, 3)
    whole, state = fetched(raw, 6)
    parts, part_state = fetched(raw, 6)

    assert [row.offset for row in whole.getall()] == [*range(6, 12)]
    assert (state.position, whole.has_more()) == (12, False)
    assert [row.offset for row in parts.getall(4)] == [6, 7, 8, 9]
    assert (part_state.position, parts.has_more()) == (10, True)
    assert [row.offset for row in parts.getall(4)] == [10, 11]


@pytest.mark.parametrize("spoil", [{"paused": True}, {"position": 7}])
def test_a_fetch_that_a_seek_or_a_pause_has_overtaken_brings_nothing(spoil):
    """And moves no position."""
    result, state = fetched(batch_of(5, 4), 5)
    vars(state).update(spoil)
    before = state.position

    assert result.getall() == []
    assert (state.position, result.has_more()) == (before, False)


def test_a_batch_with_a_flipped_bit_is_not_believed():
    """The position stays before it."""
    raw = bytearray(batch_of(5, 4))
    raw[-3] ^= 1
    result, state = fetched(bytes(raw), 5)

    with pytest.raises(CorruptRecordException):
        result.getall()
    assert state.position == 5


class Closed:
    """uvloop's transport after its connection is gone."""

    def __init__(self, words):
        self.words = words

    def write(self, _data):
        raise RuntimeError(self.words)

    def close(self):
        pass


def sent_to(words):
    async def send():
        connection = AIOKafkaConnection("127.0.0.1", 9)
        connection._writer, connection._versions = Closed(words), {}
        connection.send(ApiVersionRequest())

    closed_connections_are_broken()
    asyncio.run(send())


def test_writing_to_a_connection_that_was_just_closed_is_a_broken_connection():
    """Aiokafka mends those; uvloop's own word for it ended the process when a broker was killed at that moment."""
    with pytest.raises(KafkaConnectionError, match="broken"):
        sent_to("unable to perform operation on <TCPTransport closed=True>; the handler is closed")


def test_another_error_is_left_as_it_is():
    """What nobody has understood may not be retried for ever."""
    with pytest.raises(RuntimeError, match="no idea"):
        sent_to("no idea")
