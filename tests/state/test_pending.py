"""Pending predictions behave as a plain dictionary, wherever the rows happen to be kept."""

import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import ConfigError, StateError
from streams.state.intervals import Intervals
from streams.state.offsets import OffsetSet
from streams.state.pending import Pending, PendingStore
from streams.state.pending_files import PendingFiles

STEP = st.tuples(
    st.sampled_from(["put"] * 6 + ["pop", "pop", "ask", "expire"]),
    st.integers(0, 25),
    st.integers(-60, 30),
    st.booleans(),
)


def due(model: dict[str, Pending], bound: int) -> list[int]:
    """The sources of what a dictionary would give up."""
    return sorted(row.source for row in model.values() if row.event_ms < bound)


def floor_of(row: Pending) -> int:
    """What the log's owner would say of a row made here: half of where it lies."""
    return row.source * 3 if row.where is None else row.where


@settings(deadline=None, max_examples=400)
@given(steps=st.lists(STEP, min_size=5, max_size=100), memory_rows=st.integers(1, 6), on_disk=st.booleans())
def test_is_a_dictionary_that_may_live_on_disk(tmp_path_factory, steps, memory_rows, on_disk):
    """Any puts (in time order or not), pops and expiries give what a dictionary gives, however often it is asked."""
    folder = tmp_path_factory.mktemp("pending") if on_disk else None
    files = PendingFiles(folder, segment_rows=4, table_rows=5) if on_disk else None
    store, model = PendingStore(memory_rows, files, reach=5_000), {}
    store.floors_of = lambda sources: [source * 3 for source in sources]
    now, source = 1_000, 0
    for step, number, amount, flag in steps:
        identity = f"e{number}"
        if step == "put" and identity not in model:
            now = max(now, now + amount)
            source += 1 + number % 3 * 500
            place = source * 7 % 5_003 if flag else None
            row = (b"k" if number % 2 else None, b"v%d" % source, now + min(amount, 0), source, place)
            store.put(identity, Pending(*row))
            model[identity] = Pending(*row)
        elif step == "pop":
            if identity in model:
                assert store.pop(identity) == model.pop(identity)
            else:
                with pytest.raises(KeyError):
                    store.pop(identity)
        elif step == "ask":
            oldest, floor = store.oldest_source(), store.floor_on_disk()
            in_memory = [row for i, row in model.items() if i in store._rows]
            on_files = [row for i, row in model.items() if i not in store._rows]
            assert oldest == min((row.source for row in in_memory), default=None)
            assert floor == min(map(floor_of, on_files), default=None)
            assert store.oldest_where() == min((r.where for r in in_memory if r.where is not None), default=None)
        elif step == "expire":
            gone = due(model, now + amount)
            assert store.expire_before(now + amount) == gone
            model = {i: row for i, row in model.items() if row.source not in gone}
        assert store.get(identity) == model.get(identity)
        assert (identity in store) == (identity in model)
        assert len(store) == len(model)
    sources = {row.source for row in model.values()}
    assert {n for start, stop in store.sources() for n in range(start, stop)} == sources
    assert OffsetSet.from_saved(store.sources_saved()).intervals() == store.sources()
    assert due(model, 10**9) == store.expire_before(10**9)
    store.close()


def test_memory_is_bounded_and_the_rest_is_on_disk(tmp_path):
    """Beyond memory_rows the oldest rows leave the memory, and are found again by id."""
    store = PendingStore(100, str(tmp_path / "deep" / "task-0"))
    for n in range(5_000):
        store.put(f"e{n}", Pending(None, b"v%d" % n, n, n, n))
    assert len(store) == 5_000
    assert 4_900 <= store.rows_on_disk < 5_000
    assert store.pop("e0").value == b"v0"
    assert store.pop("e4999").value == b"v4999"
    store.close()


def test_nothing_is_left_behind(tmp_path):
    """What is not kept has no name: neither a kill nor another store in the same folder leaves anything."""
    store, other = PendingStore(1, str(tmp_path)), PendingStore(1, str(tmp_path))
    for n in range(10):
        store.put(str(n), Pending(None, b"mine", n, n, n))
        other.put(str(n), Pending(None, b"theirs", n, n, n))
    assert list(tmp_path.iterdir()) == []
    assert store.get("0").value == b"mine"
    store.close()
    assert other.get("0").value == b"theirs"
    other.close()


def test_its_folder_is_the_owner_s_alone(tmp_path):
    """Pending rows hold users' features."""
    PendingStore(1, str(tmp_path / "p"))
    assert stat.S_IMODE((tmp_path / "p").stat().st_mode) == 0o700


def test_a_source_or_an_id_comes_once():
    """Two predictions of one event would be joined twice."""
    store = PendingStore(10, None)
    store.put("a", Pending(None, b"", 1, 1, None))
    with pytest.raises(ValueError, match="must be new"):
        store.put("a", Pending(None, b"", 1, 2, None))
    store.put("b", Pending(None, b"", 1, 1, None))
    with pytest.raises(ValueError, match="must be new"):
        store.sources()


