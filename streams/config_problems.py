"""What is wrong with a configuration, in its reader's words: `<dotted path> must be …`, one line for each problem."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr, ValidationError

from streams.config import Config
from streams.setting import Section

Problem = tuple[str, str]
"""Dotted path and what is wrong there; the path is empty where the text names its own."""

MISSING = "must be set"
_TYPES = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "path_type": "a text",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "tuple_type": "an array",
    "list_type": "an array",
    "datetime_type": "a time",
    "datetime_parsing": "a time such as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "a time such as 2026-01-31T12:00:00Z",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "greater than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def unknown_settings(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Every key that is no setting, with the nearest one that is."""
    everywhere = dict(_settings(Config, ""))
    for path, siblings in _unknown(Config, tree, ""):
        yield path, _unknown_text(path, siblings, everywhere)


def problems_of(error: ValidationError, tree: Mapping[str, Any], concealed: frozenset[str]) -> list[Problem]:
    """Pydantic's errors, one for each path; `concealed` are paths whose value must not be shown."""
    by_path: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "extra_forbidden":  # told by unknown_settings, with a suggestion
            continue
        path = ".".join(_place(detail["loc"], tree))
        hidden = any(path == one or path.startswith(f"{one}.") for one in concealed) or is_secret(path)
        by_path.setdefault(path, []).append((detail, "a value not shown" if hidden else _shown(detail["input"])))
    return [_problem(path, details) for path, details in by_path.items()]


def is_secret(path: str) -> bool:
    """Whether the setting at a dotted path holds a secret."""
    section: type[Section] | None = Config
    annotation: Any = None
    for key in path.split("."):
        if section is None:
            return False
        annotation = _keys(section).get(key)
        section = section_of(annotation)
    return SecretStr in {annotation, *get_args(annotation)}


def section_of(annotation: Any) -> type[Section] | None:  # noqa: ANN401 - whatever stands in an annotation
    """The table a setting's type asks for; None for a plain value and for a table of free keys."""
    options = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    return next((option for option in options if isinstance(option, type) and issubclass(option, Section)), None)


def _keys(section: type[Section]) -> dict[str, Any]:
    """Keys of the file and their types."""
    return {info.alias or name: info.annotation for name, info in section.model_fields.items() if not info.exclude}


def _settings(section: type[Section], prefix: str) -> Iterator[tuple[str, str]]:
    """(Dotted path, key) of every setting that has a fixed place."""
    for key, annotation in _keys(section).items():
        yield f"{prefix}{key}", key
        inner = section_of(annotation)
        if inner is not None:
            yield from _settings(inner, f"{prefix}{key}.")


def _unknown(section: type[Section], tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, list[str]]]:
    """(Dotted path, the keys that its table knows) of every key that is no setting."""
    keys = _keys(section)
    for key, value in tree.items():
        if key not in keys:
            yield f"{prefix}{key}", list(keys)
        elif isinstance(value, dict):
            inner = section_of(keys[key])
            if inner is not None:
                yield from _unknown(inner, value, f"{prefix}{key}.")
            elif get_origin(keys[key]) is dict:
                each = section_of(get_args(keys[key])[1])
                for name, one in value.items():
                    if each is not None and isinstance(one, dict):
                        yield from _unknown(each, one, f"{prefix}{key}.{name}.")


def _unknown_text(path: str, siblings: Sequence[str], everywhere: Mapping[str, str]) -> str:
    table, _, key = path.rpartition(".")
    near = difflib.get_close_matches(key, siblings, n=1, cutoff=0.7)
    if near:
        return f"is not a setting; did you mean {f'{table}.' if table else ''}{near[0]}?"
    wanted = difflib.get_close_matches(key, everywhere.values(), n=1, cutoff=0.8)  # the right key in the wrong table
    if wanted:
        return f"is not a setting; did you mean {next(one for one in everywhere if everywhere[one] == wanted[0])}?"
    return f"is not a setting; {f'[{table}] has' if table else 'there are'} {', '.join(siblings)}"


def _place(loc: Sequence[int | str], tree: Mapping[str, Any]) -> list[str]:
    """The location without the names that pydantic gives to the members of a union."""
    place: list[str] = []
    here: Any = tree
    for position, part in enumerate(loc):
        if part in here if isinstance(here, Mapping) else isinstance(here, list) and part in range(len(here)):
            here = here[part]
        elif not (isinstance(here, Mapping) and position == len(loc) - 1):  # of a missing key the last part is its name
            continue
        place.append(str(part))
    return place


def _problem(path: str, details: Iterable[tuple[Mapping[str, Any], str]]) -> Problem:
    options: list[str] = []
    got = ""
    for detail, value in details:
        kind, context = detail["type"], detail.get("ctx", {})
        if kind == "missing":
            return path, MISSING
        if kind == "value_error":
            return _own_words(path, str(context["error"]), value)
        if kind == "literal_error":
            options.append(context["expected"].replace("'", '"'))
        elif kind in _BOUNDS:
            name, words = _BOUNDS[kind]
            options.append(f"{words} {context[name]:,}")
        elif kind == "too_short":
            options.append("at least one" if context["min_length"] == 1 else f"at least {context['min_length']}")
        else:
            options.append(_TYPES.get(kind, detail["msg"].lower()))
        got = value if kind != "too_short" else str(context.get("actual_length") or "none")
    expected = " or ".join(dict.fromkeys(options))
    near = _nearest(expected, got)
    return path, f"must be {expected}, got {got}{near}"


def _own_words(path: str, text: str, shown: str) -> Problem:
    """A validator's message: it begins with `must`, or with the part of the section it is about."""
    if shown == "a value not shown":
        text = re.sub(r", got .*", f", got {shown}", text)
    first = text.split(" ", 1)[0]
    if first in {"must", "could"} or not path:
        return path, text
    section = path.rpartition(".")[2]
    if first.startswith((f"{path}.", f"{section}.")) or first == section:
        return "", text
    return "", f"{path}.{text}"


def _nearest(expected: str, got: str) -> str:
    near = difflib.get_close_matches(got.strip("'\""), re.findall(r'"([^"]+)"', expected), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "an array"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004
