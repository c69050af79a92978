"""From bytes to a checked event or label: whatever is none is refused, and the refusal never quotes it."""

import json
import string
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.config import Config, LabelMapping
from streams.errors import MessageError
from streams.stages.decoding import Decoding, foreign_label

SECRET = "Zanzibar"


def decoding(task="binary", **tables):
    labels = {"binary": ["no", "yes"], "multiclass": [0, 1, 2], "regression": []}[task]
    target = {"task": task, "labels": labels} | ({"positive": "yes"} if task == "binary" else {})
    return Decoding(
        Config.model_validate(
            {
                "name": "shop",
                "target": target,
                "features": {"amount": "numeric", "count": "integer", "city": "categorical"},
                "models": {"candidates": {"champion": {"model": "gaussian_nb"}}},
            }
            | tables
        )
    )


PLAIN, REGRESSION = decoding(), decoding("regression")
STRICT = decoding(input={"unknown_features": "refuse", "event_bytes_max": 1024})
ONE_PARTITION = decoding(topics={"partitions": 1})


def event(**changes):
    return json.dumps({"id": "e1", "features": {"amount": 1.5, "count": 2, "city": "Bern"}} | changes).encode()


def label(**changes):
    return json.dumps({"id": "e1", "label": "yes"} | changes).encode()


