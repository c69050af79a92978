"""The demo's pipeline: a millrace.toml like any other, with windows that fit the number of rows."""

from __future__ import annotations

from typing import Any

import tomlkit

from streams.demo.data import DemoData

DELAY_ROWS = 500
"""A label comes so many events after its own."""
_CHAMPION = {"binary": "logistic_regression", "multiclass": "logistic_regression", "regression": "linear_regression"}


def demo_config(data: DemoData) -> str:
    """The text of its millrace.toml."""
    rows = len(data.rows)
    window = max(100, min(1_000, rows // 20))
    target: dict[str, Any] = {"task": data.target.kind}
    if data.target.labels:
        target["labels"] = list(data.target.labels)
    if data.target.positive is not None:
        target["positive"] = data.target.positive
    document = tomlkit.document()
    document.add(tomlkit.comment("The demo's pipeline. `millrace init` writes one for your own data."))
    tables = {
        "name": "demo",
        "kafka": {"bootstrap": "local", "local_folder": "kafka"},
        "target": target,
        "features": dict(data.kinds),
        "labels": {"wait": "1h"},
        "models": {
            "champion": "linear",
            "candidates": {"linear": {"model": _CHAMPION[data.target.kind]}, "tree": {"model": "hoeffding_tree"}},
        },
        "drift": {
            "reference": {"rows": min(5_000, max(200, rows // 10))},
            "window_rows": window,
            "slide_rows": max(20, window // 5),
            "rows_min": min(200, window),
            "rebase_after_rows": 15 * max(20, window // 5),
        },
        "state": {"store": "state", "key_file": "state.key"},
        "reports": {"folder": "reports"},
    }
    for key, value in tables.items():
        document.add(key, tomlkit.item(value))
    return tomlkit.dumps(document)
