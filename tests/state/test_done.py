"""Done ids are exact to the millisecond, survive any cut, and are rarely written again."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import StateError
from streams.state.done import Bucket, DoneIds

LABELS = st.one_of(st.sampled_from(["yes", "no"]), st.integers(-3, 3), st.booleans(), st.floats(allow_nan=False))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add"] * 6 + ["expire", "expire", "cut", "cut", "cut and lose", "crash"]),
        st.integers(0, 6),
        LABELS,
        st.integers(-3, 6),
    ),
    max_size=80,
)


@settings(deadline=None, max_examples=400)
@given(STEPS)
def test_a_restart_remembers_what_a_dictionary_would(steps):
    """After any adds, expiries, lost cuts and crashes, exactly the ids saved and within the horizon are known."""
    done, model, now, horizon = DoneIds(), {}, 0, 0
    disk, checkpoint = {}, ([], {})
    for number, (step, identity, label, delta) in enumerate(steps):
        if step == "add":
            done.add(str(identity), label, now + delta)  # an earlier time counts as the newest so far
            now = max(now, now + delta)
            model[str(identity)] = (label, now)
        elif step == "expire":
            horizon = max(horizon, now - 3 * delta)
            done.expire_before(horizon)
            model = {i: known for i, known in model.items() if known[1] >= horizon}
        elif step == "crash":
            done = DoneIds()
            done.restore([disk[bucket.path] for bucket in checkpoint[0]], checkpoint[0])
            now = done._newest_ms  # the replay starts there
            done.expire_before(horizon)
            model = {i: known for i, known in checkpoint[1].items() if known[1] >= horizon}
        else:
            data = done.cut()
            if data is not None and step == "cut":
                disk[f"b{number}"] = data
                done.stored(f"b{number}", "digest")
            if data is None or step == "cut":
                buckets = msgspec.msgpack.decode(msgspec.msgpack.encode(done.buckets()), type=list[Bucket])
                checkpoint = (buckets, dict(model))
        for i in map(str, range(13)):
            known = done.get(i)
            expected = model[i][0] if i in model else None
            assert known == expected
            assert type(known) is type(expected)
    assert len(done) == len(model)


def cut(done: DoneIds, disk: dict[str, bytes]) -> list[str]:
    """One cut put on the disk; the ids it wrote."""
    data = done.cut()
    if data is None:
        return []
    path = f"b{len(disk)}"
    disk[path] = data
    done.stored(path, "digest")
    return [entry[0] for entry in msgspec.msgpack.decode(data)[1]]


ODD = [32_760, 16_000, 7_900, 3_900, 1_900, 900, 440, 210, 100, 45, 20, 9] * 6
"""Each bucket is under half of the last, and the first of a round is too large to take in the one before it."""


@pytest.mark.parametrize(
    "sizes", [[40] * 600, list(range(400, 0, -1)), [1] * 1_000, [1, 500] * 100, [33_000, 5] * 12, ODD]
)
def test_few_buckets_and_few_rewrites(sizes):
    """Whatever the sizes of the cuts, buckets stay at most 64 and hold everything; ids are rewritten log n times."""
    done, disk, times, n = DoneIds(), {}, Counter(), 0
    for size in sizes:
        for _ in range(size):
            done.add(str(n), 1, n)
            n += 1
        times.update(cut(done, disk))
        assert len(done.buckets()) <= 64

    again = DoneIds()
    again.restore([disk[bucket.path] for bucket in done.buckets()], done.buckets())
    assert len(again) == n
    assert sum(len(msgspec.msgpack.decode(disk[bucket.path])[1]) for bucket in done.buckets()) == n  # none twice
    assert max(times.values()) <= 2 * n.bit_length()
    assert again.cut() is None


def test_a_bucket_is_dropped_when_its_newest_id_is_past_the_horizon():
    """References fall away with the time they cover, and not a millisecond earlier."""
    done, disk = DoneIds(), {}
    for n in range(1_000):
        done.add(str(n), 0, n)
    cut(done, disk)
    done.add("last", 0, 1_000)
    cut(done, disk)
    assert [bucket.newest_ms for bucket in done.buckets()] == [999, 1_000]
    done.expire_before(999)
    assert len(done.buckets()) == 2
    done.expire_before(1_000)
    assert [bucket.newest_ms for bucket in done.buckets()] == [1_000]
    assert len(done) == 1


def test_adding_goes_on_while_the_bucket_is_being_written():
    """The event loop does not wait for the disk: what comes between cut and stored is in the next bucket."""
    done = DoneIds()
    done.add("a", 0, 1)
    first = done.cut()
    done.add("b", 0, 2)
    done.expire_before(2)
    done.stored("first", "digest")
    second = done.cut()
    done.stored("second", "digest")
    done.expire_before(2)

    assert [e[0] for e in msgspec.msgpack.decode(first)[1]] == ["a"]
    assert [e[0] for e in msgspec.msgpack.decode(second)[1]] == ["b"]
    again = DoneIds()
    again.restore([second], done.buckets())
    assert again.get("b") == 0


def test_stored_needs_a_cut():
    """A caller that reports a bucket twice is told so."""
    done = DoneIds()
    done.add("a", 0, 1)
    done.cut()
    done.stored("x", "digest")
    with pytest.raises(ValueError, match="must be cut"):
        done.stored("x", "digest")


@pytest.mark.parametrize("data", [b"", b"\x90", b"\x92\x02\x90", b"\x92\x01\x91\x91\xa1a"])
def test_refuses_other_bytes(data):
    """What is not a bucket of this format is refused."""
    with pytest.raises(StateError, match="bucket 0 of done ids must"):
        DoneIds().restore([data])


def test_refuses_references_without_their_buckets():
    """A missing bucket would mean ids forgotten, and a label joined twice."""
    with pytest.raises(StateError, match="must be 1, got 0"):
        DoneIds().restore([], [Bucket("x", "d", 1)])
