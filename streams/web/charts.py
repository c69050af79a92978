"""Lines and grids as numbers for SVG, drawn by the server: nothing moves when a script arrives, or never does.

Plotly would draw them in the browser, but cannot start under a policy without inline styles (its script puts a
`<style>` into the page when it is loaded), and weighs 4.4 MB. Every chart is `WIDTH` by `HEIGHT` units, stretched by
the page; labels stand beside it as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.web.history import Window, buckets

WIDTH, HEIGHT = 1000.0, 100.0
POINTS_MAX = 500
"""Drawn of a line, whatever the history: a screen has not many more columns."""
TICKS = 5
_SANE = 1e15
"""Beyond it a number from the wire is drawn at the edge."""
_NICE = (1.0, 1.5, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; a gap where nothing is known."""

    name: str
    style: str
    """Its class in the style sheet."""
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of the time axis."""

    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart with all that stands round it."""

    lines: Sequence[Line]
    y_ticks: Sequence[str]
    """From top to bottom, evenly."""
    x_ticks: Sequence[int]
    """Times in ms from left to right, evenly over the windows."""
    bands: Sequence[Line] = ()
    """Behind the lines: where each may lie."""
    area: str = ""
    """The shaded part: label coverage, from the bottom."""
    incidents: Sequence[Span] = ()
    references: Sequence[float] = ()
    """Where a new reference was taken."""
    readout: Sequence[dict[str, Any]] = field(default_factory=list)
    """What to say at each place: `t` in ms, `v` by line."""
    each: int = 1
    """Windows in one place, rounded up."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to heights."""

    low: float
    high: float

    def y(self, value: float) -> float:
        """Units from the top; a value outside is drawn at the edge.

        >>> Scale(0.0, 2.0).y(0.5), Scale(0.0, 2.0).y(9.0)
        (75.0, 0.0)
        """
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT * (1 - min(1.0, max(0.0, share))), 2)

    def ticks(self) -> list[str]:
        """From top to bottom."""
        step = (self.high - self.low) / (TICKS - 1)
        digits = max(0, -math.floor(math.log10(step) + 1e-9) + (0 if _whole(step) else 1))
        return [f"{self.low + step * number:,.{min(digits, 6)}f}" for number in reversed(range(TICKS))]


def _whole(step: float) -> bool:
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    return bool(abs(mantissa - round(mantissa)) < 1e-6)  # noqa: PLR2004 - not 1.5 or 2.5


def scale(values: Sequence[float], *, low: float | None = None, high: float | None = None) -> Scale:
    """Round bounds that hold all values; `low` or `high` is a bound that the values cannot pass, and is drawn.

    >>> scale([0.62, 0.97]), scale([]), scale([3, 3], low=0), scale([0.43, 0.99], high=1.0)
    (Scale(low=0.6, high=1.0), Scale(low=0.0, high=1.0), Scale(low=0, high=4.0), Scale(low=0.4, high=1.0))
    """
    sane = [min(_SANE, max(-_SANE, value)) for value in values]
    least = min([*sane, *([low] if low is not None else [])], default=0.0)
    most = max([*sane, *([high] if high is not None else [])], default=max(1.0, least + 1.0))
    if most - least <= max(1.0, abs(least), abs(most)) * 1e-9:
        if high is None:
            most = least + max(abs(least) * 0.1, 0.1)
        else:
            least -= 0.1
    raw = (most - least) / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    for step in (factor * power for factor in (*_NICE, 15.0, 20.0, 25.0, 50.0, 100.0)):
        width = step * (TICKS - 1)
        if low is None and high is not None:
            start = high - width
        else:
            start = low if low is not None else math.floor(least / step + 1e-9) * step
        if start <= least + step * 1e-6 and start + width >= most - step * 1e-6:
            return Scale(low if low is not None else round(start, 12), round(start + width, 12))
    return Scale(least, most)


def path(values: Sequence[float | None], heights: Scale) -> str:
    """An SVG path over evenly spaced places; a place without a value is a gap, one alone a dot."""
    parts: list[str] = []
    drawing = False
    for number, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        at = f"{place(number, len(values)):.2f} {heights.y(value):.2f}"
        parts.append(f"L{at}" if drawing else f"M{at}h0.01")
        drawing = True
    return "".join(parts)


def band(bounds: Sequence[tuple[float, float] | None], heights: Scale) -> str:
    """A closed path between the lower and upper bounds of each stretch of neighbours that have some.

    >>> band([(0.0, 1.0), (0.5, 1.0), None], Scale(0.0, 1.0))
    'M0.00 0.00L500.00 0.00L500.00 50.00L0.00 100.00Z'
    """
    parts: list[str] = []
    stretch: list[tuple[float, float, float]] = []
    for number, bound in enumerate([*bounds, None]):
        if bound is not None:
            stretch.append((place(number, len(bounds)), heights.y(bound[0]), heights.y(bound[1])))
        elif stretch:
            upper = "L".join(f"{x:.2f} {high:.2f}" for x, _, high in stretch)
            lower = "L".join(f"{x:.2f} {low:.2f}" for x, low, _ in reversed(stretch))
            parts.append(f"M{upper}L{lower}Z")
            stretch = []
    return "".join(parts)


