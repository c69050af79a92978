"""Records that nobody can read, made by Hypothesis: each is bad by construction, whatever is drawn."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NO_TEXT = JSON.filter(lambda value: not isinstance(value, str))
NO_NUMBER = JSON.filter(lambda value: not isinstance(value, int | float | None))
NO_OBJECT = JSON.filter(lambda value: not isinstance(value, dict))
EVENT = {"id": "poison", "features": {"x": 0.5, "y": -0.5}}
LABEL = {"id": "poison", "label": "yes"}


def packed(document):
    return json.dumps(document).encode()


def unreadable(good):
    """No JSON object at all, or one broken off, or one with something behind it; `None` is a tombstone."""
    whole = packed(good)
    no_json = st.binary(max_size=300).filter(lambda data: not _is_json(data))
    torn = st.integers(0, len(whole) - 1).map(lambda size: whole[:size])
    trailed = (
        st.binary(min_size=1, max_size=9).filter(lambda tail: tail.strip(b" \t\r\n")).map(lambda tail: whole + tail)
    )
    deep = st.integers(1_000, 50_000).flatmap(lambda depth: st.sampled_from([b"[" * depth, b'{"id":' * depth]))
    no_utf8 = st.binary(min_size=1, max_size=6).filter(_is_no_utf8).map(lambda data: whole.replace(b"poison", data))
    return st.none() | no_json | torn | trailed | deep | no_utf8 | NO_OBJECT.map(packed)


def without(good, field):
    return st.just(packed({name: value for name, value in good.items() if name != field}))


def changed(good, field, value):
    return value.map(lambda drawn: packed(good | {field: drawn}))


def _is_json(data):
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _is_no_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


NUMBERS = st.sampled_from(
    [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e400", b"+1", b".5", b"0x10", b"1_000", b"--1"]
)
EVENTS = st.one_of(
    unreadable(EVENT),
    without(EVENT, "id"),
    without(EVENT, "features"),
    changed(EVENT, "id", NO_TEXT),
    changed(EVENT, "features", NO_OBJECT),
    changed(EVENT, "features", NO_NUMBER.map(lambda value: {"x": value, "y": 1.0})),
    changed(EVENT, "time", st.sampled_from(["yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", 17, [], {}])),
    NUMBERS.map(lambda token: packed(EVENT).replace(b"0.5", token, 1)),
)
LABELS = st.one_of(
    unreadable(LABEL),
    without(LABEL, "id"),
    without(LABEL, "label"),
    changed(LABEL, "id", NO_TEXT),
    changed(LABEL, "label", JSON.filter(lambda value: value not in ("yes", "no"))),
)


def corpus(strategy, number, count):
    """So many records, the same for the same number."""
    found = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @seed(number)
    @given(strategy)
    def take(record):
        found.append(record)

    take()
    return found
