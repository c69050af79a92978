"""Where a moment is in the log: never late, sharp when it is near, and in memory that does not grow."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.stages.places import Places


def walked(events, places=None, start=0):
    """One event every 10 ms, one offset each."""
    places = places or Places()
    for number in range(start + 1, events + 1):
        places.event(number, 10 * number, lambda number=number: {"p/0": number})
        places.example(number, 10 * number - 5)
    return places


@pytest.mark.parametrize("number", [1, 10_000, 40_000, 49_000, 49_744, 49_900, 50_000])
def test_a_moment_is_found_early_by_a_small_part_of_its_age(number):
    """Of the last 256 events exactly; before that by a sixteenth of how long ago it was."""
    places, age = walked(50_000), 50_000 - number

    found = places.event_ms(number) / 10
    assert number - age / 16 - 1 <= found <= number
    assert found == number or age > 255
    assert places.example_ms(number) == 10 * found - 5


@pytest.mark.parametrize("ms", [600, 100_000, 400_000, 499_000, 500_000])
def test_the_offsets_hold_everything_since(ms):
    """Never those of a later moment, and before it by at most a quarter of its age."""
    offsets = walked(50_000).offsets(ms)["p/0"]

    assert 10 * offsets <= ms
    assert ms / 10 - offsets <= 50 + (50_000 - ms / 10) / 4


@given(st.integers(0, 700), st.integers(0, 700))
def test_resumes_as_if_never_stopped(first, more):
    """Through msgpack."""
    places = Places()
    places.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(walked(first).snapshot())))

    assert walked(first + more, places, first).snapshot() == walked(first + more).snapshot()


def test_memory_does_not_grow():
    """After ten times as many events the state is no larger."""
    small, large = (len(msgspec.msgpack.encode(walked(events).snapshot())) for events in (50_000, 500_000))

    assert large < 2 * small < 100_000
