"""Templates, style and script, and how foreign text and numbers get into them.

Everything is escaped by jinja2's autoescape; no template marks anything as safe.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

import jinja2

from streams.cli.wording import figure, one_line, plural, span

STATIC = {"millrace.css": "text/css", "millrace.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Every file that is served as it is, with its type."""
TEXT_CHARS_MAX = 160
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Static:
    """Style and script by name, and the part of their address that changes with what is in them."""

    digest: str
    content: Mapping[str, bytes]


def read_static() -> Static:
    """From the package."""
    folder = files("streams.web") / "static"
    content = {name: (folder / name).read_bytes() for name in STATIC}
    digest = hashlib.sha256(b"".join(content[name] for name in sorted(content))).hexdigest()[:16]
    return Static(digest, content)


def environment(static: Static) -> jinja2.Environment:
    """Templates that escape whatever they are given, and fail on a name that nobody gave them."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("streams.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,  # an upgrade under a running page would mix new templates with old values
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "text": foreign,
        "figure": figure,
        "signed": signed,
        "score": score,
        "percent": percent,
        "count": count,
        "plural": plural,
        "span": span,
        "iso": iso,
        "clock": clock,
        "segment": segment,
        "query": query,
        "shell": shlex.quote,
        "words": lambda text: str(text).replace("_", " "),
    }
    made.globals["static"] = f"/static/{static.digest}"
    for name in made.list_templates():
        made.get_template(name)  # compiled now, not while the first reader waits
    return made


def _printable(value: Any) -> Any:  # noqa: ANN401 - whatever a template writes
    """Also what no filter has seen: no control or bidirectional characters; what is HTML already stays."""
    return one_line(value) if type(value) is str else value


def foreign(text: object, width: int = TEXT_CHARS_MAX) -> str:
    """Text from the wire on one line: no control or bidirectional characters, no end of its own choosing."""
    return one_line(text, width)


def score(value: float | None) -> str:
    """Three decimals, a dash where nothing is known."""
    return "-" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "-" if value is None else f"{value:+.3f}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """A share of one; what is less than half a percent of something is told apart from nothing.

    >>> percent(0.256), percent(0.001), percent(0.0), percent(0.9991), percent(None)
    ('26 %', '<1 %', '0 %', '>99 %', '-')
    """
    if share is None:
        return "-"
    if 0 < share < 0.005:  # noqa: PLR2004 - would round to nothing
        return "<1 %"
    if 0.995 <= share < 1:  # noqa: PLR2004 - would round to all
        return ">99 %"
    return f"{share:.0%}".replace("%", " %")


def count(value: float | None) -> str:
    """A whole number with its thousands apart."""
    return "-" if value is None else f"{value:,.0f}"


def _moment(ms: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # from the wire
        return None


def iso(ms: float) -> str:
    """For `<time datetime>`; empty for what is no time."""
    moment = _moment(ms)
    return "" if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(ms: float) -> str:
    """UTC, until the script knows the reader's zone."""
    moment = _moment(ms)
    return f"{ms:.0f} ms" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def segment(text: str) -> str:
    """One part of an address, whatever is in it."""
    return quote(text, safe="")


def query(others: Mapping[str, str], key: str, value: str) -> str:
    """The page's own address with one choice changed.

    >>> query({"windows": "100"}, "metric", "f1")
    '?windows=100&metric=f1'
    """
    return "?" + urlencode({**others, key: value})


def render(made: jinja2.Environment, name: str, context: Mapping[str, Any]) -> bytes:
    """A page."""
    return made.get_template(name).render(context).encode("utf-8", "replace")
