"""The sliding window against the plainest one: a list of rows cut to its end."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.columns import plain, transpose
from drift.window import SlidingWindow, WindowConfig

KINDS = {"amount": "numeric", "age": "integer", "country": "categorical"}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.floats() | st.none(),
        "age": st.integers(-(2**63) + 1, 2**63 - 1),
        "country": st.text(max_size=2),
        "unknown": st.just(1),
    },
)
STREAMS = st.lists(st.tuples(VALUES, st.booleans()), max_size=60)


def repeated(rows, times):
    """The rows over and over, so that buffers wrap round without Hypothesis drawing thousands of them."""
    return [(f"{turn}-{i}", 1000 * turn + i, values) for turn in range(times) for i, (values, _) in enumerate(rows)]


def look(window):
    columns = {name: (column.dtype.str, [*map(repr, column.tolist())]) for name, column in window.columns().items()}
    return columns, window.ids(), window.times_ms(), window.rows_seen, len(window), window.full


def naive(rows, window_rows):
    kept = rows[-window_rows:]
    columns = transpose(KINDS, [values for _, _, values in kept])
    return (
        {name: plain(KINDS[name], column) for name, column in columns.items()},
        [row_id for row_id, _, _ in kept],
        [event_ms for _, event_ms, _ in kept],
    )


@settings(deadline=None)
@given(STREAMS, st.integers(1, 700), st.integers(1, 25))
def test_it_holds_the_last_rows_whenever_one_looks(stream, window_rows, times):
    """Looking in between, at any row, changes nothing."""
    window, rows, looks = (
        SlidingWindow(WindowConfig(window_rows=window_rows, kinds=KINDS)),
        repeated(stream, times),
        [s for _, s in stream],
    )
    for number, (row_id, event_ms, values) in enumerate(rows):
        window.append(row_id, event_ms, values)
        if looks[number % len(looks)] and number % 7 == 0:
            window.columns()
    columns, ids, times_ms = naive(rows, window_rows)
    assert window.ids() == ids
    assert window.times_ms() == times_ms
    assert window.rows_seen == len(rows)
    assert len(window) == len(ids)
    assert window.full == (len(ids) == window_rows)
    for name, column in window.columns().items():
        assert column.dtype == columns[name].dtype
        assert [*map(repr, column.tolist())] == [*map(repr, columns[name].tolist())]


@settings(deadline=None)
@given(STREAMS, st.integers(1, 300), st.integers(1, 12), st.integers(0, 700))
def test_resumes_from_a_snapshot_as_if_never_stopped(stream, window_rows, times, cut):
    """A restart between any two rows, through MessagePack, changes no later look."""
    config, rows = WindowConfig(window_rows=window_rows, kinds=KINDS), repeated(stream, times)
    whole, first = SlidingWindow(config), SlidingWindow(config)
    whole.extend(rows)
    first.extend(rows[:cut])

    snapshot = msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot()))
    second = SlidingWindow.restore(config, snapshot)
    assert look(second) == look(first)
    second.extend(rows[cut:])

    assert look(second) == look(whole)
    assert second.snapshot() == whole.snapshot()


@pytest.mark.parametrize("window_rows", [1, 2, 3, 255, 256, 257])
def test_every_row_is_held_where_the_buffers_come_round(window_rows):
    """Looked at after each of two thousand rows, so that each end of a buffer is met exactly."""
    window = SlidingWindow(WindowConfig(window_rows=window_rows, kinds={"a": "integer"}))
    for i in range(2000):
        window.append("", i, {"a": i})
        assert window.columns()["a"].tolist() == list(range(max(0, i + 1 - window_rows), i + 1))


def test_a_snapshot_is_a_copy():
    """Rows that come later do not reach into it, nor into columns handed out."""
    window = SlidingWindow(WindowConfig(window_rows=2, kinds={"a": "numeric"}))
    window.extend([("x", 1, {"a": 1.0}), ("y", 2, {"a": 2.0})])
    columns, snapshot = window.columns(), window.snapshot()
    window.extend([(str(i), i, {"a": 9.0}) for i in range(600)])
    window.columns()
    assert columns["a"].tolist() == [1.0, 2.0]
    assert snapshot["ids"] == ["x", "y"]
    assert np.frombuffer(snapshot["columns"]["a"]["data"]).tolist() == [1.0, 2.0]


def test_a_shorter_window_keeps_the_newest_rows():
    """So that `window_rows` can be changed between two runs."""
    window = SlidingWindow(WindowConfig(window_rows=5, kinds={"a": "numeric"}))
    window.extend([(str(i), i, {"a": float(i)}) for i in range(5)])
    shorter = SlidingWindow.restore(WindowConfig(window_rows=2, kinds={"a": "numeric"}), window.snapshot())
    assert (shorter.ids(), shorter.columns()["a"].tolist(), shorter.from_ms, shorter.to_ms) == (
        ["3", "4"],
        [3.0, 4.0],
        3,
        4,
    )
    assert shorter.full


@pytest.mark.parametrize("kinds", [{"a": "integer"}, {"b": "numeric"}, {"a": "numeric", "b": "numeric"}])
def test_a_snapshot_of_other_columns_is_refused(kinds):
    """Another kind, another name, one more."""
    snapshot = SlidingWindow(WindowConfig(window_rows=2, kinds={"a": "numeric"})).snapshot()
    with pytest.raises(ValueError, match="window must be rows of"):
        SlidingWindow.restore(WindowConfig(window_rows=2, kinds=kinds), snapshot)


def test_what_is_no_snapshot_is_refused():
    """A dict from elsewhere is named as such."""
    with pytest.raises(ValueError, match="window must be millrace-window/1, got None"):
        SlidingWindow.restore(WindowConfig(window_rows=2, kinds={"a": "numeric"}), {})


def test_settings_are_checked_when_built():
    """A window of no rows or no columns is a mistake."""
    with pytest.raises(ValueError, match=r"window\.window_rows must be at least 1, got 0"):
        WindowConfig(window_rows=0, kinds=KINDS)
    with pytest.raises(ValueError, match=r"window\.kinds must be at least one column, got none"):
        WindowConfig(window_rows=1)
