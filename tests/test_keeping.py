"""A store that is away for a while is waited for; nothing else is."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from streams.errors import StateError
from streams.kafka.keeping import repeated
from streams.state.place import StoreAwayError


class Disk:
    """Refuses so many times, or always with this error."""

    def __init__(self, refusals, error=StoreAwayError):
        self.left, self.error, self.calls = refusals, error, 0

    def write(self):
        self.calls += 1
        if self.calls <= self.left:
            raise self.error("could not write: no space")
        return self.calls


def test_a_store_that_comes_back_answers():
    """Said once when it is lost and once when it is back, however many attempts lie between."""
    disk = Disk(3)
    with capture_logs() as logs:
        assert asyncio.run(repeated(disk.write, 0.0, 60.0)) == 4
    assert [entry["event"] for entry in logs] == ["store_lost", "store_back"]


def test_a_store_that_answers_is_called_once():
    """And nothing is said."""
    disk = Disk(0)
    with capture_logs() as logs:
        assert asyncio.run(repeated(disk.write, 0.0, 60.0)) == 1
    assert logs == []


def test_a_store_that_stays_away_ends_the_wait():
    """With the medium's own word."""
    disk = Disk(10**9)
    with capture_logs(), pytest.raises(StoreAwayError, match="no space"):
        asyncio.run(repeated(disk.write, 0.001, 0.05))
    assert disk.calls > 2


def test_a_checkpoint_that_does_not_fit_is_not_tried_again():
    """Only the medium can change its mind."""
    disk = Disk(1, StateError)
    with pytest.raises(StateError):
        asyncio.run(repeated(disk.write, 0.0, 60.0))
    assert disk.calls == 1


def test_whoever_waits_can_be_cancelled():
    """A stop does not wait for the disk."""
    disk = Disk(10**9)

    async def stopped():
        waiting = asyncio.create_task(repeated(disk.write, 60.0, 60.0))
        while not disk.calls:  # noqa: ASYNC110 - a thread counts them
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled()

    with capture_logs():
        assert asyncio.run(stopped())
