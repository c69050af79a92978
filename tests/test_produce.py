"""Rows become records: both sides under one key, values of the declared kinds, nothing a worker would refuse."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import Config
from streams.produce import Columns, RecordWriter
from streams.rows import BadRow, Row, RowsError
from streams.stages.decoding import Decoding

FEATURES = {"amount": "numeric", "hour": "integer", "country": "categorical", "hours_per_week": "numeric"}


def config(**changes) -> Config:
    return Config.model_validate(
        {
            "name": "shop",
            "features": FEATURES,
            "target": {"task": "binary", "labels": [0, 1], "positive": 1},
            "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        }
        | changes
    )


def writer(side="events", columns=None, settings=None, **more) -> RecordWriter:
    return RecordWriter(settings or config(), side, columns or Columns(), id_prefix="day", **more)


def row(number=1, **values) -> Row:
    return Row(number + 1, number, values)


def test_event_and_label_of_a_row_carry_one_key_and_one_id():
    """Otherwise they would land on different partitions and never meet."""
    event, label = writer().records(row(id="o-1", amount="2.5", label="1"))

    assert event.key == label.key == b"o-1"
    assert (event.role, label.role) == ("features", "labels")
    assert json.loads(event.value) == {"id": "o-1", "features": {"amount": 2.5}, "time": None, "v": 1}
    assert json.loads(label.value) == {"id": "o-1", "label": 1, "time": None, "v": 1}


def test_features_and_labels_sent_apart_carry_the_very_key_of_events_sent_together():
    """Two commands over one file are as good as one, whichever columns are named."""
    values = {"amount": "1", "label": "0", "customer": "c-7"}
    for columns in (Columns(), Columns(key="customer"), Columns(id="customer")):
        apart = Columns(id=columns.id, key=columns.key)
        together = writer("events", columns).records(row(**values))
        features = writer("features", apart).records(row(**values))
        labels = writer("labels", columns).records(row(**values))

        assert (features.event, labels.label) == (together.event, together.label)
        assert features.label is None
        assert labels.event is None


@given(
    st.dictionaries(
        st.sampled_from([*FEATURES, "hours per week", "other"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    ),
    st.sampled_from(["0", "1", 1, 0.0, "", "2", None, "x"]),
)
def test_a_worker_can_read_whatever_is_sent(values, label):
    """Every record the writer makes passes the worker's own decoding; everything else is a bad row."""
    settings = config()
    side = writer(settings=settings)
    side.records(row(amount="1", label="0"))  # settles the columns
    made = side.records(row(2, **values, label=label))
    if isinstance(made, BadRow):
        assert "must be" in made.problem
        return
    decoding = Decoding(settings)
    event = decoding.event(made.event.key, made.event.value)
    assert event.id == "day-2"
    assert event.unknown == 0
    if made.label is not None:
        assert decoding.label(made.label.key, made.label.value).label == int(float(label))


def test_a_column_is_found_by_the_feature_name_it_was_given_by_init():
    """`hours per week` in the file is `hours_per_week` in the config."""
    made = writer("features").records(row(**{"hours per week": "38"}))

    assert json.loads(made.event.value)["features"] == {"hours_per_week": 38.0}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"amount": "abc"}, "amount must be a number, got 'abc'"),
        ({"hour": "2.5"}, "hour must be a whole number"),
        ({"amount": "1", "label": "7"}, "label must be one of 0, 1, got '7'"),
        ({"amount": "1", "id": ""}, "id must be the id, 1 to 256 characters"),
        ({"amount": "1", "id": "x" * 257}, "id must be the id"),
        ({"amount": "1", "time": "yesterday"}, "time must be a time"),
    ],
)
def test_a_cell_that_does_not_fit_is_told_by_column_and_line(values, said):
    """And the next row is as good as ever."""
    made = writer()
    made.records(row(id="o-1", amount="1", label="0", time="2026-01-31"))

    bad = made.records(row(5, **{"id": "o-5", "label": "0", "time": ""} | values))

    assert isinstance(bad, BadRow)
    assert bad.number == 6
    assert said in bad.problem
    assert not isinstance(made.records(row(6, id="o-6", amount="1", label="0", time="")), BadRow)


def test_an_empty_label_cell_sends_the_event_alone():
    """The answer is not known yet: that is no error."""
    made = writer().records(row(amount="1", label=""))

    assert made.label is None
    assert made.event is not None


def test_a_row_larger_than_the_worker_takes_is_not_sent():
    """`input.event_bytes_max` is the worker's bound; beyond it every record would be a dead letter."""
    many = {f"f{n}": "categorical" for n in range(20)}
    settings = config(features=many, input={"event_bytes_max": 1024})

    made = writer("features", settings=settings).records(row(**dict.fromkeys(many, "x" * 200)))

    assert "input.event_bytes_max" in made.problem


def test_without_an_id_column_the_ids_are_row_numbers_and_the_bad_rows_count():
    """Skipping a bad row in one run must not shift the ids against another run."""
    made = writer()

    assert made.records(row(1, amount="1", label="0")).event.key == b"day-1"
    assert isinstance(made.records(row(2, amount="x", label="0")), BadRow)
    assert made.records(row(3, amount="1", label="0")).event.key == b"day-3"
    assert made.numbered


def test_an_event_in_our_own_shape_is_sent_as_it_is():
    """JSON Lines with `features` inside: a recorded topic, played again."""
    made = writer("features").records(
        row(id="o-1", features={"amount": 1, "country": "NL"}, time="2026-01-31T00:00:00Z")
    )

    assert json.loads(made.event.value)["features"] == {"amount": 1.0, "country": "NL"}
    assert json.loads(made.event.value)["time"] == "2026-01-31T00:00:00Z"


@pytest.mark.parametrize(
    ("side", "columns", "values", "said"),
    [
        (
            "events",
            Columns(),
            {"amount": "1", "fraud": "1"},
            "--label must name the column of the labels, perhaps fraud",
        ),
        ("features", Columns(id="nope"), {"amount": "1"}, "--id must be one of the columns amount; got 'nope'"),
        ("features", Columns(), {"x": "1"}, "must include some of the features amount, hour"),
        ("labels", Columns(label="y"), {"id": "1"}, "--label must be one of the columns id"),
    ],
)
def test_a_file_that_is_not_the_pipeline_s_is_refused_at_its_first_row(side, columns, values, said):
    """Before a single record is sent."""
    with pytest.raises(RowsError, match=said):
        writer(side, columns).records(row(**values))


def test_features_without_a_column_are_named():
    """A misspelled header would else be a feature that is always missing, in silence."""
    made = writer("features")
    made.records(row(amount="1", hour="2"))

    assert made.absent == ("country", "hours_per_week")


def test_foreign_shapes_are_written_as_the_worker_reads_them():
    """`[mapping]` there and back: events and labels decode to what the row said."""
    settings = config(
        mapping={
            "features": {
                "id": "order.id",
                "time": "order.at",
                "features": {"amount": "order.total", "country": "land"},
            },
            "labels": {"id": "ref", "label": "result.fraud", "time": "result.at"},
        }
    )
    made = writer(settings=settings).records(
        row(id="o-1", amount="2.5", country="NL", label="1", time="2026-01-31T00:00:00Z")
    )
    decoding = Decoding(settings)

    assert json.loads(made.event.value)["order"] == {"id": "o-1", "total": 2.5, "at": "2026-01-31T00:00:00Z"}
    assert decoding.event(made.event.key, made.event.value).features == {"amount": 2.5, "country": "NL"}
    assert decoding.label(made.label.key, made.label.value).label == 1
    assert decoding.label(made.label.key, made.label.value).time is not None
