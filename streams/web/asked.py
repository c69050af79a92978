"""What people have asked of the monitor, as the page shows it: silences, and who looks after an incident. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streams.asked import Silence, silences_of
from streams.web.incident import Incident
from streams.web.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """A subject that nobody is told of."""

    told: Silence
    name: str
    """As commands take it; empty for a subject that this pipeline does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked of one incident last."""

    by: str
    at_ms: int | None
    """None where only an alert says so, and its instruction is no longer read."""
    note: str


def silenced(view: View, now_ms: int) -> list[Silenced]:
    """Those that last, by subject."""
    return [Silenced(told=each, name=name_of(view, each.subject)) for each in silences_of(view.asked, now_ms)]


def name_of(view: View, subject: str) -> str:
    """What `millrace incidents silence` calls a subject: names of this pipeline's own settings only."""
    name = subject if subject == "loss" else subject.partition(":")[2]
    return name if name == "loss" or name in view.config.features else ""


def silence_about(view: View, subject: str, now_ms: int) -> Silenced | None:
    """`quality:amount` is silent with `feature:amount`, as the monitor has it."""
    kind, colon, name = subject.partition(":")
    wanted = f"feature:{name}" if colon and kind == "quality" else subject
    return next((each for each in silenced(view, now_ms) if each.told.subject == wanted), None)


def with_acknowledgements(view: View, incidents: Sequence[Incident]) -> list[tuple[Incident, Asked | None]]:
    """Each beside who looks after it, by the newest word."""
    said = _newest(view, "acknowledge")
    return [(each, said.get(each.id) or _told(each.newest.acknowledged)) for each in incidents]


def acknowledged(view: View, incident: Incident) -> Asked | None:
    """Who looks after it."""
    return with_acknowledgements(view, [incident])[0][1]


def closing(view: View, incident: Incident) -> Asked | None:
    """Who has asked to close what is still open: the monitor has not come to it, or does not run."""
    return _newest(view, "close").get(incident.id) if incident.open else None


def _newest(view: View, action: str) -> dict[str, Asked]:
    return {
        said.incident: Asked(by=said.by or "somebody", at_ms=ms, note=said.note)
        for ms, said in view.asked
        if said.action == action
    }


def _told(by: str) -> Asked | None:
    return Asked(by=by, at_ms=None, note="") if by else None
