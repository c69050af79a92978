"""Pending predictions behave as a plain dictionary, wherever the rows happen to be kept."""

import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import ConfigError, StateError
from streams.state.offsets import OffsetSet
from streams.state.pending import Pending, PendingStore

STEP = st.tuples(
    st.sampled_from(["put"] * 6 + ["pop", "pop", "ask", "expire"]),
    st.integers(0, 25),
    st.integers(-60, 30),
    st.booleans(),
)


def due(model: dict[str, Pending], bound: int) -> list[tuple[str, Pending]]:
    """What a dictionary would give up, by age and then by source."""
    rows = [(i, row) for i, row in model.items() if row.event_ms < bound]
    return sorted(rows, key=lambda entry: (entry[1].event_ms, entry[1].source))


@settings(deadline=None, max_examples=400)
@given(steps=st.lists(STEP, min_size=5, max_size=100), memory_rows=st.integers(1, 6), on_disk=st.booleans())
def test_is_a_dictionary_that_may_live_on_disk(tmp_path_factory, steps, memory_rows, on_disk):
    """Any puts (in time order or not), pops and expiries give what a dictionary gives, however often it is asked."""
    folder = str(tmp_path_factory.mktemp("pending")) if on_disk else None
    store, model = PendingStore(memory_rows, folder), {}
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
            assert store.oldest_source() == min((row.source for row in model.values()), default=None)
        elif step == "expire":
            gone = due(model, now + amount)
            assert store.expire_before(now + amount) == gone
            model = {i: row for i, row in model.items() if (i, row) not in gone}
        assert store.get(identity) == model.get(identity)
        assert (identity in store) == (identity in model)
        assert len(store) == len(model)
        assert store.oldest_where() == min((r.where for r in model.values() if r.where is not None), default=None)
    sources = {row.source for row in model.values()}
    assert {n for start, stop in store.sources() for n in range(start, stop)} == sources
    packed = OffsetSet.unpack(store.sources_packed())
    assert len(packed) == len(sources)
    assert all(n in packed for n in sources)
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


def test_nothing_is_left_behind_and_nothing_is_taken_over(tmp_path):
    """A killed process's file is neither read nor kept, and the rows of a living store have no name."""
    (tmp_path / "pending.sqlite").write_bytes(b"from an earlier process")
    store = PendingStore(1, str(tmp_path))
    other = PendingStore(1, str(tmp_path))
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


def test_an_id_that_is_on_disk_already_is_noticed_there(tmp_path):
    """The look-up is the caller's; if it forgot, the file still refuses the second row."""
    store = PendingStore(1, str(tmp_path))
    for n in range(3):
        store.put(f"e{n}", Pending(None, b"", n, n, n))
    store.put("e0", Pending(None, b"", 3, 3, 3))
    with pytest.raises(StateError, match="could not move pending predictions"):
        store.put("e3", Pending(None, b"", 4, 4, 4))
    store.close()


def test_rows_out_of_order_cost_no_memory_once_they_are_gone(tmp_path):
    """Many rows with an early event time, most of them popped again: the few that stay still expire in time."""
    store = PendingStore(20, str(tmp_path))
    store.put("newest", Pending(None, b"", 10**6, 0, 0))
    for n in range(1, 5_000):
        store.put(str(n), Pending(None, b"", n, n, n))
        if n % 500:
            store.pop(str(n))
    assert len(store._behind) < 2_000
    assert [identity for identity, _ in store.expire_before(4_400)] == [str(n) for n in range(500, 4_400, 500)]
    assert [identity for identity, _ in store.expire_before(10**6)] == ["4500"]
    store.close()


def test_an_early_row_is_found_among_later_ones_on_disk(tmp_path):
    """Expiry on disk goes by event time, not by the order in which rows moved there."""
    store = PendingStore(4, str(tmp_path))
    for n, event_ms in enumerate((10, 5, 20, 30, 40, 50)):
        store.put(str(n), Pending(None, b"", event_ms, n, n))
    assert store.rows_on_disk == 2
    assert [identity for identity, _ in store.expire_before(6)] == ["1"]
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
    """A restart reads from the oldest place, and the row may be popped there."""
    store = PendingStore(2, str(tmp_path))
    for n in range(4):
        store.put(str(n), Pending(None, b"", n, n, 70 + n))
    assert (store.rows_on_disk, store.oldest_where(), store.get("0").where) == (2, 70, 70)
    assert store.pop("0").where == 70
    assert (store.oldest_where(), store.oldest_source(), len(store), "0" in store) == (71, 1, 3, False)
    store.close()


def test_refuses_no_memory_at_all():
    """The setting is named."""
    with pytest.raises(ConfigError, match=r"join\.memory_rows must be at least 1, got 0"):
        PendingStore(0, None)


@pytest.mark.parametrize("size", [1, 135, 137])
def test_packed_offsets_are_whole_blocks(size):
    """Half a block would be offsets invented."""
    with pytest.raises(StateError, match="packed offsets must be blocks"):
        OffsetSet.unpack(b"\1" * size)
