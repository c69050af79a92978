"""Hundreds of generated bad records among good traffic: each a dead letter with its bytes, nothing else notices."""

from __future__ import annotations

import time

import pytest
from kafka import KafkaProducer
from pipeline_poison import EVENTS, LABELS, corpus
from pipeline_process import PATIENCE_S
from pipeline_records import read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

EACH = 300
KEPT_BYTES = 262_144
"""Of a record that is larger than `input.event_bytes_max`."""


def test_a_poison_corpus_is_laid_aside_though_the_worker_is_killed(story):
    """Events and labels that Hypothesis made, at random moments; a kill tells a letter twice, never otherwise."""
    with story() as told:
        told.begin("worker", "monitor")
        bad = [("features", value) for value in corpus(EVENTS, told.seed, EACH)]
        bad += [("labels", value) for value in corpus(LABELS, told.seed, EACH)]
        told.chance.shuffle(bad)
        producer = KafkaProducer(bootstrap_servers=told.pipeline.bootstrap, acks="all", max_request_size=4 << 20)
        places = {}
        for number, (role, value) in enumerate(bad):
            sent = producer.send(told.pipeline.topic(role), key=b"%d" % number, value=value).get(PATIENCE_S)
            places[f"{sent.topic}/{sent.partition}/{sent.offset}"] = number, value
            time.sleep(told.chance.uniform(0, 0.03))
            if number in {len(bad) // 3, 2 * len(bad) // 3}:
                told.kill("worker")
                told.start("worker")
        producer.close(timeout=5)
        told.ready("worker", count=2)
        told.grows("examples")
        told.audit(dead=places)
        letters = read_topic(told.pipeline.bootstrap, told.pipeline.topic("dead-letters"))

    assert {letter.key.decode() for letter in letters} == places.keys()
    for letter in letters:
        number, value = places[letter.key.decode()]
        assert letter.value == (value or b"")[:KEPT_BYTES]
        assert letter.headers["key"] == b"%d" % number
        assert letter.headers["reason"].startswith((b"$", b"the record"))
