"""Writing a commented millrace.toml: what must be said is set, everything else stands there as its default.

Texts and defaults come from the config classes. A line `# …` is prose, a line `#key = value` a setting that only
needs its `#` removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

import tomlkit
from pydantic.fields import FieldInfo

from learners.features import FeatureKind
from learners.target import Label, TargetKind
from streams import config as config_module
from streams import config_drift, config_observing
from streams.attribute_docs import attribute_docs
from streams.config import Config
from streams.config_problems import section_of
from streams.setting import Section

_FIRST = ("target", "features", "models", "kafka", "topics")
"""The tables that people change, before the others."""
_CHAMPION: Mapping[TargetKind, str] = {
    "binary": "logistic_regression",
    "multiclass": "logistic_regression",
    "regression": "linear_regression",
}
_CHALLENGER = "hoeffding_adaptive_tree"
_EXAMPLES: Mapping[str, str] = {
    "kafka.tls.ca": "ca.pem",
    "kafka.sasl.username": "millrace",
    "kafka.sasl.password": "env:KAFKA_PASSWORD",
    "alerts.webhook.url": "env:MILLRACE_WEBHOOK_URL",
}
"""Of tables that are not there by default: what a first value looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a new millrace.toml sets."""

    name: str
    features: Mapping[str, FeatureKind]
    task: TargetKind
    labels: tuple[Label, ...] = ()
    positive: Label | None = None
    bootstrap: str = "local"
    topics: Mapping[str, str] = field(default_factory=dict)
    """`features` and `labels`, where they exist already."""
    mapping: Mapping[str, Any] = field(default_factory=dict)
    """Tables `features` and `labels` of `[mapping]`."""
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Table → remarks for a person, below its heading."""


def write_config(beginning: Beginning) -> str:
    """The text of a complete millrace.toml.

    >>> text = write_config(Beginning(name="shop", features={"amount": "numeric"}, task="regression"))
    >>> text.splitlines()[7]
    'name = "shop"'
    """
    return "\n".join(_Writer(beginning).lines()) + "\n"


class _Writer:
    """One pass over the config classes."""

    def __init__(self, beginning: Beginning) -> None:
        self._notes = beginning.notes
        self._docs: dict[tuple[str, str], str] = {}
        for module in (config_module, config_drift, config_observing):
            self._docs |= attribute_docs(module)
        target: dict[str, Any] = {"task": beginning.task}
        if beginning.labels:
            target["labels"] = list(beginning.labels)
        if beginning.positive is not None:
            target["positive"] = beginning.positive
        candidates = {"champion": {"model": _CHAMPION[beginning.task]}, "challenger": {"model": _CHALLENGER}}
        self._values: dict[str, Any] = {
            "name": beginning.name,
            "target": target,
            "features": dict(beginning.features),
            "models": {"candidates": candidates},
            "kafka": {"bootstrap": beginning.bootstrap},
            "topics": dict(beginning.topics),
            "mapping": dict(beginning.mapping),
        }

    def lines(self) -> Iterator[str]:
        yield "# The settings of one millrace pipeline."
        yield "#   millrace check-config            prints all of them, the defaults too"
        yield "#   millrace check-config --effects  says which may change once there is state"
        yield "# A line that begins with `#` and no space is a setting at its default. A text `env:NAME` comes from the"
        yield "# environment. Durations: 250ms, 30s, 5m, 1h, 7d. Relative paths start in this file's folder."
        yield from map(_comment, self._notes.get("", ()))
        yield ""
        yield from self._section(Config, "", self._values)

    def _section(
        self, section: type[Section], path: str, values: Mapping[str, Any], *, absent: bool = False
    ) -> Iterator[str]:
        """What stands below a table's heading, the tables inside it last; `absent` if the table is not there."""
        defaults = section.model_construct().model_dump(mode="json", by_alias=True, warnings=False)
        tables: list[tuple[str, str, FieldInfo]] = []
        for name, info in section.model_fields.items():
            key = info.alias or name
            if info.exclude:
                continue
            if section_of(info.annotation) is not None or (isinstance(values.get(key), Mapping) and values[key]):
                tables.append((key, name, info))
                continue
            yield from self._prose(section, name)
            default = _EXAMPLES.get(_join(path, key), defaults.get(key))
            if key in values:
                yield f"{_key(key)} = {_value(values[key])}"
            elif default is not None:
                yield f"#{_key(key)} = {_value(default)}"
            else:
                yield f"# {key}: not set"
        if not path:
            tables.sort(key=lambda table: _FIRST.index(table[0]) if table[0] in _FIRST else len(_FIRST))
        for key, name, info in tables:
            yield from self._table(section, name, info, _join(path, key), values.get(key) or {}, absent=absent)

    def _table(
        self,
        owner: type[Section],
        name: str,
        info: FieldInfo,
        path: str,
        values: Mapping[str, Any],
        *,
        absent: bool,
    ) -> Iterator[str]:
        section = section_of(info.annotation)
        each = section_of(get_args(info.annotation)[1]) if get_origin(info.annotation) is dict else None
        if each is not None:  # named tables of one kind, such as the candidates
            for one, inner in values.items():
                yield from self._heading(f"{path}.{_key(one)}", _first_line(each), absent=absent)
                yield from self._section(each, f"{path}.{one}", inner, absent=absent)
        elif section is not None:
            absent = absent or (info.default is None and not values)
            yield from self._heading(path, _first_line(section), absent=absent)
            yield from self._section(section, path, values, absent=absent)
        else:  # free keys, such as the features
            yield from self._heading(path, self._docs.get((owner.__name__, name), ""), absent=absent)
            yield from (f"{_key(key)} = {_value(value)}" for key, value in values.items())

    def _heading(self, path: str, text: str, *, absent: bool) -> Iterator[str]:
        yield ""
        yield f"{'#' if absent else ''}[{path}]"
        yield from (_comment(line) for line in (text, *self._notes.get(path, ())) if line)

    def _prose(self, section: type[Section], name: str) -> Iterator[str]:
        text = self._docs.get((section.__name__, name))
        if text:
            yield _comment(text)


def _comment(text: str) -> str:
    """One line, whatever is in it: column names are other people's."""
    return "# " + "".join(char if char.isprintable() else "\ufffd" for char in text)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _first_line(section: type[Section]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _value(value: Any) -> str:  # noqa: ANN401 - whatever TOML takes
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    return str(tomlkit.item(value).as_string())
