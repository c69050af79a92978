"""Topics as frames and published models in a notebook: what is on the topics, once, by offset and by time."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import page_records
import pytest
from guides import ROOT, blocks
from kafka import KafkaProducer
from test_docs import example

import streams
from streams.cli.main import run
from streams.config_file import load
from streams.errors import BrokerError, ConfigError, StateError
from streams.messages import encode
from streams.stages.candidates import build_candidates
from streams.state.from_config import open_store

pytestmark = pytest.mark.broker


@pytest.fixture
def pipeline(broker, pipeline_name, tmp_path, monkeypatch):
    """A folder with a millrace.toml, topics, and a way to put records there; gives (config, send)."""
    path = tmp_path / "millrace.toml"
    path.write_text(
        f'name = "{pipeline_name}"\n[topics]\npartitions = 2\n'
        '[target]\ntask = "binary"\nlabels = ["no", "yes"]\npositive = "yes"\n'
        '[features]\namount = "numeric"\n[models.candidates.champion]\nmodel = "logistic_regression"\n'
        '[models.candidates.tree]\nmodel = "hoeffding_tree"\n'
        f'[kafka]\nbootstrap = "{broker}"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert run(["topics", "create"]) == 0
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")

    def send(role, *records, partition=0, headers=()):
        for record in records:
            value = record if isinstance(record, bytes | None) else encode(record)
            producer.send(
                f"{pipeline_name}.{role}", value=value, key=b"champion/0", partition=partition, headers=list(headers)
            ).get(timeout=20)

    yield load(path), send
    producer.close()


def test_a_frame_has_what_was_said_once_in_the_order_of_time(pipeline):
    """Repeats and somebody else's records are left out and counted; tables are columns."""
    _, send = pipeline
    send("examples", example(0), example(1), b"not ours", example(1), [1], example(2, label="yes"))
    frame = streams.read("examples")

    assert frame["id"].tolist() == ["o-0", "o-1", "o-2"]
    assert frame["offset"].tolist() == [0, 1, 5]
    assert frame["features.amount"].tolist() == [0.0, 1.0, 2.0]
    assert frame["label"].tolist() == ["no", "no", "yes"]
    assert frame.attrs["unreadable"] == 2
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert frame["time"].is_monotonic_increasing
    assert len(streams.read("examples", repeats=True)) == 4
    assert streams.read("examples", flatten=False)["features"].tolist()[0] == {"amount": 0.0}


def test_where_a_record_is_it_does_not_say_itself(pipeline):
    """Fields of somebody's own, called as a column of the place, change neither the place nor the order."""
    _, send = pipeline
    send("features", {"id": "a", "offset": "x", "partition": [], "time": 5}, {"id": "b", "offset": 0}, b"[" * 9_999)
    frame = streams.read("features", repeats=True)

    assert frame[["partition", "offset", "id"]].to_numpy().tolist() == [[0, 0, "a"], [0, 1, "b"]]
    assert list(frame.columns[:4]) == ["partition", "offset", "time", "key"]
    assert frame.attrs["unreadable"] == 1


def test_bounds_are_offsets_or_times(pipeline):
    """The stop is outside; a partition that is not named is whole; a time without records after it is the end."""
    _, send = pipeline
    before = datetime.now(UTC)
    send("predictions", *({"id": f"a{n}", "source": n} for n in range(3)))
    send("predictions", *({"id": f"b{n}", "source": n} for n in range(3)), partition=1)
    time.sleep(0.05)
    middle = datetime.now(UTC)
    time.sleep(0.05)
    send("predictions", {"id": "late", "source": 9})

    def ids(*bounds):
        return set(streams.read("predictions", *bounds)["id"])

    assert ids(1, 2) == {"a1", "b1"}
    assert ids({0: 2}) == {"a2", "late", "b0", "b1", "b2"}
    assert ids(None, {0: 1, 1: 0}) == {"a0"}
    assert ids(before, middle) == {"a0", "a1", "a2", "b0", "b1", "b2"}
    assert ids(middle.isoformat()) == {"late"}
    assert ids("1h") == ids() == ids(before, middle) | {"late"}
    assert ids(datetime(2100, 1, 1, tzinfo=UTC)) == set()


@pytest.mark.usefixtures("pipeline")
def test_an_empty_topic_is_an_empty_frame():
    """With its first columns, so that a notebook's next cell does not fail."""
    frame = streams.read("alerts")

    assert len(frame) == 0
    assert {"partition", "offset", "time", "key", "id", "severity", "title"} <= set(frame.columns)
    assert list(streams.read("dead-letters").columns) == ["partition", "offset", "time", "key"]


