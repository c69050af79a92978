"""`millrace produce` and `init --from TOPIC` against the real Kafka."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.cli.main import run
from streams.config_file import load
from streams.stages.decoding import Decoding

pytestmark = pytest.mark.broker
ROWS = 500


@pytest.fixture
def shop(broker, pipeline_name, tmp_path, monkeypatch):
    """A folder with a config, its topics and a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLRACE_CONFIG", raising=False)
    monkeypatch.delenv("MILLRACE_DEBUG", raising=False)
    lines = [f"o{n},{n}.5,{'NL' if n % 3 else 'DE'},{n % 9 // 8}\n" for n in range(ROWS)]
    (tmp_path / "events.csv").write_text("order,amount,country,fraud\n" + "".join(lines))
    words = [
        "--from",
        "events.csv",
        "--label",
        "fraud",
        "--id",
        "order",
        "--name",
        pipeline_name,
        "--bootstrap",
        broker,
    ]
    assert run(["init", *words]) == 0
    assert run(["topics", "create"]) == 0
    return load(tmp_path / "millrace.toml")


def records(config, role) -> dict[bytes, tuple[int, dict]]:
    """Key → (partition, value) of everything on the topic."""
    topic = config.topic(role)
    consumer = KafkaConsumer(bootstrap_servers=config.kafka.bootstrap, auto_offset_reset="earliest")
    places = [TopicPartition(topic, number) for number in range(config.topics.partitions)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    found = []
    deadline = time.monotonic() + 30
    while any(consumer.position(place) < ends[place] for place in places) and time.monotonic() < deadline:
        for batch in consumer.poll(timeout_ms=500).values():
            found += [(record.key, (record.partition, json.loads(record.value))) for record in batch]
    consumer.close()
    assert len(dict(found)) == len(found)
    return dict(found)


def summary(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_events_and_labels_of_one_file_arrive_on_the_same_partitions(shop, capsys):
    """Every row once on each side, values typed, partitions equal by key; the summary counts what was acknowledged."""
    capsys.readouterr()
    words = ["events.csv", "--label", "fraud", "--id", "order", "--label-delay", "100 rows", "--json"]
    assert run(["produce", "events", *words]) == 0
    told = summary(capsys)
    events, labels = records(shop, "features"), records(shop, "labels")

    assert told["sent"] == {shop.topic("features"): ROWS, shop.topic("labels"): ROWS}
    assert len(events) == len(labels) == ROWS
    assert {key: at for key, (at, _) in events.items()} == {key: at for key, (at, _) in labels.items()}
    assert len({at for at, _ in events.values()}) == shop.topics.partitions
    assert events[b"o7"][1]["features"] == {"amount": 7.5, "country": "NL"}
    assert labels[b"o8"][1]["label"] == 1
    counted = sum(last - first + 1 for first, last in told["offsets"].values())
    assert counted == 2 * ROWS


def test_a_bad_row_ends_the_run_with_its_line_and_keeps_what_was_sent_or_is_counted(shop, capsys):
    """By default nothing after it is sent; with --skip-bad all the others are."""
    path = Path("events.csv")
    lines = path.read_text().splitlines()
    lines[100] = lines[100].replace(".5,", ".x,")
    path.write_text("\n".join(lines))
    capsys.readouterr()

    assert run(["produce", "features", "events.csv", "--id", "order", "--json"]) == 1
    told = capsys.readouterr()
    assert "events.csv, line 101: amount must be a number" in told.err
    assert json.loads(told.out)["sent"] == {shop.topic("features"): 99}

    assert run(["produce", "labels", "events.csv", "--id", "order", "--label", "fraud", "--skip-bad", "--json"]) == 0
    assert summary(capsys)["bad_rows"] == 0  # a label does not care for the amount
    assert run(["produce", "features", "events.csv", "--id-prefix", "again", "--skip-bad", "--json"]) == 0
    assert summary(capsys)["bad_rows"] == 1
    assert len(records(shop, "features")) == 99 + ROWS - 1


def test_standard_input_limit_and_rate(shop):
    """A stream that goes on: five rows of it, over half a second, and the rest is left unread."""
    script = 'import sys\nfor n in range(10**9): print(\'{"id": "s%d", "amount": %d}\' % (n, n), flush=True)'
    feed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    words = ["-", "--format", "jsonl", "--limit", "5", "--rate", "10", "--json"]
    command = [sys.executable, "-c", "from streams.cli.main import main; main()"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [*command, "produce", "features", *words],
        stdin=feed.stdout,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    feed.stdout.close()
    feed.kill()
    feed.wait()

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["sent"] == {shop.topic("features"): 5}
    assert told["seconds"] >= 0.4
    assert set(records(shop, "features")) == {b"s0", b"s1", b"s2", b"s3", b"s4"}


def test_an_interruption_flushes_and_tells_what_arrived(shop):
    """Ctrl-C: exit code 130, and the count is what is really there."""
    command = [sys.executable, "-c", "from streams.cli.main import main; main()"]
    words = ["produce", "features", "events.csv", "--id", "order", "--rate", "20", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = subprocess.Popen(
        [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 30
    while not records(shop, "features") and time.monotonic() < deadline:
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)

    assert running.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert json.loads(out)["sent"] == {shop.topic("features"): len(records(shop, "features"))}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["features", "events.csv", "--set", "name=no-such-pipeline"], "millrace topics create"),
        (["events", "events.csv"], "--label must name the column"),
        (["events", "events.csv", "--label", "fraud", "--label-delay", "soon"], "--label-delay must be rows"),
        (["features", "events.csv", "--rate", "0"], "--rate must be"),
        (["features", "millrace.toml"], "must end in"),
        (["features", "events.csv", "--format", "parquet"], "not a Parquet file"),
        (["labels", "events.csv", "--label", "country"], "country must be one of 0, 1, got 'DE'"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_what_cannot_be_sent_is_one_line(capsys, words, said):
    """Exit code 1 within seconds, nothing sent."""
    capsys.readouterr()
    assert run(["produce", *words]) == 1
    told = capsys.readouterr()
    assert said in told.err.splitlines()[-1]


def test_other_partitions_than_the_config_s_are_warned_of(shop, capsys):
    """Then a key does not hash to where the worker expects it."""
    words = ["events.csv", "--id", "order", "--limit", "1", "--set", f"topics.partitions={shop.topics.partitions + 1}"]

    assert run(["produce", "features", *words]) == 0
    assert "topics check" in capsys.readouterr().err


def test_a_config_is_inferred_from_topics_that_are_there(shop, capsys, tmp_path, monkeypatch):
    """Our own shape: kinds from JSON, labels from their topic, the very names and partitions."""
    run(["produce", "events", "events.csv", "--label", "fraud", "--id", "order"])
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    words = [
        "--from",
        shop.topic("features"),
        "--labels-from",
        shop.topic("labels"),
        "--bootstrap",
        shop.kafka.bootstrap,
    ]

    assert run(["init", *words, "--name", "other"]) == 0
    found = load(Path("millrace.toml"))

    assert found.features == shop.features
    assert found.target == shop.target
    assert found.topic("features") == shop.topic("features")
    assert found.topics.partitions == shop.topics.partitions
    assert capsys.readouterr().err


def test_a_foreign_shape_becomes_a_mapping_that_the_worker_reads(shop, tmp_path, monkeypatch):
    """What `produce` writes by a mapping, `init` finds again, and every record decodes by what it found."""
    mapping = {
        "mapping.features.id": "order.id",
        "mapping.features.features": '{amount = "order.total", country = "buyer.country"}',
        "mapping.labels.id": "ref_id",
        "mapping.labels.label": "chargeback",
    }
    words = [word for key, value in mapping.items() for word in ("--set", f"{key}={value}")]
    assert run(["produce", "events", "events.csv", "--label", "fraud", "--id", "order", *words]) == 0
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    topics = [
        "--from",
        shop.topic("features"),
        "--labels-from",
        shop.topic("labels"),
        "--bootstrap",
        shop.kafka.bootstrap,
    ]

    assert run(["init", *topics, "--name", "other", "--label", "chargeback"]) == 0
    found = load(Path("millrace.toml"))
    decoding = Decoding(found)

    assert found.mapping.features.id == "order.id"
    assert found.mapping.features.features == {"total": "order.total", "country": "buyer.country"}
    assert (found.mapping.labels.id, found.mapping.labels.label) == ("ref_id", "chargeback")
    for key, (_, document) in records(shop, "features").items():
        assert decoding.event(key, json.dumps(document).encode()).missing == 0
    for key, (_, document) in records(shop, "labels").items():
        assert decoding.label(key, json.dumps(document).encode()).label in {0, 1}
