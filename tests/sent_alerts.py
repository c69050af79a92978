"""Alerts on their topic as a monitor of another language might write them."""

from __future__ import annotations

import json

from kafka import KafkaProducer

EVIL = "evil \x1b]0;title\x07 [red]text[/red]\nnext \u202eline"


def alert(number, title="a feature has changed"):
    """One as the monitor sends it."""
    return {
        "id": f"i{number}/started/1",
        "incident": f"i{number}",
        "phase": "started",
        "severity": "warning",
        "title": title,
        "subjects": [{"subject": "feature:x", "source": "ks_distance", "value": 0.5, "threshold": 0.1}],
        "since_ms": 1_000,
        "cut": {"id": f"c{number}", "offsets": {}},
        "since": {},
        "hurt": {"verdict": "unknown", "words": "unknown: no labels yet", "examples_before": 0, "examples_since": 0},
        "false_alarms": "1 per 100000 events",
        "events": 0,
        "repeats": 0,
        "model": "champion",
        "version": 7,
        "report": f"i{number}/report.html",
    }


def send(bootstrap, topic, documents):
    """Records as a monitor of another language might write them; bytes go as they are."""
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for document in documents:
        value = document if isinstance(document, bytes) else json.dumps(document).encode()
        producer.send(topic, value=value, partition=0).get(timeout=20)
    producer.close()
