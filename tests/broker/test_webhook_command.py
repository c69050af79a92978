"""`millrace webhook` on a real Kafka: nobody is passed over, nobody is told much twice, whatever is killed."""

from __future__ import annotations

import json
import random
from urllib.request import urlopen

import page_records
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from observability_receiver import Receiver
from pipeline_process import Pipeline, until

from streams.cli.main import run
from streams.messages import encode

pytestmark = pytest.mark.broker


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def pipeline(broker, pipeline_name, tmp_path, receiver):
    """One that posts to the receiver, in quick tries."""
    webhook = {"url": f"{receiver.address}/hook-secret", "tries": 3, "wait_max": "1s", "timeout": "2s"}
    kafka = {"bootstrap": broker, "session_timeout": "2s"}
    with Pipeline(tmp_path, broker, pipeline_name, alerts={"webhook": webhook}, kafka=kafka) as made:
        yield made.create_topics()


def say(pipeline, *alerts):
    """As the monitor would."""
    producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap, acks="all")
    for alert in alerts:
        value = alert if isinstance(alert, bytes) else encode(alert)
        producer.send(pipeline.topic("alerts"), key=b"i", value=value, partition=0).get(timeout=20)
    producer.close()


def alert(number, **changed):
    return page_records.alert(incident=f"i{number}", **changed)


def posted(receiver):
    """Ids in the order of their posts."""
    return [json.loads(body)["id"] for _, _, body in receiver.got]


def start(pipeline, *arguments):
    process = pipeline.start("webhook", *arguments)
    process.wait_for("webhook_ready")
    return process


def begun(pipeline):
    """Running, and past its first start."""
    process = start(pipeline)
    process.wait_for("webhook_begins")
    return process


def test_it_begins_with_the_next_alert(pipeline, receiver):
    """A history of a year is not posted to whoever sets this up; from then on all is."""
    say(pipeline, alert(1))
    process = begun(pipeline)
    say(pipeline, alert(2), b"no alert", alert(3))
    until(lambda: len(receiver.got) == 2, 30, lambda: receiver.got)
    assert process.stop() == 0
    (path, headers, body), _ = receiver.got

    assert posted(receiver) == ["i2/started/1", "i3/started/1"]
    assert path == "/hook-secret"
    assert headers["Idempotency-Key"] == f"{pipeline.name}/i2/started/1"
    assert json.loads(body)["alert"]["title"] == "the loss has risen"
    assert "hook-secret" not in process.text()


def taken(receiver):
    """Ids of those that were answered by 200."""
    return [json.loads(body)["id"] for body in receiver.taken]


def of_incident(ids, incident):
    """In their order, each once."""
    return [each for each in dict.fromkeys(ids) if each.startswith(f"{incident}/")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_killed_at_any_time_it_passes_nobody_over_and_repeats_little(pipeline, receiver, seed):
    """Also between two tries. Repeated is what was on its way at a kill; every incident is told in its order."""
    rng = random.Random(seed)
    receiver.statuses = [rng.choice([200, 503]) for _ in range(200)]
    patient = ("--set", "alerts.webhook.tries=50")
    process, kills, said = start(pipeline, *patient), 4, []
    process.wait_for("webhook_begins")

    def say_one():
        said.append(page_records.alert(incident=f"i{rng.randrange(4)}", phase="escalated", count=len(said)))
        say(pipeline, said[-1])

    for _ in range(kills):
        for _ in range(rng.randrange(2, 6)):
            say_one()
        seen = len(receiver.got) + rng.randrange(1, 3)
        until(lambda seen=seen: len(receiver.got) >= seen, 30, "some tries")
        process.kill()
        say_one()
        process = start(pipeline, *patient)
    wanted = [each.id for each in said]
    until(lambda: set(taken(receiver)) == set(wanted), 60, lambda: f"seed {seed}: {set(wanted) - set(taken(receiver))}")
    assert process.stop() == 0

    for incident in {each.incident for each in said}:
        assert of_incident(taken(receiver), incident) == of_incident(wanted, incident), f"seed {seed}"
    assert len(taken(receiver)) <= len(wanted) + 4 * kills, f"seed {seed}: four incidents, four posts on their way"


@pytest.mark.slow
def test_an_alert_that_is_refused_for_long_holds_up_its_own_incident_only(pipeline, receiver):
    """Others are told meanwhile, and once, whatever is killed; the offset stays before what waits."""
    receiver.answer = lambda body: 503 if b'"i1/' in body else 200
    patient = ("--set", "alerts.webhook.tries=90")
    process = start(pipeline, *patient)
    process.wait_for("webhook_begins")
    say(pipeline, alert(1), alert(2), alert(1, phase="escalated"), alert(3), alert(2, phase="recovered"))
    until(lambda: set(taken(receiver)) == {"i2/started/1", "i3/started/1", "i2/recovered/1"}, 30, lambda: receiver.got)
    until(lambda: committed(pipeline) == (0, "1,3,4"), 30, lambda: committed(pipeline))
    process.kill()
    process = start(pipeline, *patient)
    tried = len(receiver.got)
    until(lambda: len(receiver.got) >= tried + 2, 30, lambda: receiver.got)
    assert "i1/escalated/1" not in posted(receiver)
    receiver.answer = None
    until(lambda: len(taken(receiver)) == 5, 30, lambda: taken(receiver))
    until(lambda: committed(pipeline) == (5, ""), 30, lambda: committed(pipeline))
    assert process.stop() == 0

    assert taken(receiver)[3:] == ["i1/started/1", "i1/escalated/1"]
    assert of_incident(taken(receiver), "i2") == ["i2/started/1", "i2/recovered/1"]


def committed(pipeline):
    """How far the group has come, and what it has noted beside it."""
    admin = KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)
    try:
        (found,) = admin.list_group_offsets(f"{pipeline.name}.webhook").values()
    finally:
        admin.close()
    return next(((each.offset, each.metadata) for each in found.values()), None)


