"""Records for the page, of which a test cares about a few fields; and asking the page without a socket."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from types import SimpleNamespace

from streams.config import Config
from streams.messages import Alert, BudgetMetrics, ColumnMetrics, Cut, Hurt, ModelVersion, RetrainRequest, WindowMetrics
from streams.status import KafkaFacts

NOW_MS = 1_800_000_000_000
HOSTILE = "</script><script>window.ran=1</script><img src=x onerror=window.ran=1>\"'`{{7*7}}\u202e\x1b[31m&lt;"


def config_of(root, name="shop", **tables) -> Config:
    return Config.model_validate(
        {
            "name": name,
            "topics": {"partitions": 1},
            "target": {"task": "binary", "labels": ["no", "yes"], "positive": "yes"},
            "features": {"amount": "numeric"},
            "models": {"candidates": {"champion": {"model": "logistic_regression"}}},
            "root": root,
        }
        | tables
    )


def column(subject="feature:amount", value=0.05, **changed) -> ColumnMetrics:
    fields = {
        "subject": subject,
        "verdict": "stable",
        "statistic": "ks_distance",
        "threshold": 0.1,
        "statistics": {"ks_distance": value, "psi": 0.01},
        "reference_rows": 5_000,
        "current_rows": 1_000,
    }
    return ColumnMetrics(**(fields | changed))


def score(accuracy, examples=1_000, margin=None, difference=None) -> dict:
    told = {"accuracy": accuracy, "log_loss": 0.2, "per_class": {}, "examples": examples, "unscored": 0}
    if margin is not None:
        told["margins"] = {"accuracy": margin, "log_loss": margin / 2}
    if difference is not None:
        told["difference_margins"] = {"accuracy": difference, "log_loss": difference}
    return told


def window(number=1, **changed) -> WindowMetrics:
    fields = {
        "id": f"w{number}",
        "window": number,
        "cut": Cut(f"w{number}", {"shop.predictions/0": 1_000 * number}),
        "rows": 1_000,
        "from_ms": NOW_MS + 1_000 * number - 1_000,
        "to_ms": NOW_MS + 1_000 * number,
        "verdict": "stable",
        "columns": [column()],
        "quality": {"champion": score(0.9), "no_change": score(0.7), "prior": score(0.6)},
        "labels": {
            "predictions": 1_000,
            "examples": 800,
            "corrections": 0,
            "coverage": 0.8,
            "delay_ms": {"p50": 100.0, "p90": 200.0, "p99": None},
        },
        "alarms": [],
        "incident": None,
        "reference": "r1",
        "told": [],
        "budget": BudgetMetrics(
            false_alarms="1 per 100000 events",
            events_per_alarm=100_000.0,
            standing="budget holds",
            events=1_000 * number,
            examples=800 * number,
            alarms=0,
            loss=None,
        ),
    }
    return WindowMetrics(**(fields | changed))


def alert(incident="i1", phase="started", count=1, **changed) -> Alert:
    fields = {
        "id": f"{incident}/{phase}/{count}",
        "incident": incident,
        "phase": phase,
        "severity": "critical",
        "title": "the loss has risen",
        "subjects": [
            {"subject": "feature:amount", "source": "ks_distance", "value": 0.4, "threshold": 0.1, "strength": 4.0}
            | {"since_ms": NOW_MS, "detail": {}},
            {"subject": "loss", "source": "mean_loss", "value": 0.3, "threshold": 0.1, "strength": 3.0}
            | {"since_ms": NOW_MS, "detail": {}},
        ],
        "since_ms": NOW_MS,
        "cut": Cut("c1", {"shop.predictions/0": 7_600, "shop.examples/0": 7_381}),
        "since": {"shop.predictions/0": 7_450, "shop.examples/0": 7_200},
        "hurt": Hurt(verdict="unknown", words="unknown: no labels yet", examples_before=500, examples_since=0),
        "false_alarms": "1 per 100000 events",
        "events": 2,
        "repeats": 0,
        "model": "champion",
        "version": 7_317,
        "report": f"{incident}/report.html",
    }
    return Alert(**(fields | changed))


def request(incident="i1", **changed) -> RetrainRequest:
    fields = {
        "id": f"{incident}/retrain",
        "incident": incident,
        "cause": "hurt",
        "model": "champion",
        "version": 7_317,
        "reason": "the loss has risen",
        "evidence": [],
        "since_ms": NOW_MS,
        "basis": "latest",
        "ranges": {"shop.examples/0": (6_000, 7_381)},
        "examples": 1_381,
        "cut": Cut("c1", {}),
    }
    return RetrainRequest(**(fields | changed))


def version(number=7_317, **changed) -> ModelVersion:
    part = score(0.9)
    each = {"window": part, "total": part, "examples": 9_000, "unscored": 10}
    fields = {
        "model": "champion",
        "shard": 0,
        "version": number,
        "learnt": number,
        "snapshot": "objects/x",
        "digest": "d",
        "published_ms": NOW_MS,
        "scores": {"champion": each, "no_change": each, "prior": each},
    }
    return ModelVersion(**(fields | changed))


def facts(**changed) -> KafkaFacts:
    return KafkaFacts(**({"bootstrap": "127.0.0.1:9092", "members": {"worker": 1, "monitor": 1}} | changed))


def ask(app, path="/", *, method="GET", query="", headers=()):
    """One request straight into the application: the path arrives as it is written, dots and all."""
    sent = {"host": "127.0.0.1:8321", **dict(headers)}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_321),
        "extensions": {},
    }
    said = SimpleNamespace(status=0, headers={}, body=b"")

    asked = []

    async def receive():
        if asked:
            await asyncio.Event().wait()  # the browser stays
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            said.status = message["status"]
            said.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            said.body += message.get("body", b"")

    try:
        asyncio.run(app(scope, receive, send))
    except Exception as error:  # noqa: BLE001 - what the server would log, after it has answered
        assert said.status == 500
        said.error = error
    said.text = said.body.decode(errors="replace")
    return said


class Elements(HTMLParser):
    """Every element of a page as a browser would find it."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())
