"""What is made of what aiokafka fetches, and throws."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.types import TP

from streams.kafka.fetching import Fetching

PLACE, OTHER = TP("shop.examples", 0), TP("shop.examples", 1)


async def fetched(error):
    """One fetch that ends with this error."""

    async def fetched_records(*_, **__):
        raise error

    fetching = object.__new__(Fetching)
    fetching.reached, fetching.gaps, fetching.consumer = {}, {}, SimpleNamespace(flow_active=True, ends={})
    consumer = SimpleNamespace(
        _closed=False,
        _fetcher=SimpleNamespace(
            _closed=False,
            _subscriptions=SimpleNamespace(fetch_context=nullcontext),
            fetched_records=fetched_records,
        ),
        _subscription=SimpleNamespace(subscription=SimpleNamespace(assignment=None)),
    )
    return await fetching._fetch_records(consumer, {PLACE}, 1.0)


def test_a_partition_that_was_assigned_and_is_not_sought_yet_brings_nothing():
    """A second rebalance within the first second finds no committed offset: our own position is about to be set."""
    assert asyncio.run(fetched(NoOffsetForPartitionError(PLACE))) == {}


def test_what_fell_off_retention_ends_the_process():
    """That is loss, and never passed over."""
    with pytest.raises(OffsetOutOfRangeError):
        asyncio.run(fetched(OffsetOutOfRangeError({PLACE: 7})))


class Log:
    """A consumer whose position stands where it is put, over a log that holds these offsets."""

    def __init__(self, offsets, position, meanwhile=lambda: None):
        self.offsets, self.position, self.sought, self.meanwhile = offsets, position, [], meanwhile
        state = SimpleNamespace(lso=100, highwater=100, has_valid_position=True)
        self.state = state
        assignment = SimpleNamespace(state_value=lambda _place: state)
        self._closed = False
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self._fetcher = SimpleNamespace(
            _closed=False,
            _subscriptions=SimpleNamespace(fetch_context=nullcontext),
            fetched_records=self.fetched_records,
        )

    def seek(self, _place, offset):
        self.position = offset
        self.sought.append(offset)

    async def fetched_records(self, asked, **_):
        """As aiokafka's: whatever is asked for by then, and all if nothing is."""
        self.meanwhile()
        if asked and PLACE not in asked:
            return {}
        rows = [SimpleNamespace(offset=offset) for offset in self.offsets if offset >= self.position]
        self.state.position = self.position = max([self.position, *(row.offset + 1 for row in rows)])
        return {PLACE: rows} if rows else {}


def chunks_of(log, reached, times, asked=frozenset({PLACE})):
    fetching = object.__new__(Fetching)
    fetching.reached, fetching.gaps = {PLACE: reached}, {}
    fetching.consumer = SimpleNamespace(flow_active=True, ends={})

    async def fetch():
        return [await fetching._fetch_records(log, asked, 1.0) for _ in range(times)]

    return [
        (chunk.start, chunk.stop, [row.offset for row in chunk.rows])
        for found in asyncio.run(fetch())
        for (fetched,) in found.values()
        for chunk in fetched.chunks
        if chunk.partition == PLACE.partition
    ]


@pytest.mark.parametrize("position", [13, 20])
def test_a_position_that_moved_on_by_itself_loses_no_row(position):
    """Eight examples were passed over in a rebalance once: what was not given is fetched again."""
    log = Log(range(20), position)

    assert chunks_of(log, reached=5, times=2) == [(5, 20, list(range(5, 20)))]
    assert log.sought == [5]


def test_a_gap_that_stays_is_the_log_s_own():
    """Markers of transactions and compaction: fetched twice, then passed over."""
    log = Log([7, 8], 5)

    assert chunks_of(log, reached=5, times=2) == [(5, 9, [7, 8])]
    assert log.sought == [5]


@pytest.mark.parametrize("change", [set.clear, lambda asked: asked.discard(PLACE), lambda asked: asked.add(OTHER)])
def test_partitions_that_are_paused_while_it_waits_lose_no_row(change):
    """Faust pauses them meanwhile. An empty set means all to aiokafka: eight examples were lost that way."""
    asked = {PLACE}
    log = Log(range(20), 5, meanwhile=lambda: change(asked))

    assert chunks_of(log, reached=5, times=1, asked=asked) == [(5, 20, list(range(5, 20)))]


def test_where_all_are_paused_nothing_is_taken():
    """Nobody would be given the rows."""
    log = Log(range(20), 5)

    assert chunks_of(log, reached=5, times=1, asked=set()) == []
    assert log.position == 5


def test_partitions_of_a_topic_come_together():
    """Each with its own offsets, and what Faust sees is a message of one partition that is there."""
    examples = [TP("shop.examples", number) for number in range(3)]
    other = TP("shop.labels", 1)
    log = Log(range(4), 0)
    log._fetcher.fetched_records = lambda asked, **_: _answer({place: [SimpleNamespace(offset=7)] for place in asked})
    log.state.position = 8
    fetching = object.__new__(Fetching)
    fetching.reached, fetching.gaps = dict.fromkeys([*examples, other], 7), {}
    fetching.consumer = SimpleNamespace(flow_active=True, ends={})
    found = asyncio.run(fetching._fetch_records(log, {*examples, other}, 1.0))

    assert {place.topic for place in found} == {"shop.examples", "shop.labels"}
    for place, (fetched,) in found.items():
        chunks = {chunk.partition: (chunk.start, chunk.stop, len(chunk.rows)) for chunk in fetched.chunks}
        assert chunks == dict.fromkeys([0, 1, 2] if place.topic == "shop.examples" else [1], (7, 8, 1))
        assert (fetched.topic, fetched.partition, fetched.offset) == (*place, 7)


async def _answer(rows):
    return rows