def test_sources_are_folded_before_they_fill_the_memory():
    """Also where nobody asks for them."""
    store = PendingStore(10**6, None)
    for n in range(70_000):
        store.put(str(n), Pending(None, b"", n, n, None))
    assert len(store._came) < 10_000
    assert list(store.sources()) == [(0, 70_000)]


def test_rows_out_of_order_cost_no_memory_once_they_are_gone(tmp_path):
    """Many rows with an early event time, most of them popped again: the few that stay still expire in time."""
    store = PendingStore(20, str(tmp_path))
    store.put("newest", Pending(None, b"", 10**6, 0, 0))
    for n in range(1, 5_000):
        store.put(str(n), Pending(None, b"", n, n, n))
        if n % 500:
            store.pop(str(n))
    assert len(store._behind) < 2_000
    assert store.expire_before(4_400) == list(range(500, 4_400, 500))
    assert store.expire_before(10**6) == [4_500]
    store.close()


def test_an_early_row_is_found_among_later_ones_on_disk(tmp_path):
    """Expiry on disk goes by event time, not by the order in which rows moved there."""
    store = PendingStore(4, str(tmp_path))
    for n, event_ms in enumerate((10, 5, 20, 30, 40, 50)):
        store.put(str(n), Pending(None, b"", event_ms, n, n))
    assert store.rows_on_disk == 2
    assert store.expire_before(6) == [1]
    store.close()


def test_an_id_that_came_back_is_not_expired_for_its_first_life():
    """The first row was early and is joined; the second one is later than the bound."""
    store = PendingStore(10, None)
    store.put("newest", Pending(None, b"", 100, 1, 1))
    store.put("again", Pending(None, b"", 5, 2, 2))
    store.pop("again")
    store.put("again", Pending(None, b"", 200, 3, 3))
    assert store.expire_before(50) == []
    assert "again" in store


def test_a_row_on_disk_keeps_its_place_in_the_log(tmp_path):
    """A restart without copies reads from the oldest place, and the row may be popped there."""
    store = PendingStore(2, str(tmp_path))
    for n in range(4):
        store.put(str(n), Pending(None, b"", n, n, 70 + n))
    assert (store.rows_on_disk, store.floor_on_disk(), store.oldest_where(), store.get("0").where) == (2, 70, 72, 70)
    assert store.pop("0").where == 70
    assert (store.floor_on_disk(), store.oldest_source(), len(store), "0" in store) == (71, 2, 3, False)
    store.close()


def test_memory_reaches_back_no_further_than_a_restart_should_read(tmp_path):
    """A few predictions that stay, among many that are joined at once, are moved to disk although there is room."""
    store = PendingStore(1_000, str(tmp_path), reach=500)
    for n in range(2_000):
        store.put(str(n), Pending(None, b"", n, n, n))
        if n % 100:
            store.pop(str(n))
    assert store.rows_on_disk >= 13
    assert store.oldest_source() >= 2_000 - 500 - 100
    store.close()


def test_refuses_no_memory_at_all():
    """The setting is named."""
    with pytest.raises(ConfigError, match=r"join\.memory_rows must be at least 1, got 0"):
        PendingStore(0, None)


def test_packed_offsets_are_small_where_they_are_whole_and_the_same_everywhere():
    """Ten million in a row cost a few bytes in every checkpoint; with holes a bit each."""
    whole = OffsetSet()
    whole.add_all(range(1_024, 1_024 * 1_001))
    assert len(whole.pack()) == 16
    for n in range(5_000, 900_000, 7):
        whole.discard(n)
    again = OffsetSet.from_saved(whole.saved())
    assert isinstance(whole.saved(), bytes)
    assert again.intervals() == whole.intervals()
    assert len(again) == len(whole)


@settings(deadline=None)
@given(
    ranges=st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 5_000)), max_size=8), ask=st.integers(0, 50_000)
)
def test_offsets_come_back_from_either_form(ranges, ask):
    """As ranges that people can read, and packed."""
    intervals = Intervals()
    for start, rows in ranges:
        intervals.add_range(start, start + rows)
    offsets = OffsetSet.of(intervals)
    assert offsets.intervals() == intervals
    assert offsets.saved() == intervals.to_list()
    assert OffsetSet.unpack(offsets.pack()).intervals() == intervals
    assert offsets.holds(np.array([ask, 0])).tolist() == [ask in intervals, 0 in intervals]
    assert offsets.union(OffsetSet.of(intervals)).intervals() == intervals


BLOCK = (5 << 1).to_bytes(8, "little") + b"\1" * 128
RUN = (6 << 1 | 1).to_bytes(8, "little") + (2).to_bytes(8, "little")


@pytest.mark.parametrize(
    "packed", [b"\1", BLOCK[:-1], BLOCK + b"\0", RUN[:-1], RUN + BLOCK, BLOCK + BLOCK, BLOCK[:8] + bytes(128), RUN[:9]]
)
def test_packed_offsets_are_whole_blocks_in_order(packed):
    """Half a block would be offsets invented."""
    assert OffsetSet.unpack(BLOCK + RUN).intervals().count() == 128 + 2 * 1_024
    with pytest.raises(StateError, match="packed offsets must be blocks"):
        OffsetSet.unpack(packed)
