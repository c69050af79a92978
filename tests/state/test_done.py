"""Done ids are exact to the millisecond, survive any cut, and are rarely written again."""

import tracemalloc
from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import StateError
from streams.state.done import Bucket, DoneIds
from streams.state.done_run import Entry, PackedRun, Run

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


NAMES = ["", "a", "b", "ab", "é", "日本", "\x00", "x" * 300, "0", "1", "01", "c", "d"]
SIZES = st.sampled_from([(4_096, 65_536), (1, 1), (2, 3), (4, 1), (5, 4), (9, 7)])
"""Ids kept in the dictionary, ids in a block: with few, most of them are packed at once."""


def sized(sizes: tuple[int, int]) -> DoneIds:
    return DoneIds(recent_rows=sizes[0], block_rows=sizes[1])


@settings(deadline=None, max_examples=400)
@given(STEPS, SIZES)
def test_a_restart_remembers_what_a_dictionary_would(steps, sizes):
    """After any adds, expiries, lost cuts and crashes, exactly the ids saved and within the horizon are known."""
    done, model, now, horizon = sized(sizes), {}, 0, 0
    disk, checkpoint = {}, ([], {})
    for number, (step, identity, label, delta) in enumerate(steps):
        if step == "add":
            done.add(NAMES[identity], label, now + delta)  # an earlier time counts as the newest so far
            now = max(now, now + delta)
            model[NAMES[identity]] = (label, now)
        elif step == "expire":
            horizon = max(horizon, now - 3 * delta)
            done.expire_before(horizon)
            model = {i: known for i, known in model.items() if known[1] >= horizon}
        elif step == "crash":
            done = sized(sizes)
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
        for i in NAMES:
            known = done.get(i)
            expected = model[i][0] if i in model else None
            assert known == expected
            assert type(known) is type(expected)
            assert (i in done) == (i in model)
        assert len(done) == len(model)


@pytest.mark.parametrize("seed", range(12))
def test_a_long_run_with_crashes_remembers_what_a_dictionary_would(seed):
    """Thousands of ids, most of them packed, in many blocks and buckets, cut, expired, corrected and restored."""
    random = Random(seed)
    sizes = random.choice([(4, 4), (8, 16), (16, 5), (32, 64)])
    done, model, now, disk, checkpoint = sized(sizes), {}, 0, {}, ([], {}, 0)
    for number in range(400):
        for _ in range(random.choice([1, 3, 20])):
            now += random.choice([0, 1, 1, 5])
            identity = random.choice(NAMES) if random.random() < 0.2 else str(random.randrange(3_000))
            label = random.choice(["yes", "no", 1, True, 1.0, 0, False, random.random()])
            assert done.get(identity) == model.get(identity, (None,))[0]
            done.add(identity, label, now)
            model[identity] = (label, now)
        if random.random() < 0.3:
            horizon = now - random.choice([10, 300, 2_000])
            done.expire_before(horizon)
            model = {i: known for i, known in model.items() if known[1] >= horizon}
        if random.random() < 0.4 and (data := done.cut()) is not None:
            disk[str(number)] = data
            done.stored(str(number), "digest")
            checkpoint = (done.buckets(), dict(model), now)
        if random.random() < 0.03:
            buckets, model, now = checkpoint[0], dict(checkpoint[1]), checkpoint[2]
            done = sized(sizes)
            done.restore([disk[bucket.path] for bucket in buckets], buckets)
            done.expire_before(min((ms for _, ms in model.values()), default=0))
        assert len(done) == len(model), f"seed {seed}, step {number}"
        for i, (label, _) in model.items():
            assert done.get(i) == label, f"seed {seed}, step {number}"
            assert type(done.get(i)) is type(label)


def test_buckets_that_overlap_are_read_as_one_history():
    """An older bucket after a newer one adds nothing, and time does not fall: what comes next is the newest."""
    done = sized((4, 8))
    for n in range(10):
        done.add(str(n), n, n)
    early = done.cut()
    for n in range(10, 40):
        done.add(str(n % 25), n, n)
    late = done.cut()
    again = sized((4, 8))
    again.restore([late, early])
    again.add("z", 1, 0)
    again.expire_before(39)
    assert "z" in again


def test_filters_keep_room():
    """However many ids come, most of what a filter could hold is empty: absent ids stop there."""
    done = sized((64, 256))
    for n in range(20_000):
        done.add(str(n), 1, n)
    for passed, _ in done._old.filters:
        assert sum(byte != 0 for byte in passed) < 0.5 * len(passed)


class Clash(str):
    """An id whose hash is everybody's."""

    __slots__ = ()
    __hash__ = staticmethod(lambda: 7)


@given(st.lists(st.tuples(st.text(max_size=3), st.booleans()), max_size=40))
def test_a_hash_alone_never_says_that_an_id_is_known(entries):
    """Ids that all have the same hash are told apart by their bytes."""
    done, model = sized((4, 8)), {}
    for ms, (identity, label) in enumerate(entries):
        assert done.get(Clash(identity)) == model.get(identity)
        done.add(Clash(identity), label, ms)
        model[identity] = label
    assert {i: done.get(Clash(i)) for i in model} == model


def test_an_id_costs_its_bytes_and_a_few_more():
    """A hundred thousand ids, which cost 20 MB and more in a dictionary, take five, and each is found."""
    tracemalloc.start()
    try:
        done = DoneIds()
        for n in range(100_000):
            done.add(f"{n:012}", n % 2, n)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 6_000_000
    assert all(done.get(f"{n:012}") == n % 2 for n in range(0, 100_000, 37))
    assert not any(f"{n:012}" in done for n in range(100_000, 110_000))


