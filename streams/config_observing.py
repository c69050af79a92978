"""The settings of what leads out of the pipeline: figures for Prometheus, health, webhooks for alerts."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from streams.setting import HARMLESS, DurationMs, Section

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"


class MetricsConfig(Section):
    """Where Prometheus asks worker, monitor and dashboard for figures, and a supervisor for their health."""

    port: Annotated[int | None, HARMLESS] = Field(default=None, ge=1, le=65_535)
    """The first port that is tried; not set: nobody listens."""
    ports: Annotated[int, HARMLESS] = Field(default=10, ge=1, le=1_000)
    """How many are tried from there on: the processes of one machine take one each."""
    host: Annotated[str, HARMLESS] = "127.0.0.1"
    """There is no password: whoever reaches this address reads the names of features and the scores."""
    features_max: Annotated[int, HARMLESS] = Field(default=50, ge=0, le=10_000)
    """Features with drift figures of their own, the first in the file; the strongest of all has one in any case."""


class HealthConfig(Section):
    """When a worker or monitor that gets nowhere although its lag grows is ill, and when it ends itself."""

    unhealthy_after_ms: Annotated[DurationMs, HARMLESS] = Field(default=60_000, alias="unhealthy_after", ge=1_000)
    """Then `/healthz` answers 503."""
    end_after_ms: Annotated[DurationMs, HARMLESS] = Field(default=300_000, alias="end_after", ge=0)
    """Then the process ends with 75, for a supervisor to start it again; `"0s"` means never."""


class WebhookConfig(Section):
    """Whom `millrace webhook` tells of every phase of an incident, by HTTP."""

    url: Annotated[SecretStr | None, HARMLESS] = None
    """Best from the environment: whoever knows it may post there. Not set, PagerDuty's own is meant."""
    format: Annotated[Literal["json", "slack", "pagerduty"], HARMLESS] = "json"
    """`json` is the alert as it is on the topic."""
    secret: Annotated[SecretStr | None, HARMLESS] = None
    """Signs every post by HMAC-SHA256, for receivers that check it."""
    routing_key: Annotated[SecretStr | None, HARMLESS] = None
    """PagerDuty's integration key."""
    severity_min: Annotated[Literal["info", "warning", "critical"], HARMLESS] = "info"
    """Incidents that never reach it are not posted."""
    timeout_ms: Annotated[DurationMs, HARMLESS] = Field(default=10_000, alias="timeout", ge=100, le=300_000)
    tries: Annotated[int, HARMLESS] = Field(default=10, ge=1, le=100)
    """Then the alert becomes a dead letter, and the next one's turn comes; counted of the oldest alert that waits."""
    wait_max_ms: Annotated[DurationMs, HARMLESS] = Field(default=60_000, alias="wait_max", ge=1_000, le=3_600_000)
    """Between two tries: first a second, then twice as long each time, up to this."""
    allow_http: Annotated[bool, HARMLESS] = False
    """Post to another machine without TLS, where anybody on the way can read it."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.format == "pagerduty" and self.routing_key is None:
            raise ValueError('must set routing_key with format = "pagerduty"')
        if self.url is None and self.format != "pagerduty":
            raise ValueError("must set url")
        try:
            address = urlsplit(self.address)
            _ = address.port
        except ValueError:
            raise ValueError("url must be https://…") from None
        if address.scheme not in {"https", "http"} or not address.hostname:
            raise ValueError("url must be https://…")
        if address.username or address.password:
            raise ValueError(
                "url must hold no user name or password: a token of its path or query, or `secret`, will do"
            )
        here = address.hostname in {"localhost", "127.0.0.1", "::1"}
        if address.scheme == "http" and not here and not self.allow_http:
            raise ValueError("url must be https://…, unless it is on this machine or allow_http = true accepts that")
        return self

    @property
    def address(self) -> str:
        """Where to post."""
        return self.url.get_secret_value() if self.url is not None else PAGERDUTY


class AlertsConfig(Section):
    """Who is told, besides the readers of the topic."""

    webhook: Annotated[WebhookConfig | None, HARMLESS] = None
