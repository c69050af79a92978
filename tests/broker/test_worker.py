"""What a worker's partitions do to each other."""

import asyncio
import math

from offline_worker import OfflineWorker, events

from streams.kafka.worker import LEAD_MS

EVERY_MS, ROWS = 10, 1_000
JUST_NOW, LONG_AGO = math.inf, -math.inf


async def backlogged(store_name):
    """Two partitions with ten seconds of stream time to catch up with; the second one works and has come nowhere."""
    worker = OfflineWorker(store_name)
    first, second = worker.own(0), worker.own(1)
    for owned in (first, second):
        owned.feed(events(owned, 0, ROWS, EVERY_MS))
    second.moved_at = JUST_NOW
    return first, second


async def until_it_stands(owned):
    """Steps for as long as they move stream time; how far the longest of them did."""
    longest = moved = 0
    while moved or not longest:
        before = owned.task.now_ms
        await owned.advance()
        moved = owned.task.now_ms - before
        longest = max(longest, moved)
    return longest


def test_a_partition_waits_for_one_that_lags_behind_it_in_stream_time(request):
    """Else a backlog would mix the times of all that comes after by whatever each fetch brings."""

    async def run():
        first, second = await backlogged(request.node.name)
        longest = await until_it_stands(first)
        stopped = first.task.now_ms
        second.moved_at = JUST_NOW
        longest_then = await until_it_stands(second)
        return longest, stopped, longest_then, second.task.now_ms, second.has_rows

    longest, stopped, longest_then, then, left = asyncio.run(run())
    assert 0 < stopped <= LEAD_MS + longest < ROWS * EVERY_MS / 2
    assert stopped < then <= stopped + LEAD_MS + longest_then
    assert left


def test_a_partition_waits_for_rows_of_another_that_are_on_their_way(request):
    """The log is known to hold them: a fetch brings thousands of one partition before the first of the next."""

    async def run():
        first, second = await backlogged(request.node.name)
        second.forget_buffered()
        await second.advance()  # looks how far its logs go
        second.moved_at = JUST_NOW
        await until_it_stands(first)
        return first.has_rows

    assert asyncio.run(run())


def test_one_that_stands_still_does_not_hold_the_others(request):
    """A second without a step, whatever the reason: the others go on to their end."""

    async def run():
        first, second = await backlogged(request.node.name)
        second.moved_at = LONG_AGO
        await until_it_stands(first)
        return first.task.now_ms, first.has_rows

    assert asyncio.run(run()) == ((ROWS - 1) * EVERY_MS, False)


def test_one_that_has_nothing_to_do_does_not_hold_the_others(request):
    """An idle partition's stream time stands for hours."""

    async def run():
        first, second = await backlogged(request.node.name)
        second.forget_buffered()
        second.worker.consumer.ends.update(dict.fromkeys(second.tps, 0))
        await second.advance()
        second.moved_at = JUST_NOW
        await until_it_stands(first)
        return first.has_rows

    assert not asyncio.run(run())
