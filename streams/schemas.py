"""JSON Schemas of every record on a topic, made from the message classes: what other languages code against.

`python -m streams.schemas` writes them to docs/schemas, and docs/asyncapi.json; tests hold that they are current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from streams import messages
from streams.attribute_docs import attribute_docs
from streams.messages import WIRE

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """Topic role → schema, each complete in itself.

    >>> schemas()["labels"]["required"]
    ['id', 'label']
    """
    docs = attribute_docs(messages)
    found: dict[str, dict[str, Any]] = {}
    for role, struct in WIRE.items():
        (own,), components = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
        for name, component in components.items():
            for field, schema in component.get("properties", {}).items():
                if (name, field) in docs:
                    schema["description"] = docs[name, field]
            if "description" in component:
                component["description"] = " ".join(component["description"].split())
        root = components.pop(own["$ref"].rpartition("/")[2])
        found[role] = {"$schema": DIALECT, **root} | ({"$defs": components} if components else {})
    return found


def text(schema: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write one file for each topic; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for role, schema in schemas().items():
        path = folder / f"{role}.json"
        path.write_text(text(schema), encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    from streams.asyncapi import write as write_asyncapi

    sys.stdout.writelines(f"{path}\n" for path in [*write(), write_asyncapi()])
