"""How figures, times and foreign text read in a line of output."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000))


def one_line(text: object, width: int | None = None) -> str:
    r"""Foreign text on one line: control, bidirectional and other unprintable characters replaced, cut at `width`.

    >>> one_line("a\x1b[31m red\nnext"), one_line("abcdef", 4)
    ('a\ufffd[31m red next', 'abc…')
    """
    line = str(text)
    if not line.isprintable():  # asked of all at once: a chart's path of 20 kB is no foreign text
        line = "".join(char if char.isprintable() else " " if char in "\n\t" else "\ufffd" for char in line)
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def figure(value: object) -> str:
    """A measured number, four digits that matter; a dash where there is none.

    >>> figure(0.123456), figure(1234567.0), figure(3), figure(None)
    ('0.1235', '1,234,567', '3', '-')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else one_line(value)
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) < 10_000:  # noqa: PLR2004 - beyond it decimals matter no more
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"  # noqa: PLR2004 - nobody counts the digits


def plural(number: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "window"), plural(1200, "window")
    ('1 window', '1,200 windows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(duration_ms: float) -> str:
    """A duration for a person, in the largest unit of which there are two.

    >>> span(90_500), span(400), span(7_200_000), span(-5)
    ('90 s', '0.4 s', '2 h', '0.0 s')
    """
    for unit, size in _UNITS:
        if duration_ms >= 2 * size:
            return f"{duration_ms / size:.0f} {unit}"
    seconds = max(0.0, duration_ms) / 1000
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - two digits say enough


def local_time(ms: int) -> str:
    """Local time, and UTC beside it where that differs: `2026-03-01 14:00:05 CET (13:00:05 UTC)`."""
    try:
        utc = datetime.fromtimestamp(ms / 1000, UTC)
        local = utc.astimezone()
    except (OverflowError, ValueError, OSError):  # from the wire
        return f"{ms} ms"
    if not local.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    same_day = local.date() == utc.date()
    return f"{local:%Y-%m-%d %H:%M:%S %Z} ({utc:{'%H:%M:%S' if same_day else '%Y-%m-%d %H:%M:%S'}} UTC)"


def iso_time(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, for lines in a pipe.

    >>> iso_time(0)
    '1970-01-01T00:00:00.000Z'
    """
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(ms)