def refusal(read, key, value):
    with pytest.raises(MessageError) as caught:
        read(key, value)
    assert caught.value.__cause__ is None  # what is chained would be printed with its values
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_a_good_event_and_a_good_label_come_through():
    """With time or without, the numbers as their feature's kind wants them, the label as configured."""
    found = PLAIN.event(b"k", event(time="2026-01-02T03:04:05Z", features={"amount": 3, "count": 2.0, "city": 7}))

    assert found.features == {"amount": 3.0, "count": 2, "city": "7"}
    assert [type(value) for value in found.features.values()] == [float, int, str]
    assert (found.id, found.time) == ("e1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert PLAIN.label(b"k", label()).label == "yes"
    assert REGRESSION.label(b"k", label(label=3)).label == 3.0
    assert decoding("multiclass").label(b"k", label(label=1.0)).label == 1


def test_a_missing_feature_is_a_missing_value_and_an_unknown_one_is_counted():
    """Null is missing too; refused only where the config says so."""
    found = PLAIN.event(b"k", event(features={"amount": None, "city": "Bern", "</script>": SECRET}))

    assert (found.features, found.missing, found.unknown) == ({"city": "Bern"}, 2, 1)
    assert refusal(STRICT.event, b"k", event(features={"</script>": SECRET})) == (
        "$.features must be only the 3 configured ones, got 1 unknown"
    )


BAD_EVENTS = {
    "tombstone": (None, "$ must be a JSON object, got a tombstone"),
    "empty": (b"", "$ must be JSON in UTF-8"),
    "bad UTF-8": (b'{"id": "\xff%b", "features": {}}' % SECRET.encode(), "$"),
    "bad JSON": (b'{"id": "%b"' % SECRET.encode(), "$ must be JSON in UTF-8"),
    "two documents": (event() + b"{}", "$ must be JSON in UTF-8"),
    "endless nesting": (b'{"id": ' + b"[" * 200_000, "$"),
    "not an object": (json.dumps([SECRET]).encode(), "$: expected object, got array"),
    "no id": (json.dumps({"features": {"city": SECRET}}).encode(), "$: object missing required field id"),
    "no features": (json.dumps({"id": SECRET}).encode(), "$: object missing required field features"),
    "an id of another type": (event(id=[SECRET]), "$.id: expected str, got array"),
    "an empty id": (event(id=""), "$.id"),
    "a long id": (event(id=SECRET * 40), "$.id"),
    "features of another type": (event(features=SECRET), "$.features: expected object, got str"),
    "a feature of another type": (event(features={"amount": SECRET}), "$.features.amount must be a number"),
    "a feature that is a list": (event(features={"amount": [SECRET]}), "$.features[...]"),
    "a boolean number": (event(features={"amount": True}), "$.features.amount must be a number, got a boolean"),
    "a fraction": (event(features={"count": 1.5}), "$.features.count must be an integer, got a fraction"),
    "a number beyond all": (event(features={"amount": -1e200}), "$.features.amount must be a number within"),
    "a long integer": (b'{"id": "e", "features": {"city": 1%b}}' % (b"0" * 5000), "$"),
    "a long category": (event(features={"city": SECRET * 40}), "$.features.city must be at most 256 characters"),
    "NaN": (b'{"id": "e", "features": {"amount": NaN}}', "$ must be JSON in UTF-8"),
    "Infinity": (b'{"id": "e", "features": {"amount": -Infinity}}', "$ must be JSON in UTF-8"),
    "an overflow": (b'{"id": "e", "features": {"amount": 1e999}}', "$"),
    "a time that is none": (event(time=SECRET), "$.time: invalid RFC3339"),
    "a time without a zone": (event(time="2026-01-02T03:04:05"), "$.time"),
    "too large": (event(note="x" * 300_000), "$ must be at most 262144 bytes (input.event_bytes_max), got 3000"),
}
BAD_LABELS = {
    "tombstone": (None, "$ must be a JSON object, got a tombstone"),
    "bad JSON": (b'{"id": "e", "label": "%b' % SECRET.encode(), "$ must be JSON in UTF-8"),
    "unknown": (label(label=SECRET), "$.label must be one of the 2 configured labels, got a string"),
    "in another case": (label(label="Yes"), "$.label must be one of the 2 configured labels, got a string"),
    "a boolean": (label(label=True), "$.label must be one of the 2 configured labels, got a boolean"),
    "a number": (label(label=1), "$.label must be one of the 2 configured labels, got a number"),
    "null": (label(label=None), "$.label"),
    "a list": (label(label=[SECRET]), "$.label"),
    "absent": (json.dumps({"id": SECRET}).encode(), "$: object missing required field label"),
    "no id": (label(id=None), "$.id: expected str, got null"),
}


@pytest.mark.parametrize(("value", "words"), BAD_EVENTS.values(), ids=BAD_EVENTS.keys())
def test_a_bad_event_is_refused_with_its_place_and_without_its_values(value, words):
    """Every kind of the list, and the next good one is read as if nothing had been."""
    told = refusal(PLAIN.event, b"k", value)

    assert told.startswith(words)
    assert SECRET not in told
    assert len(told) < 300
    assert PLAIN.event(b"k", event()).id == "e1"


@pytest.mark.parametrize(("value", "words"), BAD_LABELS.values(), ids=BAD_LABELS.keys())
def test_a_bad_label_is_refused_with_its_place_and_without_its_values(value, words):
    """Labels are as strict as events."""
    told = refusal(PLAIN.label, b"k", value)

    assert told.startswith(words)
    assert SECRET not in told


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e200, "3", True, None])
def test_a_regression_label_is_a_finite_number(value):
    """Once in a scaler, anything else never leaves it."""
    assert refusal(REGRESSION.label, b"k", label(label=value)).startswith("$")


def test_a_record_needs_a_key_where_there_are_several_partitions():
    """Without one, an event and its label land on different partitions and never meet."""
    assert refusal(PLAIN.event, None, event()).startswith("the record's key must be set")
    assert refusal(PLAIN.label, None, label()).startswith("the record's key must be set")
    assert ONE_PARTITION.event(None, event()).id == "e1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "time": JSON,
        "label": JSON,
        "features": JSON | st.dictionaries(st.sampled_from(("amount", "count", "city", "x")), JSON, max_size=4),
        "v": JSON,
    },
)
ANYTHING = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda document: json.dumps(document).encode()),
    SHAPED.map(lambda document: json.dumps(document).encode()),
    st.tuples(st.integers(0, 60), st.binary(max_size=3)).map(lambda cut: event()[: cut[0]] + cut[1]),
)


