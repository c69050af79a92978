"""The texts below a class's fields, read from its module's source: one place to say what a field means."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType


def attribute_docs(module: ModuleType) -> dict[tuple[str, str], str]:
    """(Class, field) → the text below the field, as one line.

    >>> from streams import messages
    >>> attribute_docs(messages)["Example", "label_before"]
    'Of a correction: the label that was learnt.'
    """
    docs: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if named and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                docs[node.name, field.target.id] = " ".join(str(below.value.value).split())  # type: ignore[attr-defined]
    return docs
