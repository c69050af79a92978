"""Reading millrace.toml: the file, the environment, overrides, and errors that name every wrong setting at once.

Only here is the environment read. No message holds a value that came from it, nor one of a secret setting.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streams.config import Config
from streams.config_problems import MISSING, problems_of, unknown_settings
from streams.errors import ConfigError

ENVIRONMENT = "env:"
"""`"env:NAME"` as a text stands for the environment's NAME."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """A configuration and where its values came from."""

    config: Config
    path: Path
    given: Mapping[str, str]
    """Dotted path → `file` or `--set` for the settings that are named there; the others are defaults."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Dotted path → name of the environment variable it was taken from."""


def load(path: Path, overrides: Mapping[str, str] | None = None) -> Config:
    """The configuration in the file at `path`; raises ConfigError, whose text names every problem.

    `overrides` maps dotted paths to values as in the file; a text needs no quotes.
    """
    return read(path, overrides).config


def read(path: Path, overrides: Mapping[str, str] | None = None) -> ConfigSource:
    """As `load`, and tells which settings are defaults and which came from the environment."""
    tree = _parse(path)
    given = dict.fromkeys(_dotted(tree), "file")
    for dotted, text in (overrides or {}).items():
        _put(tree, dotted, text)
        given[dotted] = "--set"
    environment: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    resolved = _from_environment(tree, "", environment, problems)
    unknown = list(unknown_settings(resolved))
    problems += unknown
    try:
        config = Config.model_validate(resolved | {"root": path.absolute().parent})
    except ValidationError as error:
        told = {dotted for dotted, _ in problems}
        meant = {text.rpartition(" ")[2].rstrip("?") for _, text in unknown}  # set, under a misspelled name
        problems += [
            (dotted, text)
            for dotted, text in problems_of(error, resolved, frozenset(environment))
            if dotted not in told and not (dotted in meant and text == MISSING)
        ]
    if problems:
        raise _config_error(path, problems)
    return ConfigSource(config=config, path=path, given=given, environment=environment)


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError("", f"{path} could not be found: `millrace init` makes one") from error
    except UnicodeDecodeError as error:
        raise ConfigError("", f"{path} must be UTF-8, got byte 0x{error.object[error.start]:02x}") from error
    except OSError as error:
        raise ConfigError("", f"{path} could not be read: {(error.strerror or str(error)).lower()}") from error
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("", f"{path} must be TOML: {_lower(str(error))}") from error


def _put(tree: dict[str, Any], dotted: str, text: str) -> None:
    """Set one override; what is no TOML value is a text."""
    *tables, last = dotted.split(".")
    if not all([*tables, last]):
        raise ConfigError("", f"an override must be KEY=VALUE with a dotted key, got {dotted!r}")
    for table in tables:
        inner = tree.setdefault(table, {})
        if not isinstance(inner, dict):
            raise ConfigError(dotted, f"could not be overridden: {table} is no table in the file")
        tree = inner
    try:
        tree[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        tree[last] = text


def _from_environment(value: Any, path: str, taken: dict[str, str], problems: list[tuple[str, str]]) -> Any:  # noqa: ANN401 - TOML
    """The tree with every `env:NAME` replaced; notes which were, and which could not be."""
    if isinstance(value, dict):
        return {key: _from_environment(inner, _join(path, key), taken, problems) for key, inner in value.items()}
    if isinstance(value, list):
        return [_from_environment(inner, _join(path, str(place)), taken, problems) for place, inner in enumerate(value)]
    if not isinstance(value, str) or not value.startswith(ENVIRONMENT):
        return value
    name = value.removeprefix(ENVIRONMENT)
    taken[path] = name
    found = os.environ.get(name)
    if not found:
        state = "not set" if found is None else "empty"
        problems.append(
            (path, f"must be in the environment as {name}, which is {state}" if name else "must name a variable")
        )
    return found or ""


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Paths of every value; a table's own path too, for settings whose value is a table."""
    for key, value in tree.items():
        path = _join(prefix, key)
        yield path
        if isinstance(value, dict):
            yield from _dotted(value, path)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _config_error(path: Path, problems: list[tuple[str, str]]) -> ConfigError:
    if len(problems) == 1:
        return ConfigError(*problems[0])
    lines = "\n".join(f"  {dotted} {problem}".rstrip() if dotted else f"  {problem}" for dotted, problem in problems)
    return ConfigError("", f"{path} has {len(problems)} problems:\n{lines}")
