"""An alert as the body of a post: our own JSON, a Slack message, a PagerDuty event. Pure: no clock, no network.

Only the fields that every version of an alert has are read; whatever else the record holds goes along in our own form.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from streams.config_observing import WebhookConfig
from streams.messages import ENDS

SEVERITIES = ("info", "warning", "critical")
SUBJECTS_MAX = 5
_SLACK_CHARS_MAX = 2_900
"""Of a section: Slack refuses the whole message above 3,000."""
_SUMMARY_CHARS_MAX = 1_024
"""PagerDuty's bound; its key may have 255."""
_MARKS = {
    "started": ":red_circle:",
    "escalated": ":rotating_light:",
    "recovered": ":large_green_circle:",
    "closed": ":white_check_mark:",
}


class Told(msgspec.Struct, frozen=True):
    """What is needed of an alert's record."""

    id: str
    incident: str
    phase: Literal["started", "escalated", "recovered", "closed"]
    severity: Literal["info", "warning", "critical"]
    title: str
    since_ms: int
    model: str
    version: int
    subjects: list[dict[str, Any]] = []
    report: str | None = None
    reason: str = ""


read_alert = msgspec.json.Decoder(Told).decode


def post_of(settings: WebhookConfig, pipeline: str, record: bytes, at_s: int) -> tuple[bytes, dict[str, str]]:
    """Body and headers for an alert's record; `at_s` is now, in whole seconds since the epoch.

    Raises:
        msgspec.DecodeError: it is no alert.
    """
    alert = read_alert(record)
    if settings.format == "json":
        body = msgspec.json.encode(
            {"v": 1, "type": "millrace.alert", "pipeline": pipeline, "id": alert.id, "alert": msgspec.Raw(record)}
        )
    elif settings.format == "slack":
        body = msgspec.json.encode(slack(pipeline, alert))
    else:
        key = settings.routing_key
        body = msgspec.json.encode(pagerduty(pipeline, alert, key.get_secret_value() if key is not None else ""))
    headers = {"Content-Type": "application/json", "Idempotency-Key": quote(f"{pipeline}/{alert.id}", safe="/")}
    if settings.secret is not None:
        headers["X-Millrace-Signature"] = signature(settings.secret.get_secret_value(), at_s, body)
    return body, headers


def signature(secret: str, at_s: int, body: bytes) -> str:
    """`t=…,v1=…`: HMAC-SHA256 over the time, a point and the body. An old time is a replay.

    >>> signature("secret", 1700000000, b"{}")[:32]
    't=1700000000,v1=b8569b78799ff9e3'
    """
    digest = hmac.new(secret.encode(), b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def slack(pipeline: str, alert: Told) -> dict[str, Any]:
    """A message with a plain form for notifications; foreign text can neither mention nor link."""
    head = f"{alert.phase} ({alert.severity}) {pipeline}: {alert.title}"
    lines = [f"{_MARKS[alert.phase]} *{_plain(head)}*", f"since {_time(alert.since_ms)}"]
    lines += [f"• {_plain(line)}" for line in subject_lines(alert)]
    context = f"incident {alert.incident}, model {alert.model} version {alert.version}"
    return {
        "text": _plain(head),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)[:_SLACK_CHARS_MAX]}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _plain(context)}]},
        ],
    }


def pagerduty(pipeline: str, alert: Told, routing_key: str) -> dict[str, Any]:
    """An event of the Events API v2: every phase of an incident has one key, its end resolves it."""
    incident = f"millrace/{pipeline}/{alert.incident}"
    return {
        "routing_key": routing_key,
        "event_action": "resolve" if alert.phase in ENDS else "trigger",
        "dedup_key": incident if len(incident) <= 255 else hashlib.sha256(incident.encode()).hexdigest(),  # noqa: PLR2004
        "client": "millrace",
        "payload": {
            "summary": f"{pipeline}: {alert.title}"[:_SUMMARY_CHARS_MAX],
            "source": pipeline,
            "severity": alert.severity,
            "timestamp": _time(alert.since_ms),
            "component": alert.model,
            "class": alert.phase,
            "custom_details": {
                "id": alert.id,
                "changed": subject_lines(alert),
                "version": alert.version,
                "report": alert.report,
                "reason": alert.reason,
            },
        },
    }


def subject_lines(alert: Told) -> list[str]:
    """What has changed, the first few."""
    lines = [_subject(subject) for subject in alert.subjects[:SUBJECTS_MAX]]
    more = len(alert.subjects) - SUBJECTS_MAX
    return [*lines, f"and {more} more"] if more > 0 else lines


def _subject(subject: Mapping[str, Any]) -> str:
    value, threshold = subject.get("value"), subject.get("threshold")
    size = ""
    if isinstance(value, int | float) and isinstance(threshold, int | float):
        size = f": {subject.get('source') or 'value'} {value:.3g}, threshold {threshold:.3g}"
    return f"{subject.get('subject', 'something')}{size}"


def _plain(text: str) -> str:
    """For Slack's mrkdwn: no mention, no link, no second line."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(char if char.isprintable() else " " for char in escaped).replace("*", "\u2217")


def _time(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"