def test_what_is_past_the_horizon_takes_no_room_for_long():
    """A stream without end, of which a thousand ids are within the horizon, holds no more than blocks around them."""
    done = sized((64, 256))
    for n in range(20_000):
        done.add(str(n), 1, n)
        done.expire_before(n - 1_000)
    assert len(done) == 1_001
    assert done._old.rows < 1_001 + 2 * 256
    assert "18998" not in done
    assert "18999" in done


def ids_in(data: bytes) -> list[str]:
    """The ids of a bucket, as often as it holds them."""
    version, runs, entries = msgspec.msgpack.decode(data, type=tuple[int, list[PackedRun], list[Entry]])
    assert version == 2
    return [identity for run in runs for identity in Run.unpack(run).ids()] + [entry[0] for entry in entries]


def cut(done: DoneIds, disk: dict[str, bytes]) -> list[str]:
    """One cut put on the disk; the ids it wrote."""
    data = done.cut()
    if data is None:
        return []
    path = f"b{len(disk)}"
    disk[path] = data
    done.stored(path, "digest")
    return ids_in(data)


ODD = [32_760, 16_000, 7_900, 3_900, 1_900, 900, 440, 210, 100, 45, 20, 9] * 3
"""Each bucket is under half of the last, and the first of a round is too large to take in the one before it."""


@pytest.mark.parametrize(
    "sizes", [[40] * 600, list(range(400, 0, -1)), [1] * 1_000, [1, 500] * 100, [33_000, 5] * 5, ODD]
)
def test_few_buckets_and_few_rewrites(sizes):
    """Whatever the sizes of the cuts, buckets stay at most 128 and hold everything; ids are rewritten log n times."""
    done, disk, times, n = DoneIds(), {}, Counter(), 0
    for size in sizes:
        for _ in range(size):
            done.add(str(n), 1, n)
            n += 1
        times.update(cut(done, disk))
        assert len(done.buckets()) <= 128

    again = DoneIds()
    again.restore([disk[bucket.path] for bucket in done.buckets()], done.buckets())
    assert len(again) == n
    assert sum(len(ids_in(disk[bucket.path])) for bucket in done.buckets()) == n  # none twice
    assert max(times.values()) <= 2 * n.bit_length()
    assert again.cut() is None


def test_buckets_are_bounded_however_many_ids_there_are():
    """Where the sizes alone would leave more than 128 buckets, the newest of them are merged."""
    done, most = DoneIds(merge_rows=1), 0
    for n in range(20_000):
        done.add(str(n), 1, n)
        done.cut()
        done.stored(str(n), "digest")
        most = max(most, len(done.buckets()))
    assert most == 128
    assert done.cut() is None


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

    assert ids_in(first) == ["a"]
    assert ids_in(second) == ["b"]
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


@pytest.mark.parametrize("data", [b"", b"\x90", b"\x93\x03\x90\x90", b"\x93\x02\x91\x90\x90", b"\x92\x01\x91\x91\xa1a"])
def test_refuses_other_bytes(data):
    """What is not a bucket of this format is refused."""
    with pytest.raises(StateError, match="bucket 0 of done ids must"):
        DoneIds().restore([data])


def test_reads_the_buckets_of_format_1():
    """A worker goes on from a checkpoint that an earlier version wrote."""
    first = msgspec.msgpack.encode((1, [("a", "yes", 1_000), ("b", 0.5, 1_001)]))
    again = DoneIds()
    again.restore([first], [Bucket("x", "d", 1_001)])
    assert (again.get("a"), again.get("b"), len(again)) == ("yes", 0.5, 2)
    assert again.cut() is None
    again.expire_before(1_001)
    assert "a" not in again


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), LABELS, st.integers(0, 10**6)), min_size=1, max_size=30), st.data())
def test_a_part_of_a_run_is_its_entries(entries, data):
    """Whatever is packed of a run comes back as it was added: id, label, its type, and time."""
    entries = [(i, label, ms) for (i, label, _), ms in zip(entries, sorted(e[2] for e in entries), strict=True)]
    start = data.draw(st.integers(0, len(entries) - 1))
    stop = data.draw(st.integers(start + 1, len(entries)))
    packed = msgspec.msgpack.encode(Run.of(entries).pack(start, stop))
    back = list(Run.unpack(msgspec.msgpack.decode(packed, type=PackedRun)).entries())
    assert back == entries[start:stop]
    assert [type(label) for _, label, _ in back] == [type(label) for _, label, _ in entries[start:stop]]


@settings(deadline=None)
@given(st.data())
def test_refuses_columns_that_are_no_run(data):
    """A column that lacks a byte, or says what cannot be, is refused and not read wrongly."""
    run = Run.of([(name, n % 3, 10 * n) for n, name in enumerate(NAMES)]).pack()
    field = data.draw(st.sampled_from(["text", "ends", "times", "codes", "rows"]))
    if field == "rows":
        broken = run._replace(rows=data.draw(st.integers(0, 60).filter(lambda rows: rows != len(NAMES))))
    elif data.draw(st.booleans()):
        broken = run._replace(**{field: bytes(getattr(run, field))[:-1]})
    else:
        wrong = {"text": b"\xff", "ends": b"\xff", "times": b"\x00", "codes": b"\x03"}[field]
        broken = run._replace(**{field: bytes(getattr(run, field))[:-1] + wrong})
    with pytest.raises(StateError, match="done ids must be"):
        DoneIds().restore([msgspec.msgpack.encode((2, [broken], []))])


def test_refuses_references_without_their_buckets():
    """A missing bucket would mean ids forgotten, and a label joined twice."""
    with pytest.raises(StateError, match="must be 1, got 0"):
        DoneIds().restore([], [Bucket("x", "d", 1)])
