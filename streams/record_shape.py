"""The shape of records that are on a topic already: millrace's own, or another with the paths to our fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.infer import feature_name

Document = Mapping[str, Any]


def native_events(documents: Sequence[Document]) -> bool:
    """Whether these are events as millrace's own schema has them."""
    return _mostly(documents, lambda document: isinstance(document.get("features"), dict) and "id" in document)


def native_labels(documents: Sequence[Document]) -> bool:
    """Whether these are labels as millrace's own schema has them."""
    return _mostly(documents, lambda document: "label" in document and "id" in document)


def flat(document: Document, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(Dotted path, value) of everything in the document; a key with a dot in it cannot be named and is left out.

    >>> list(flat({"order": {"id": 7, "total": 9.5}, "a.b": 1, "tags": []}))
    [('order.id', 7), ('order.total', 9.5), ('tags', [])]
    """
    for key, value in document.items():
        if not key or "." in key:
            continue
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Feature name → path: the last part of the path where no other has it, else all of it.

    >>> short_names(["order.total", "buyer.country", "seller.country"])
    {'total': 'order.total', 'buyer.country': 'buyer.country', 'seller.country': 'seller.country'}
    """
    paths = list(paths)
    last = Counter(feature_name(path.rpartition(".")[2]) for path in paths)
    names: dict[str, str] = {}
    for path in paths:
        short = feature_name(path.rpartition(".")[2])
        names[short if last[short] == 1 else feature_name(path)] = path
    return names


@dataclass(frozen=True, slots=True)
class Sample:
    """Records of a topic, as far as they are JSON objects."""

    documents: Sequence[Document]
    unreadable: int
    """Records that are no JSON objects."""
    partitions: int


def _mostly(documents: Sequence[Document], holds: Callable[[Document], bool]) -> bool:
    return 2 * sum(map(holds, documents)) > len(documents)
