"""docs/producing.md: its Python runs, and its records are what the worker reads."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.cli.main import run
from streams.config import Config
from streams.config_file import load
from streams.schemas import schemas
from streams.stages.decoding import Decoding

GUIDE = (Path(__file__).parents[1] / "docs" / "producing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{re.escape(language)}\n(.*?)^```$", GUIDE)


@pytest.mark.broker
def test_the_kafka_python_snippets_send_what_the_worker_reads(broker, pipeline_name, tmp_path, monkeypatch):
    """Copied as they stand, against a real Kafka; event and label of one key on one partition."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLRACE_CONFIG", raising=False)
    assert run(["init", "--name", pipeline_name, "--bootstrap", broker]) == 0
    assert run(["topics", "create"]) == 0
    config = load(tmp_path / "millrace.toml")
    snippets = blocks("python")
    assert len(snippets) == 2
    for snippet in snippets:
        names = {"BOOTSTRAP": broker, "PIPELINE": pipeline_name}
        exec(compile(snippet, "producing.md", "exec"), names)
        names["producer"].close()

    decoding, schema = Decoding(config), schemas()
    found = {}
    for role, decode in (("features", decoding.event), ("labels", decoding.label)):
        consumer = KafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
        places = [TopicPartition(config.topic(role), number) for number in range(config.topics.partitions)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < ends[place] for place in places):
            for batch in consumer.poll(timeout_ms=500).values():
                for record in batch:
                    decode(record.key, record.value)
                    jsonschema.validate(json.loads(record.value), schema[role])
                    found[role, record.key] = record.partition
        consumer.close()
    assert set(found) == {("features", b"o-17"), ("features", b"o-18"), ("labels", b"o-17")}
    assert found["features", b"o-17"] == found["labels", b"o-17"]


def test_every_other_snippet_is_at_least_well_formed():
    """Python compiles, TOML is a mapping, JSON in kcat's lines validates, and murmur2 is set wherever it must be."""
    for snippet in blocks("python notest"):
        compile(snippet, "producing.md", "exec")
        assert '"partitioner": "murmur2_random"' in snippet
    kcat = [block for block in blocks("sh") if "kcat" in block]
    for block in kcat:
        assert block.count("kcat -P") == block.count("topic.partitioner=murmur2_random")
    for block in kcat:
        for line in re.findall(r"echo '([^|]+)\|(.*)' \|$", block, re.MULTILINE):
            document = json.loads(line[1])
            assert document["id"] == line[0]
            jsonschema.validate(document, schemas()["labels" if "label" in document else "features"])


def test_the_mapping_of_the_guide_is_one(tmp_path):
    """The TOML as it stands, with a name, features and a model beside it."""
    (mapping,) = blocks("toml")
    path = tmp_path / "millrace.toml"
    path.write_text(
        'name = "shop"\n' + mapping + '\n[features]\namount = "numeric"\ncountry = "categorical"\n'
        '[target]\ntask = "binary"\nlabels = [0, 1]\npositive = 1\n'
        '[models.candidates.champion]\nmodel = "gaussian_nb"\n'
    )
    config = load(path)

    assert isinstance(config, Config)
    assert config.mapping.features.features == {"amount": "order.total", "country": "buyer.country"}