def area(shares: Sequence[float | None]) -> str:
    """A closed path from the bottom up to each share of the height, nothing where it is not known."""
    heights = Scale(0.0, 1.0)
    if not shares:
        return ""
    tops = "".join(f"L{place(n, len(shares)):.2f} {heights.y(share or 0.0):.2f}" for n, share in enumerate(shares))
    return f"M0 {HEIGHT:.0f}{tops}L{WIDTH:.0f} {HEIGHT:.0f}Z"


def place(number: int, count: int) -> float:
    """Units from the left.

    >>> place(0, 5), place(4, 5), place(0, 1)
    (0.0, 1000.0, 500.0)
    """
    return WIDTH / 2 if count == 1 else round(WIDTH * number / (count - 1), 2)


def line_chart(
    windows: Sequence[Window],
    series: Sequence[tuple[str, str, Callable[[Sequence[Window]], float | None]]],
    *,
    low: float | None = None,
    high: float | None = None,
    shaded: Callable[[Window], float | None] | None = None,
    margins: Callable[[str, Sequence[Window]], float | None] | None = None,
) -> Chart:
    """One line for each (name, style, value of some neighbouring windows); `margins` is how far off it may be."""
    parts = buckets(windows, POINTS_MAX)
    drawn = [(name, style, [value(part) for part in parts]) for name, style, value in series]
    least, most = -_SANE if low is None else low, _SANE if high is None else high
    bounds = [
        (name, style, [None if pair is None else (max(least, pair[0]), min(most, pair[1])) for pair in pairs])
        for name, style, values in drawn
        if margins and any(pairs := _bounds(values, parts, name, margins))
    ]
    known = [v for _, _, values in drawn for v in values if v is not None]
    known += [v for _, _, pairs in bounds for pair in pairs if pair is not None for v in pair]
    heights = scale(known, low=low, high=high)
    lines = [Line(name=name, style=style, path=path(values, heights)) for name, style, values in drawn]
    shares = [mean([shaded(window) for window in part]) for part in parts] if shaded else []
    readout = [
        {"t": part[-1].to_ms, "v": [_short(values[number]) for _, _, values in drawn]}
        for number, part in enumerate(parts)
    ]
    if shaded:
        for said, share in zip(readout, shares, strict=True):
            said["c"] = _short(share)
    return Chart(
        lines=lines,
        bands=[Line(name=name, style=style, path=band(pairs, heights)) for name, style, pairs in bounds],
        y_ticks=heights.ticks(),
        x_ticks=times(parts),
        area=area(shares),
        incidents=incident_spans(parts),
        references=new_references(parts),
        readout=readout,
        each=max((len(part) for part in parts), default=1),
    )


def _bounds(
    values: Sequence[float | None],
    parts: Sequence[Sequence[Window]],
    name: str,
    margins: Callable[[str, Sequence[Window]], float | None],
) -> list[tuple[float, float] | None]:
    off = [margins(name, part) for part in parts]
    return [None if v is None or by is None else (v - by, v + by) for v, by in zip(values, off, strict=True)]


def _short(value: float | None) -> float | None:
    """Four digits that matter: what a person reads off a line."""
    return None if value is None else float(f"{value:.4g}")


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def times(parts: Sequence[Sequence[Window]], count: int = 4) -> list[int]:
    """Times of places spread evenly, first and last among them."""
    if not parts:
        return []
    if len(parts) < count:
        return [part[-1].to_ms for part in parts]
    return [parts[round(number * (len(parts) - 1) / (count - 1))][-1].to_ms for number in range(count)]


def incident_spans(parts: Sequence[Sequence[Window]]) -> list[Span]:
    """Where an incident was open."""
    spans: list[Span] = []
    start: float | None = None
    half = WIDTH / max(1, len(parts) - 1) / 2
    for number, part in enumerate(parts):
        x = place(number, len(parts))
        if any(window.incident for window in part):
            start = max(0.0, x - half) if start is None else start
            end = min(WIDTH, x + half)
        elif start is not None:
            spans.append(Span(x=round(start, 2), width=round(end - start, 2)))
            start = None
    if start is not None:
        spans.append(Span(x=round(start, 2), width=round(end - start, 2)))
    return spans


def new_references(parts: Sequence[Sequence[Window]]) -> list[float]:
    """Where windows are compared with another reference than before; one that moves with them is not told each time."""
    half = WIDTH / max(1, len(parts) - 1) / 2
    known = [part[0].reference for part in parts]
    return [
        round(place(number, len(parts)) - half, 2)
        for number in range(1, len(parts))
        if known[number] != known[number - 1] and _stays(known, number)
    ]


def _stays(known: Sequence[str], number: int) -> bool:
    """Whether the next one has that reference, too; of the last whether those before it had one that stayed."""
    if number + 1 < len(known):
        return known[number + 1] == known[number]
    return number == 1 or known[number - 1] == known[number - 2]


def spark(values: Sequence[float | None]) -> str:
    """A small line from zero to its own highest value."""
    known = [value for value in values if value is not None]
    return path(values, Scale(0.0, max(known, default=0.0) or 1.0))
