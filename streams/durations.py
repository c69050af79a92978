"""Durations as people write them: `250ms`, `30s`, `5m`, `1h`, `7d`."""

from __future__ import annotations

import re

_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def parse_duration_ms(text: object) -> int:
    """Milliseconds in `text`, a number with one unit; raises ValueError otherwise.

    >>> parse_duration_ms("1.5h")
    5400000
    >>> parse_duration_ms("2 weeks")
    Traceback (most recent call last):
    ...
    ValueError: must be a duration such as "250ms", "30s", "5m", "1h" or "7d", got '2 weeks'
    """
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'must be a duration such as "250ms", "30s", "5m", "1h" or "7d", got {text!r}')
    return round(float(match[1]) * _MS[match[2]])


def format_duration_ms(duration_ms: int) -> str:
    """The shortest exact form, the one `parse_duration_ms` reads back.

    >>> format_duration_ms(5_400_000), format_duration_ms(3_600_000), format_duration_ms(0)
    ('90m', '1h', '0s')
    """
    if duration_ms == 0:
        return "0s"
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if duration_ms % _MS[unit] == 0)
    return f"{duration_ms // _MS[unit]}{unit}"
