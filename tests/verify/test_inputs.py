"""What is an event and what is a label, judged twice by different code: never otherwise."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from promised_run import CONFIG

from streams.config import Config
from streams.errors import MessageError
from streams.stages.decoding import Decoding
from streams.verify.inputs import Inputs

BASE = CONFIG.model_dump(by_alias=True, mode="json") | {
    "features": {"x": "numeric", "n": "integer", "c": "categorical"},
    "target": {"task": "multiclass", "labels": ["a", 1, True, 2.5][:2], "positive": None},
    "input": {"event_bytes_max": 1024},
}
CONFIGS = {
    "ours": BASE,
    "several partitions": BASE | {"topics": {"partitions": 2}},
    "a number": BASE | {"target": {"task": "regression"}},
    "strict": BASE | {"input": {"unknown_features": "refuse", "event_bytes_max": 1024}},
    "foreign": BASE
    | {
        "mapping": {
            "features": {"id": "deep.id", "features": {"x": "deep.x", "c": "c"}},
            "labels": {"id": "id", "label": "deep.label"},
        }
    },
    "foreign, all of it": BASE | {"mapping": {"features": {"id": "id", "features": "$"}}},
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=4),
    st.sampled_from(["a", "x" * 257, 1e200, 10**120, 1.0, 3.5, [], {}]),
)
FEATURES = st.one_of(VALUES, st.dictionaries(st.sampled_from(["x", "n", "c", "other"]), VALUES, max_size=4))
DOCUMENTS = st.one_of(
    VALUES,
    st.fixed_dictionaries(
        {},
        optional={
            "id": VALUES,
            "time": st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00", 5]),
            "features": FEATURES,
            "label": VALUES,
            "deep": st.fixed_dictionaries({}, optional={"id": VALUES, "x": VALUES, "label": VALUES}),
            "c": VALUES,
            "v": VALUES,
        },
    ),
)
RECORDS = st.one_of(st.none(), st.binary(max_size=20), DOCUMENTS.map(lambda said: json.dumps(said).encode()))
GOOD = json.dumps({"id": "e", "features": {"x": 1, "n": 2.0, "c": True}, "label": "a"}).encode()


class Row(NamedTuple):
    value: bytes | None
    key: bytes | None
    offset: int = 0
    timestamp: int = 0
    headers: tuple = ()


@pytest.mark.parametrize("name", CONFIGS)
@given(value=RECORDS, key=st.sampled_from([b"k", None]))
@example(value=GOOD, key=b"k")
@example(value=b"[" * 100_000, key=b"k")
@example(value=GOOD[:-1] + b',"note":"' + b"x" * 1024 + b'"}', key=b"k")
@settings(max_examples=150, deadline=None)
def test_both_readers_say_the_same(name, value, key):
    """The same records are read, with the same id, features and label; the same are refused."""
    config = Config.model_validate(CONFIGS[name])
    ours, theirs, row = Inputs(config), Decoding(config), Row(value, key)
    event, label = ours.event(row), ours.label(row)

    try:
        said = theirs.event(key, value)
    except MessageError:
        assert event.problem
    else:
        assert (event.problem, event.identity, event.features) == ("", said.id, said.features)
        assert [type(v) for v in event.features.values()] == [type(said.features[k]) for k in event.features]
    try:
        known = theirs.label(key, value)
    except MessageError:
        assert label.problem
    else:
        assert (label.problem, label.identity, label.label) == ("", known.id, known.label)
        assert isinstance(label.label, bool) is isinstance(known.label, bool)


def test_what_rests_on_a_setting_can_be_argued():
    """A record too large, or with features that nobody configured, may have been accepted once."""
    strict = Inputs(Config.model_validate(CONFIGS["strict"]))
    large = GOOD[:-1] + b',"note":"' + b"x" * 1024 + b'"}'
    strange = json.dumps({"id": "e", "features": {"other": 1}}).encode()

    assert strict.event(Row(large, b"k"))[2:] == ("too large", True)
    assert strict.event(Row(strange, b"k"))[2:] == ("features that nobody configured", True)
    assert not strict.event(Row(b"{", b"k")).arguable
