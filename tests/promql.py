"""Reading PromQL far enough to see what it names: metrics, labels, functions; and that its brackets close."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s+|(?P<text>"(?:[^"\\]|\\.)*")|(?P<duration>\[(?:\d+[smhdw]|\$__\w+)(?::\d*[smhdw]?)?\])|(?P<offset>\d+[smhdw]\b)"""
    r"""|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<operator>==|!=|=~|!~|>=|<=|[-+*/%^<>=])"""
    r"""|(?P<bracket>[(){},])"""
)
AGGREGATIONS = {"sum", "max", "min", "avg", "count", "topk", "bottomk", "quantile", "group", "stddev"}
FUNCTIONS = {
    *("rate", "increase", "irate", "delta", "deriv", "changes", "absent", "absent_over_time", "time", "abs"),
    *("histogram_quantile", "max_over_time", "min_over_time", "avg_over_time", "clamp_min", "label_values"),
}
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "offset", "bool"}


@dataclass(slots=True)
class Named:
    """What one expression names."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    """Metric → labels that its selectors ask for."""
    labels: set[str] = field(default_factory=set)
    """Labels that are grouped by."""
    functions: set[str] = field(default_factory=set)


def tokens(expression: str) -> list[tuple[str, str]]:
    """(Kind, text) of each; raises ValueError at what is no token."""
    found, place = [], 0
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        if match is None:
            raise ValueError(f"no token at {expression[place:][:20]!r}")
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
        place = match.end()
    return found


def read(expression: str) -> Named:
    """What an expression names; raises ValueError for one whose brackets do not close or whose words are unknown."""
    named, stack, metric = Named(), [], ""
    listed = tokens(expression)
    for place, (kind, text) in enumerate(listed):
        following = listed[place + 1][1] if place + 1 < len(listed) else ""
        if kind == "bracket" and text in "({":
            before = listed[place - 1][1] if place else ""
            stack.append("{" if text == "{" else before if before in GROUPING else "(")
        elif kind == "bracket" and text in ")}":
            if not stack or (stack.pop() == "{") != (text == "}"):
                raise ValueError(f"a {text} too many in {expression}")
        elif kind == "name":
            metric = _name(text, following, stack[-1] if stack else "", metric, named)
    if stack:
        raise ValueError(f"a bracket is open in {expression}")
    return named


def _name(text: str, following: str, inside: str, metric: str, named: Named) -> str:
    """Sort one name; the metric that a selector after it belongs to."""
    if inside == "{":
        if following not in {"=", "!=", "=~", "!~"}:
            raise ValueError(f"label {text} is not compared")
        named.metrics[metric].add(text)
    elif inside in GROUPING:
        named.labels.add(text)
    elif text in GROUPING | WORDS:
        pass
    elif text in AGGREGATIONS | FUNCTIONS and (following == "(" or following in GROUPING):
        named.functions.add(text)
    elif following == "(":
        raise ValueError(f"function {text} is unknown")
    else:
        named.metrics.setdefault(text, set())
        return text
    return metric
