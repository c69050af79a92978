"""The AsyncAPI document: current, complete in itself, of the topics as they are made, without a secret."""

import json

import jsonschema
import pytest
from test_schemas import EXAMPLES

from streams.asyncapi import FILE, TOPICS, document, example, text, write
from streams.cli.main import run
from streams.config import Config
from streams.kafka.topics import topic_specs
from streams.messages import WIRE, encode

SHOP = document(example())


def resolved(told, reference):
    """What a reference names in its document."""
    place = told
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    return place


def references(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def config(**tables):
    return Config.model_validate(example().model_dump(by_alias=True, exclude={"root"}) | tables)


def test_the_file_is_current(tmp_path):
    """`python -m streams.schemas` writes it anew after a change of a message or a topic."""
    assert FILE.read_text(encoding="utf-8") == text(SHOP) == write(tmp_path / "x.json").read_text(encoding="utf-8")


def test_every_topic_is_a_channel_with_its_address_and_size():
    """As `topics create` makes them: none forgotten, none invented, none of another size."""
    specs = {spec.role: spec for spec in topic_specs(example())}

    assert set(SHOP["channels"]) == set(specs) == set(TOPICS)
    for role, spec in specs.items():
        channel = SHOP["channels"][role]
        binding = channel["bindings"]["kafka"]
        assert channel["address"] == binding["topic"] == spec.name
        assert (binding["partitions"], binding["replicas"]) == (spec.partitions, spec.replication)
        for key, value in binding["topicConfiguration"].items():
            assert spec.configs[key] == (value[0] if isinstance(value, list) else str(value))


def test_every_reference_leads_somewhere_in_the_document():
    """Of channels, operations, messages, and of the schemas in them, which once stood alone."""
    found = list(references(SHOP))

    assert len(found) > 30
    for reference in found:
        assert resolved(SHOP, reference)


@pytest.mark.parametrize("role", WIRE)
def test_what_is_on_the_wire_validates_against_its_message(role):
    """The same truth as docs/schemas, by way of this document's own references."""
    schema = SHOP["components"]["messages"][role]["payload"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    whole = {**schema, "components": SHOP["components"]}  # so that `#` is the document
    validator = jsonschema.Draft202012Validator(whole)

    if role in EXAMPLES:
        validator.validate(json.loads(encode(EXAMPLES[role])))
    assert not validator.is_valid({})


def test_who_sends_and_who_receives():
    """From the pipeline's side: what it is given, and what it gives."""
    actions = {name.partition("-")[2]: told["action"] for name, told in SHOP["operations"].items()}

    assert {role for role, action in actions.items() if action == "receive"} == {"features", "labels", "control"}
    assert all(told["action"] == name.partition("-")[0] for name, told in SHOP["operations"].items())


def test_a_topic_of_another_shape_is_not_described_as_ours():
    """A `[mapping]` says that the producer writes something else."""
    foreign = document(
        config(topics={"features": "orders"}, mapping={"features": {"id": "order.id", "features": "order"}})
    )

    assert foreign["channels"]["features"]["address"] == "orders"
    assert "properties" not in foreign["components"]["messages"]["features"]["payload"]["schema"]
    assert "properties" in foreign["components"]["messages"]["labels"]["payload"]["schema"]


def test_it_names_the_security_and_holds_no_secret():
    """A document is for giving away."""
    kafka = {
        "bootstrap": "kafka-1:9093,kafka-2:9093",
        "tls": {"ca": "ca.pem"},
        "sasl": {"username": "somebody", "password": "very-secret", "mechanism": "SCRAM-SHA-256"},
    }
    told = document(config(kafka=kafka, alerts={"webhook": {"url": "https://example.org/hook-secret"}}))

    assert told["servers"]["kafka"]["protocol"] == "kafka-secure"
    assert resolved(told, told["servers"]["kafka"]["security"][0]["$ref"]) == {"type": "scramSha256"}
    assert not any(word in text(told) for word in ("very-secret", "somebody", "hook-secret"))


def test_the_command_prints_a_pipeline_s_own(tmp_path, capsys):
    """Without a broker: it is made from the settings alone."""
    path = tmp_path / "millrace.toml"
    path.write_text(
        'name = "fraud"\n[target]\ntask = "regression"\n[features]\na = "numeric"\n'
        '[models.candidates.champion]\nmodel = "linear_regression"\n'
    )

    assert run(["topics", "asyncapi", "-c", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["channels"]["alerts"]["address"] == "fraud.alerts"
