"""What every setting of millrace.toml is made of: its section, its effect on state that exists, durations."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from streams.durations import format_duration_ms, parse_duration_ms


class OnChange(Enum):
    """What a changed field asks of state that was written with the old value."""

    HARMLESS = "harmless"
    REBUILD = "rebuild"
    REFUSE = "refuse"


HARMLESS, REBUILD, REFUSE = OnChange.HARMLESS, OnChange.REBUILD, OnChange.REFUSE

DurationMs = Annotated[
    int, BeforeValidator(parse_duration_ms), PlainSerializer(format_duration_ms, return_type=str, when_used="always")
]
"""Whole milliseconds; written as `"30s"` in the file."""


class Section(BaseModel):
    """One table of the file: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)
