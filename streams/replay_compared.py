"""Two tellings of one stream held against each other: alert by alert, field by field, incident by incident."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.cuts import total
from streams.replay import Found, SentAlert

_TOLERANCE = 1e-9
"""Relative: the last digits of statistics over texts depend on the process (see `drift.binning`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that is not the same."""

    path: str
    sent: Any
    replayed: Any


def differences(sent: Any, replayed: Any, path: str = "$") -> Iterator[Difference]:  # noqa: ANN401 - JSON
    """Where two JSON trees differ; numbers may differ in their last digits.

    >>> [each.path for each in differences({"a": [1, 2.0], "b": 1}, {"a": [1, 2.0 + 1e-13], "c": 1})]
    ['$.b', '$.c']
    """
    if isinstance(sent, Mapping) and isinstance(replayed, Mapping):
        for key in [*sent, *(key for key in replayed if key not in sent)]:
            yield from differences(sent.get(key), replayed.get(key), f"{path}.{key}")
    elif isinstance(sent, list) and isinstance(replayed, list) and len(sent) == len(replayed):
        for place, (one, other) in enumerate(zip(sent, replayed, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif not _equal(sent, replayed):
        yield Difference(path=path, sent=sent, replayed=replayed)


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    if numbers and isinstance(one, float) | isinstance(other, float):
        return math.isclose(one, other, rel_tol=_TOLERANCE)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def nearest(sent: SentAlert, alerts: Sequence[Found]) -> Found | None:
    """The replayed alert of that id; else of its phase the one whose cut is nearest; None without any."""
    for found in alerts:
        if found.alert["id"] == sent.said.id:
            return found
    same_phase = [found for found in alerts if found.alert["phase"] == sent.said.phase]
    at = total(sent.said.cut.offsets)
    return min(same_phase, key=lambda found: abs(total(found.alert["cut"]["offsets"]) - at), default=None)


# -- side by side ----------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Incident:
    """The alerts of one incident."""

    alerts: list[Found]

    @property
    def from_ms(self) -> int:
        """Stream time of its first alert."""
        return min(found.at_ms for found in self.alerts)

    @property
    def to_ms(self) -> float:
        """Of its end, infinite while it is open."""
        ends = [found.at_ms for found in self.alerts if found.alert["phase"] in {"recovered", "closed"}]
        return max(ends, default=math.inf)


def incidents(alerts: Iterable[Found]) -> list[Incident]:
    """Alerts by incident, in order of their beginning; what was told twice counts once."""
    found: dict[str, dict[str, Found]] = {}
    for each in alerts:
        found.setdefault(each.alert["incident"], {}).setdefault(each.alert["id"], each)
    made = [Incident(alerts=sorted(each.values(), key=lambda one: one.at_ms)) for each in found.values()]
    return sorted(made, key=lambda incident: incident.from_ms)


def side_by_side(
    sent: Sequence[Incident], replayed: Sequence[Incident]
) -> list[tuple[Incident | None, Incident | None]]:
    """Pairs of incidents that overlap in time, each once, in the order of their beginning; None for no partner."""
    left, pairs = list(replayed), list[tuple[Incident | None, Incident | None]]()
    for one in sent:
        partner = next((other for other in left if other.from_ms <= one.to_ms and one.from_ms <= other.to_ms), None)
        if partner is not None:
            left.remove(partner)
        pairs.append((one, partner))
    pairs += [(None, other) for other in left]
    return sorted(pairs, key=lambda pair: min(each.from_ms for each in pair if each is not None))
