"""A reference from a file of rows, for `drift.reference.file`."""

from __future__ import annotations

from drift.reference import Reference
from streams.config import Config
from streams.errors import ConfigError
from streams.rows import BadRow, open_rows
from streams.stages.watch_settings import column_of
from streams.values import feature_value


def reference_from_file(config: Config) -> Reference | None:
    """The configured file's rows, None where no file is configured.

    Raises:
        ConfigError: the file cannot be read, or lacks a feature.
    """
    named = config.drift.reference.file
    if named is None:
        return None
    kinds = {column_of(name): kind for name, kind in config.features.items()}
    rows: list[dict[str, object]] = []
    for row in open_rows(config.path(named)):
        if isinstance(row, BadRow):
            raise ConfigError("drift.reference.file", f"must be rows that can be read, got {row.problem}")
        if absent := [name for name in config.features if name not in row.values]:
            raise ConfigError("drift.reference.file", f"must have every feature, got no {', '.join(absent)}")
        try:
            values = {column_of(n): feature_value(row.values[n], kind) for n, kind in config.features.items()}
        except ValueError as error:
            raise ConfigError("drift.reference.file", f"row {row.number}: {error}") from error
        rows.append({name: value for name, value in values.items() if value is not None})
    if not rows:
        raise ConfigError("drift.reference.file", f"must have rows, got none in {named}")
    return Reference.from_rows(kinds, rows)