def test_of_a_dead_letter_there_is_the_reason_and_never_the_bytes(pipeline):
    """Values are other people's data."""
    config, send = pipeline
    place = [("reason", b"$ must be JSON"), ("topic", config.topic("features").encode()), ("partition", b"1")]
    send("dead-letters", b"a secret", headers=[*place, ("offset", b"7"), ("size", b"8")])
    frame = streams.read("dead-letters")

    assert frame[["reason", "of_partition", "of_offset"]].to_numpy().tolist() == [["$ must be JSON", "1", "7"]]
    assert "a secret" not in frame.to_json()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("nosuch",), "role must be one of"),
        (("alerts", "yesterday"), "start must be a duration such as 2h or a time such as"),
        (("alerts", None, "soon"), "stop must be a duration such as 2h or a time such as"),
        (("alerts", True), "start must be an offset or a time"),
    ],
)
@pytest.mark.usefixtures("pipeline")
def test_what_cannot_be_meant_is_said(asked, words):
    """In the words of every other setting."""
    with pytest.raises(ConfigError, match=words):
        streams.read(*asked)


def test_more_than_a_notebook_holds_is_refused_before_it_is_read(pipeline):
    """A topic of a year would be a hundred gigabytes."""
    _, send = pipeline
    send("labels", *({"id": str(n), "label": "no"} for n in range(4)))

    with pytest.raises(BrokerError, match="could not read 4 offsets"):
        streams.read("labels", offsets_max=3)
    assert len(streams.read("labels", 2, offsets_max=3)) == 2


def published(config, send, rows, shard=0):
    """Candidates that have learnt so many rows, as a worker publishes them."""
    candidates = build_candidates(config)
    for number in range(rows):
        candidates.learn({"amount": float(number % 10)}, "yes" if number % 10 > 4 else "no")
    stored = open_store(config).put_object("snapshots", f"shard-{shard}", candidates.snapshot())
    send("models", page_records.version(rows, shard=shard, snapshot=stored.path, digest=stored.digest))
    return candidates, stored


def test_a_published_model_comes_back_with_all_it_has_learnt(pipeline):
    """The newest of its shard, or the one that is named; champion or challenger; a copy that may be taught."""
    config, send = pipeline
    old, stored = published(config, send, 50)
    new, _ = published(config, send, 400)
    published(config, send, 3, shard=1)
    x = {"amount": 7.0}

    model = streams.load_model()
    assert model.predict_proba_one(x) == new.champion_model.predict_proba_one(x)
    assert streams.load_model(stored.path).predict_proba_one(x) == old.champion_model.predict_proba_one(x)
    assert type(streams.load_model(candidate="tree")).__name__ == "HoeffdingTreeClassifier"
    model.learn_one(x, False)
    assert streams.load_model().predict_proba_one(x) == new.champion_model.predict_proba_one(x)
    with pytest.raises(ConfigError, match="candidate must be one of"):
        streams.load_model(candidate="prior")
    with pytest.raises(StateError, match="nothing is published"):
        streams.load_model(shard=7)


def test_a_model_of_one_s_own_comes_back_in_a_process_that_has_not_built_it(pipeline, tmp_path):
    """Its module stands beside the file; a snapshot imports nothing by itself."""
    _, send = pipeline
    (tmp_path / "notebook_models.py").write_text(
        "from river import linear_model\n\n\nclass Mine(linear_model.LogisticRegression):\n    pass\n\n\n"
        "def make(_target, _kinds, _seed):\n    return Mine()\n"
    )
    path = tmp_path / "millrace.toml"
    path.write_text(path.read_text().replace('"logistic_regression"', '"notebook_models:make"'))
    sys.path.insert(0, str(tmp_path))
    try:
        published(load(path), send, 50)
    finally:
        sys.path.remove(str(tmp_path))
    code = "import streams; print(type(streams.load_model()).__module__)"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, timeout=120, check=False)

    assert done.stdout.strip() == "notebook_models", done.stderr


def test_a_snapshot_that_was_changed_is_not_read(pipeline):
    """A pickle is a program: neither one byte more, nor one of another key, nor a path out of the store."""
    config, send = pipeline
    _, stored = published(config, send, 20)
    file = config.path(Path(config.state.store)) / stored.path
    blob = bytearray(file.read_bytes())
    blob[-1] ^= 1
    file.write_bytes(blob)

    with pytest.raises(StateError, match="genuine"):
        streams.load_model()
    with pytest.raises(StateError, match="path must be"):
        streams.load_model("../../etc/passwd")


def test_a_rebuild_takes_back_what_was_published(pipeline):
    """After its tombstone versions count anew: an older life's highest is not the newest."""
    config, send = pipeline
    published(config, send, 400)
    send("models", None)
    again, _ = published(config, send, 20)

    x = {"amount": 7.0}
    assert streams.load_model().predict_proba_one(x) == again.champion_model.predict_proba_one(x)


def test_the_notebook_of_the_guide_runs(pipeline, capsys):
    """As it stands on the page."""
    config, send = pipeline
    send("alerts", page_records.alert())
    send("examples", example(0), example(1, label="yes"))
    published(config, send, 100)
    (block,) = [each for each in blocks(ROOT / "docs" / "observability.md", "python") if "streams.read" in each.text]
    capsys.readouterr()

    exec(compile(block.text, "observability.md", "exec"), {})

    assert capsys.readouterr().out.splitlines() == ["1 2 1", "True"]
