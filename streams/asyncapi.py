"""The topics as an AsyncAPI 3.0 document: who sends what where, under which key, and the schema of each record.

`python -m streams.schemas` writes docs/asyncapi.json, too: that of a pipeline called `shop` at the defaults; a test
holds it current. `millrace topics asyncapi` prints a pipeline's own. Made from the classes that the schemas are from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from streams.config import Config, EventMapping, LabelMapping
from streams.kafka.topics import TopicSpec, topic_specs
from streams.schemas import DIALECT, schemas

FILE = Path(__file__).parents[1] / "docs" / "asyncapi.json"
BINDING = "0.5.0"
_SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"


class About(NamedTuple):
    """What a topic is for; the words beside the schema."""

    action: str
    """Of the pipeline: it sends or receives."""
    by: str
    """The process that does."""
    title: str
    summary: str
    key: str


TOPICS: Mapping[str, About] = {
    "features": About(
        "receive", "worker", "Event", "What was seen, before anybody knows the answer.", "the producer's"
    ),
    "labels": About("receive", "worker", "Label", "The answer to an event.", "the same as its event's"),
    "predictions": About("send", "worker", "Prediction", "An event as it was scored.", "as its event's"),
    "examples": About(
        "send", "worker", "Example", "A prediction that met its label, or a correction.", "as its event's"
    ),
    "models": About(
        "send", "worker", "Model version", "A published version of a shard's candidates.", "<name>/<shard>"
    ),
    "metrics": About("send", "monitor", "Window", "One evaluated window.", "the window's id"),
    "alerts": About("send", "monitor", "Alert", "One phase of one incident.", "the incident"),
    "retrain": About("send", "monitor", "Retrain request", "Fit a model anew, and on what.", "the model"),
    "control": About(
        "receive",
        "monitor",
        "Instruction",
        "What a person asks: acknowledge, close, silence, rebase.",
        "the incident, or none",
    ),
    "dead-letters": About(
        "send",
        "worker",
        "Dead letter",
        "A record that could not be read, or an alert that nobody took: its bytes as they came.",
        "topic/partition/offset",
    ),
}
_LETTER_HEADERS = {
    "type": "object",
    "required": ["reason", "topic", "partition", "offset", "timestamp", "size"],
    "properties": {
        "reason": {"type": "string", "description": "Why, with paths and never a value."},
        "topic": {"type": "string", "description": "Where it came from, with the next two."},
        "partition": {"type": "string"},
        "offset": {"type": "string"},
        "timestamp": {"type": "string", "description": "Record time in ms."},
        "size": {"type": "string", "description": "Bytes it had; more than the value if that was cut."},
        "key": {"type": "string", "description": "Of the record; its first 1,024 bytes."},
        "tombstone": {"type": "string", "description": "`true` for a record without a value."},
        "sha256": {"type": "string", "description": "Of a value that was cut."},
    },
}


def document(config: Config) -> dict[str, Any]:
    """The pipeline's, as plain data."""
    specs = topic_specs(config)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"millrace pipeline {config.name}",
            "version": version("millrace"),
            "description": "Events and labels in; predictions, examples, drift and alerts out. Readers ignore fields "
            "they do not know; `v` in a record changes when a field changes its meaning.",
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _server(config)},
        "channels": {spec.role: _channel(spec) for spec in specs},
        "operations": {f"{TOPICS[spec.role].action}-{spec.role}": _operation(config, spec) for spec in specs},
        "components": {
            "messages": {spec.role: _message(config, spec.role) for spec in specs},
            **({"securitySchemes": {"sasl": _security(config)}} if config.kafka.sasl is not None else {}),
        },
    }


def _server(config: Config) -> dict[str, Any]:
    bootstrap = config.kafka.bootstrap.strip()
    told: dict[str, Any] = {
        "host": "localhost:9092" if bootstrap == "local" else bootstrap,
        "protocol": "kafka" if config.kafka.tls is None else "kafka-secure",
    }
    if config.kafka.sasl is not None:
        told["security"] = [{"$ref": "#/components/securitySchemes/sasl"}]
    return told


def _security(config: Config) -> dict[str, str]:
    assert config.kafka.sasl is not None
    kinds = {"PLAIN": "plain", "SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512"}
    return {"type": kinds[config.kafka.sasl.mechanism]}


def _channel(spec: TopicSpec) -> dict[str, Any]:
    numbers = {key: int(spec.configs[key]) for key in ("retention.ms", "max.message.bytes") if key in spec.configs}
    return {
        "address": spec.name,
        "title": spec.role,
        "description": TOPICS[spec.role].summary,
        "messages": {spec.role: {"$ref": f"#/components/messages/{spec.role}"}},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "replicas": spec.replication,
                "topicConfiguration": {"cleanup.policy": [spec.configs.get("cleanup.policy", "delete")], **numbers},
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(config: Config, spec: TopicSpec) -> dict[str, Any]:
    about = TOPICS[spec.role]
    told: dict[str, Any] = {
        "action": about.action,
        "channel": {"$ref": f"#/channels/{spec.role}"},
        "summary": f"The {about.by} {'writes' if about.action == 'send' else 'reads'} it.",
        "messages": [{"$ref": f"#/channels/{spec.role}/messages/{spec.role}"}],
    }
    if about.action == "receive":
        group = {"type": "string", "enum": [f"{config.name}.{about.by}"]}
        told["bindings"] = {"kafka": {"groupId": group, "bindingVersion": BINDING}}
    return told


def _message(config: Config, role: str) -> dict[str, Any]:
    about = TOPICS[role]
    told: dict[str, Any] = {
        "name": role,
        "title": about.title,
        "summary": about.summary,
        "contentType": "application/json",
        "bindings": {
            "kafka": {"key": {"type": "string", "description": f"Key: {about.key}."}, "bindingVersion": BINDING}
        },
    }
    if role == "dead-letters":
        return {**told, "contentType": "application/octet-stream", "headers": _LETTER_HEADERS}
    return {**told, "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": _schema(config, role)}}


def _schema(config: Config, role: str) -> dict[str, Any]:
    """Ours, with its references where they are in this document; a foreign topic's shape is its owner's affair."""
    foreign = {
        "features": config.mapping.features != EventMapping(),
        "labels": config.mapping.labels != LabelMapping(),
    }
    if foreign.get(role, False):
        words = f"Yours: [mapping.{role}] says where in it our fields are."
        return {"$schema": DIALECT, "type": "object", "description": words}
    text = json.dumps(schemas()[role])
    place = f"#/components/messages/{role}/payload/schema/$defs/"
    found: dict[str, Any] = json.loads(text.replace('"#/$defs/', f'"{place}'))
    return found


def text(told: Mapping[str, Any]) -> str:
    """As it stands in its file."""
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def example() -> Config:
    """The pipeline of docs/asyncapi.json."""
    return Config.model_validate(
        {
            "name": "shop",
            "target": {"task": "binary", "labels": [0, 1], "positive": 1},
            "features": {"amount": "numeric"},
            "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
        }
    )


def write(file: Path = FILE) -> Path:
    """Write the example's; gives its path."""
    file.write_text(text(document(example())), encoding="utf-8")
    return file