@given(ANYTHING, st.sampled_from((PLAIN, STRICT, REGRESSION)), st.sampled_from(("event", "label")))
@example(json.dumps({"id": "e", "features": {"count": 1e308}}).encode(), PLAIN, "event")
@example(json.dumps({"id": "e", "features": {"city": "\ud800"}}).encode(), PLAIN, "event")
def test_no_bytes_at_all_raise_anything_else(value, reader, kind):
    """Nothing but MessageError ever leaves the decoding: any other error would end a worker."""
    with suppress(MessageError):
        getattr(reader, kind)(b"k", value)


MARKED = st.text("ZQ", min_size=8, max_size=30)


@given(
    MARKED,
    st.sampled_from(
        (
            '{"id": "%s", "features": 1}',
            '{"id": "e", "features": {"amount": "%s"}}',
            '{"id": "e", "features": {"count": ["%s"]}}',
            '{"id": "e", "time": "%s", "features": {}}',
            '{"id": "e", "v": "%s", "features": {}}',
            '{"id": "e", "label": "%s"}',
            '{"id": {"%s": 1}, "label": "yes"}',
            '{"id": "e", "label": {"%s": "%s"}}',
            '["%s"]',
            '"%s"',
            '{"%s": %s}',
            '{"id": "e", "features": {"%s": {}}}',
        )
    ),
)
def test_no_refusal_tells_what_a_payload_holds(marked, shape):
    """Neither values nor foreign names: reasons go to headers and logs, which more people read than the topic."""
    value = shape.replace("%s", marked).encode()
    told = []
    for read in (STRICT.event, STRICT.label, REGRESSION.label):
        try:
            read(b"k", value)
        except MessageError as error:
            told.append(str(error))
    assert told
    assert marked not in " ".join(told)


def test_foreign_records_are_read_by_their_mapping():
    """Dotted paths, ids that are whole numbers, a feature whose path leads nowhere; the same rules apply after it."""
    mapped = decoding(
        mapping={
            "features": {
                "id": "order.id",
                "time": "order.at",
                "features": {"amount": "order.total", "city": "to.city"},
            },
            "labels": {"id": "order", "label": "result.fraud"},
        }
    )
    order = {"order": {"id": 7, "total": 9.5, "at": "2026-01-02T03:04:05+01:00"}, "to": SECRET}
    found = mapped.event(b"k", json.dumps(order).encode())

    assert (found.id, found.features, found.missing) == ("7", {"amount": 9.5}, 2)
    assert mapped.label(b"k", b'{"order": 7, "result": {"fraud": "yes"}}')[0::2] == ("7", "yes")
    for bad in (b"7", b"[]", b'{"order": {"id": true, "total": 1}}', b'{"order": {"id": 7, "total": "%b"}}'):
        assert SECRET not in refusal(mapped.event, b"k", bad.replace(b"%b", SECRET.encode()))
    assert SECRET not in refusal(mapped.label, b"k", b'{"order": 7, "result": "%b"}' % SECRET.encode())
    assert foreign_label(LabelMapping(label="y"))(b'{"id": "e", "y": 1}').label == 1


FEATURE_VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**120), 10**120),
    st.sampled_from((None, True, "1", [], 1e100, -1e100, 1.1e100, 10**100 + 1, -0.0)),
)


@given(st.dictionaries(st.sampled_from(("a", "b", "c", "")), FEATURE_VALUES, max_size=4), st.sampled_from((b"k", None)))
@example({"a": 1, "b": 2.5}, b"k")
@example({"a": 1e100, "b": -1e100}, b"k")
@example({"a": 1.0, "b": 1.1e100}, b"k")
@example({"a": 1.0, "c": 2.0}, b"k")
def test_a_pipeline_of_numbers_alone_reads_events_as_every_other_does(features, key):
    """The decoder that checks by itself says what the guard says: same values and types, same counts, same refusal."""
    outcomes = []
    for more in ({}, {"never": "categorical"}):  # a category and the guard is asked
        reader = decoding(features={"a": "numeric", "b": "numeric"} | more)
        try:
            found = reader.event(key, event(features=features))
        except MessageError as error:
            outcomes.append(str(error))
        else:
            types = [type(value) for value in found.features.values()]
            outcomes.append((repr(found.features), types, found.missing - len(more), found.unknown, found.id))
    assert outcomes[0] == outcomes[1]
