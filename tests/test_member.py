"""What a worker says of its own condition: lag by whoever knows best, and whose fault it is that nothing moves."""

from __future__ import annotations

import asyncio

import pytest
from faust.types import TP
from offline_worker import OfflineWorker, events

from streams.kafka.keeping import repeated, store_away
from streams.state.place import StoreAwayError

AT = TP("shop.features", 0)


def asked(request, question):
    """What `question(worker)` says of a worker with one task that has taken 40 of 100 events."""

    async def run():
        worker = OfflineWorker(request.node.name)
        owned = worker.own(0)
        owned.feed(events(owned, 0, 100, 1))
        while owned.inputs.positions()[AT] < 40:
            owned.pace.rows = 40 - owned.inputs.positions()[AT]
            await owned.advance()
        worker.joined = True
        return question(worker)

    return asyncio.run(run())


def test_lag_is_what_the_better_informed_says(request):
    """A fetch that is paused or hangs knows an old end; a question of some seconds ago may be older than a fetch."""

    def question(worker):
        worker.consumer.ends[AT] = 100
        fetched = worker.lag()[AT]
        worker.ends = {AT: 900}
        later = worker.lag()[AT]
        worker.ends = {AT: 90}
        return fetched, later, worker.lag()[AT]

    assert asked(request, question) == (60, 860, 60)


def test_positions_are_looked_at_and_nothing_is_forgotten(request):
    """Whoever scrapes must not seek: rows that wait in memory still wait."""

    def question(worker):
        for _ in range(3):
            worker.lag()
            worker.places()
            worker.condition()
        return worker.tasks[0].has_rows, worker.places()[f"{AT.topic}/0"]

    assert asked(request, question) == (True, 40)


@pytest.mark.parametrize(
    ("change", "excuse", "state", "ready"),
    [
        ({}, "", "working", True),
        ({"broker_away": True}, "kafka", "working", True),
        ({"joined": False}, "its consumer group", "joining", False),
    ],
)
def test_an_excuse_names_whom_it_waits_for(request, change, excuse, state, ready):
    """Kafka being away makes nobody unready: its state is loaded, and another process would wait as well."""

    def question(worker):
        for name, value in change.items():
            setattr(worker, name, value)
        condition = worker.condition()
        return worker.excuse(), condition.state, condition.ready, condition.waits_for

    assert asked(request, question) == (excuse, state, ready, excuse)


def test_a_stage_that_restores_makes_the_process_unready(request):
    """However many others work."""

    def question(worker):
        worker.own(1).ready = False
        return worker.excuse(), worker.condition().state, worker.condition().ready

    assert asked(request, question) == ("its state", "restoring", False)


def test_a_worker_without_a_partition_stands_by_and_is_ready(request):
    """One more than there are partitions: a rollout must not wait for it for ever."""

    def question(worker):
        worker.tasks.clear()
        return worker.condition().state, worker.condition().ready, worker.excuse()

    assert asked(request, question) == ("standing_by", True, "")


def test_unhealthy_comes_with_the_setting_and_not_before(request):
    """`health.unhealthy_after` is a minute."""

    def question(worker):
        found = []
        for stalled_s in (0.0, 59.9, 60.0):
            worker.progress.stalled_s = stalled_s
            found.append(worker.condition().well)
        return found

    assert asked(request, question) == [True, True, False]


def test_a_call_that_waits_for_its_store_is_known_while_it_does():
    """Several may wait; the last one that is answered, or given up, ends it."""
    calls = []

    def refused():
        calls.append(store_away())
        if len(calls) < 3:
            raise StoreAwayError("could not write: no space")
        return "kept"

    assert not store_away()
    assert asyncio.run(repeated(refused, 0.0, 60.0)) == "kept"
    assert calls == [False, True, True]
    assert not store_away()
    with pytest.raises(StoreAwayError):
        asyncio.run(repeated(_never, 0.0, -1.0))
    assert not store_away()


def _never():
    raise StoreAwayError("could not write: no space")
