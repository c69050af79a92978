"""docs/schemas: current, valid, and what is really on the wire validates against them."""

import json
from datetime import UTC, datetime

import jsonschema
import msgspec
import pytest

from streams import messages
from streams.messages import WIRE, encode
from streams.schemas import FOLDER, schemas, text, write

CUT = messages.Cut(id="w1", offsets={"shop.predictions/0": 7})
TIME = datetime(2026, 1, 31, tzinfo=UTC)
EXAMPLES = {
    "features": messages.Event(id="o-1", features={"amount": 1.5, "country": "NL", "gone": None}, time=TIME),
    "labels": messages.LabelRecord(id="o-1", label=True),
    "predictions": messages.Prediction(
        id="o-1",
        features={"amount": 1.5},
        prediction=1,
        probabilities={"0": 0.25, "1": 0.75},
        model="champion",
        version=3,
        candidates={"prior": messages.Output(prediction=0)},
        source=9,
        event_ms=1,
    ),
    "examples": messages.Example(id="o-1", label=1, label_source=(0, 4), closed=4, label_ms=2),
    "models": messages.ModelVersion(
        model="champion",
        shard=0,
        version=3,
        learnt=3,
        snapshot="s",
        digest="d",
        published_ms=1,
        scores={"accuracy": 1.0},
    ),
    "alerts": messages.Alert(
        id="i/started/0",
        incident="i",
        phase="started",
        severity="warning",
        title="amount drifted",
        subjects=[{"subject": "feature:amount"}],
        since_ms=1,
        cut=CUT,
        since={},
        hurt=messages.Hurt(verdict="unknown", words="unknown: no labels yet", examples_before=0, examples_since=0),
        false_alarms="1 per week",
        events=0,
        repeats=0,
        model="champion",
        version=3,
        report=None,
    ),
}


@pytest.mark.parametrize("role", WIRE)
def test_the_file_is_current(role):
    """`python -m streams.schemas` writes them anew after a change of a message."""
    assert (FOLDER / f"{role}.json").read_text(encoding="utf-8") == text(schemas()[role])


def test_there_is_a_file_for_each_topic_and_no_other(tmp_path):
    """A topic that is gone leaves no schema behind."""
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in write(tmp_path)}


@pytest.mark.parametrize("role", WIRE)
def test_the_schema_is_one(role):
    """Valid by its own dialect, complete in its file, each field of ours described where the class says something."""
    schema = schemas()[role]
    jsonschema.Draft202012Validator.check_schema(schema)
    for reference in json.dumps(schema).split('"$ref": "#/$defs/')[1:]:
        assert reference.split('"')[0] in schema["$defs"]
    assert schema["description"]


@pytest.mark.parametrize("role", EXAMPLES)
def test_what_is_on_the_wire_validates(role):
    """The encoder's bytes, not an idea of them."""
    validator = jsonschema.Draft202012Validator(schemas()[role])

    validator.validate(json.loads(encode(EXAMPLES[role])))


@pytest.mark.parametrize(
    ("role", "document"),
    [
        ("features", {"features": {}}),
        ("features", {"id": "", "features": {}}),
        ("features", {"id": "x", "features": {"a": [1]}}),
        ("features", {"id": 7, "features": {}}),
        ("labels", {"id": "x"}),
        ("labels", {"id": "x", "label": None}),
        ("labels", {"id": "x" * 257, "label": 1}),
    ],
)
def test_schema_and_decoder_refuse_the_same(role, document):
    """A producer who checks against the schema meets no dead letter for its shape."""
    assert not jsonschema.Draft202012Validator(schemas()[role]).is_valid(document)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(document), type=WIRE[role])
