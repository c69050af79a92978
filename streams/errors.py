"""Errors by who must act. Every message reads `<path> must be <expected>, got <what>` or `could not <do>: <why>`.

All are `MillraceError`s:

- `ConfigError`, for the operator: millrace.toml or the environment is wrong.
- `BrokerError`, for the operator: Kafka cannot be reached or refuses.
  - `UnreachableError`: nobody answers, perhaps not yet: another try may help.
- `MessageError`, for the producer: this record is unreadable and becomes a dead letter.
- `StateError`, for the operator: a checkpoint does not fit the log or the config.
- `StalledError`, for the supervisor: this process gets nowhere, another one may.
"""

from __future__ import annotations


class MillraceError(Exception):
    """Whatever millrace raises on purpose."""


class ConfigError(MillraceError):
    """A setting is wrong. `path` is where, in the dotted form of millrace.toml."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}" if path else problem)
        self.path = path


class BrokerError(MillraceError):
    """Kafka cannot be reached, refuses, or lacks a topic; the message says what to do."""


class UnreachableError(BrokerError):
    """Nobody answers at Kafka's address: it may be starting."""


class MessageError(MillraceError):
    """One record cannot be read. The text never holds a value of the payload, only paths and kinds."""


class StateError(MillraceError):
    """A checkpoint does not fit the log, the config or this version; the message names the command that mends it."""


class StalledError(MillraceError):
    """Nothing moves although more and more waits, and neither Kafka nor the store is to blame."""