@pytest.mark.slow
def test_what_the_monitor_says_twice_is_posted_once(pipeline, receiver):
    """After a crash of the monitor an alert comes again under its id; also when this process was new in between."""
    process = begun(pipeline)
    say(pipeline, alert(1), alert(1), alert(2))
    until(lambda: len(receiver.got) == 2, 30, lambda: receiver.got)
    assert process.stop() == 0
    process = start(pipeline)
    say(pipeline, alert(1), alert(2), alert(3))
    until(lambda: len(receiver.got) >= 3, 30, lambda: receiver.got)
    assert process.stop() == 0

    assert posted(receiver) == ["i1/started/1", "i2/started/1", "i3/started/1"]


@pytest.mark.slow
def test_what_was_said_again_while_nobody_listened_is_known(pipeline, receiver):
    """The rows that wait are at hand before the ids that were posted are read back: they wait for those."""
    process = begun(pipeline)
    say(pipeline, *map(alert, range(3)))
    until(lambda: len(receiver.got) == 3, 30, lambda: receiver.got)
    assert process.stop() == 0
    say(pipeline, *map(alert, range(4)))
    for number in range(4, 8):
        process = start(pipeline)
        until(lambda number=number: len(receiver.got) >= number, 30, lambda: receiver.got)
        assert process.stop() == 0
        say(pipeline, *map(alert, range(number + 1)))

    assert posted(receiver) == [alert(number).id for number in range(7)]


def letters(pipeline):
    consumer = KafkaConsumer(
        pipeline.topic("dead-letters"),
        bootstrap_servers=pipeline.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=4_000,
    )
    found = list(consumer)
    consumer.close()
    return found


def test_after_the_last_try_it_is_a_dead_letter_and_the_next_one_s_turn(pipeline, receiver, capsys):
    """With the record, its place and the reason, and nothing of the address; `verify` knows where it comes from."""
    receiver.answer = lambda body: 503 if b'"i1/' in body else 422 if b'"i2/' in body else 200
    process = start(pipeline, "--metrics-port", "0")
    process.wait_for("webhook_begins")
    say(pipeline, alert(1), alert(2), alert(3))
    until(lambda: len(receiver.got) == 5, 40, lambda: receiver.got)
    until(lambda: committed(pipeline) == (3, ""), 30, lambda: committed(pipeline))
    address = process.wait_for("metrics_ready")["address"]
    with urlopen(address) as answer:
        figures = answer.read().decode()
    assert process.stop() == 0
    assert sorted(posted(receiver)) == [f"i{number}/started/1" for number in (1, 1, 1, 2, 3)]
    counted = f'{{pipeline="{pipeline.name}",reason="webhook",topic="{pipeline.topic("alerts")}"}} 2.0'
    assert f"millrace_dead_letters_total{counted}" in figures
    found = sorted(letters(pipeline), key=lambda record: record.key)
    headers = [dict(record.headers) for record in found]

    assert [record.key.decode() for record in found] == [f"{pipeline.topic('alerts')}/0/{n}" for n in (0, 1)]
    assert found[0].value == encode(alert(1))
    assert [each["reason"] for each in headers] == [b"webhook: HTTP 503 at try 3", b"webhook: HTTP 422 at try 1"]
    assert not any(b"hook-secret" in value for each in headers for value in each.values())
    assert "hook-secret" not in process.text()
    capsys.readouterr()
    run(["verify", "--json", "-c", str(pipeline.config)])
    assert "names no place in an input" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_second_one_stands_by_and_takes_over(pipeline, receiver):
    """One post for each alert while both run, none missing when the first is gone."""
    first = begun(pipeline)
    second = start(pipeline)
    say(pipeline, *map(alert, range(5)))
    until(lambda: len(receiver.got) >= 5, 30, lambda: receiver.got)
    first.kill()
    second.kill()
    third = start(pipeline)
    say(pipeline, alert(9))
    until(lambda: "i9/started/1" in posted(receiver), 40, lambda: receiver.got)
    assert third.stop() == 0

    assert set(posted(receiver)) == {alert(number).id for number in (*range(5), 9)}
    assert len(receiver.got) <= 8


def test_whoever_is_not_named_is_not_told(broker, pipeline_name, tmp_path, capsys):
    """Off by default, and it says what to set."""
    with Pipeline(tmp_path, broker, pipeline_name) as pipeline:
        assert run(["webhook", "-c", str(pipeline.config)]) == 1
    assert "alerts.webhook must be set" in capsys.readouterr().err
