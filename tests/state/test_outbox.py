"""Nothing goes out before it is durable; whatever is durable goes out, if need be again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import StateError
from streams.state.outbox import Outbox, deterministic_id


def ids(outbox: Outbox) -> list[str]:
    return [record.record_id for record in outbox.unpublished()]


def add(outbox: Outbox, *names: str) -> None:
    for name in names:
        outbox.add("p.alerts", b"k", name, b"payload of " + name.encode())


def test_holds_back_what_came_after_the_snapshot():
    """A record added while the checkpoint is being written waits for the next one."""
    outbox = Outbox()
    add(outbox, "a")
    outbox.snapshot(1)
    add(outbox, "b")
    outbox.mark_durable(1)
    assert ids(outbox) == ["a"]
    outbox.snapshot(2)
    assert ids(outbox) == ["a"]
    outbox.mark_durable(2)
    assert ids(outbox) == ["a", "b"]


def test_a_checkpoint_that_failed_releases_nothing_until_a_later_one_holds():
    """Sequence 1 never became durable: its records go out with sequence 2."""
    outbox = Outbox()
    add(outbox, "a")
    outbox.snapshot(1)
    assert ids(outbox) == []
    outbox.snapshot(2)
    outbox.mark_durable(2)
    assert ids(outbox) == ["a"]


def test_durability_never_goes_back():
    """A late word about an older checkpoint takes nothing back."""
    outbox = Outbox()
    outbox.snapshot(1)
    add(outbox, "a")
    outbox.snapshot(2)
    outbox.mark_durable(2)
    outbox.mark_durable(1)
    assert ids(outbox) == ["a"]


def test_goes_out_again_after_a_crash_under_the_same_id():
    """Published but not yet trimmed from the checkpoint: the successor publishes it again, unchanged and in order."""
    outbox = Outbox()
    add(outbox, "a", "b")
    saved = outbox.snapshot(1)
    outbox.mark_durable(1)
    before = outbox.unpublished()
    outbox.published(["a"])

    after = Outbox.restore(saved)

    assert after.unpublished() == before
    add(after, "a", "c")  # the replay raises the same again, and something new
    assert ids(after) == ["a", "b"]
    after.snapshot(1)  # a successor counts its own sequences from 1
    assert ids(after) == ["a", "b"]
    after.mark_durable(1)
    assert ids(after) == ["a", "b", "c"]


def test_published_records_leave_the_next_snapshot():
    """The checkpoint does not grow with history."""
    outbox = Outbox()
    add(outbox, "a")
    outbox.snapshot(1)
    outbox.mark_durable(1)
    outbox.published(["a", "never seen"])
    assert len(Outbox.restore(outbox.snapshot(2))) == 0


def test_refuses_to_forget_what_was_never_durable():
    """Saying `published` of a record that was not allowed out is a fault of the caller, not a loss."""
    outbox = Outbox()
    add(outbox, "a")
    outbox.snapshot(3)
    with pytest.raises(ValueError, match="must be in a durable checkpoint"):
        outbox.published(["a"])
    outbox.mark_durable(2)
    with pytest.raises(ValueError, match="must be in a durable checkpoint"):
        outbox.published(["a"])
    assert len(outbox) == 1


def test_is_bounded():
    """A broker that takes nothing ends in a clear error, not in memory; a repeat still costs no place."""
    outbox = Outbox(limit=2)
    add(outbox, "a", "b", "a")
    with pytest.raises(StateError, match="at most 2 records"):
        add(outbox, "c")
    assert len(outbox) == 2


def test_one_id_has_one_content():
    """Two facts under one id would make readers drop one of them."""
    outbox = Outbox()
    add(outbox, "a")
    for topic, key, payload in (
        ("p.alerts", b"k", b"x"),
        ("p.alerts", None, b"payload of a"),
        ("q", b"k", b"payload of a"),
    ):
        with pytest.raises(StateError, match="must be the same each time"):
            outbox.add(topic, key, "a", payload)


@pytest.mark.parametrize("data", [b"", b"\x92\x01", b"\x92\x02\x90", b"\x93\x01\x90\x90"])
def test_refuses_other_bytes(data):
    """What is not a snapshot of this format is refused, an empty input included."""
    with pytest.raises(StateError, match="outbox must"):
        Outbox.restore(data)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=4), st.integers(0, 300)), max_size=4),
    st.lists(st.one_of(st.text(max_size=4), st.integers(0, 300)), max_size=4),
)
def test_ids_are_equal_only_for_equal_parts(one, other):
    """Neither concatenation nor a number written as text makes two facts share an id."""
    assert (deterministic_id(*one) == deterministic_id(*other)) == (one == other)
