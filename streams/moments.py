"""Moments as people name them: a time, or how far it is from now."""

from __future__ import annotations

from streams.durations import parse_duration_ms
from streams.values import parse_time


def moment_ms(text: str, now_ms: int, *, ahead: bool = False) -> int:
    """Ms since the epoch of `1h` (ago; with `ahead` from now) or of a time (without a zone: UTC).

    >>> moment_ms("1h", 7_200_000), moment_ms("1h", 7_200_000, ahead=True), moment_ms("1970-01-01T00:00:01", 0)
    (3600000, 10800000, 1000)
    >>> moment_ms("soon", 0)
    Traceback (most recent call last):
    ...
    ValueError: must be a duration such as 2h or a time such as 2026-01-31T12:00:00Z, got 'soon'
    """
    try:
        off = parse_duration_ms(text)
    except ValueError:
        pass
    else:
        return now_ms + off if ahead else now_ms - off
    try:
        found = parse_time(text)
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"must be a duration such as 2h or a time such as 2026-01-31T12:00:00Z, got {text!r}")
    return round(found.timestamp() * 1000)
