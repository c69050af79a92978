"""docs/ and the other pages: what they name exists, what they show is valid, and their Python runs on a real Kafka."""

import json
import re
import shutil
import subprocess
import tomllib

import jsonschema
import pytest
import tomlkit
import yaml
from guides import PAGES, ROOT, blocks, prose, session_lines, walking
from kafka import KafkaProducer

from streams.cli.main import COMMANDS, run
from streams.config import Config, leaves
from streams.config_file import load
from streams.config_observing import WebhookConfig
from streams.schemas import schemas

DOCS = ROOT / "docs"
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LANGUAGES = {"sh", "console", "text", "json", "toml", "python", "python notest", "js", "java", "yaml"}
ALERT = {
    "id": "3445dfc5741386d1/started/1",
    "incident": "3445dfc5741386d1",
    "phase": "started",
    "severity": "critical",
    "title": "the loss has risen",
    "subjects": [{"subject": "loss", "bet": "odds x1.5", "evidence": 6.1, "since_ms": 5}],
    "since_ms": 5,
    "since": {},
    "hurt": {"verdict": "unknown", "words": "unknown: no labels yet", "examples_before": 0, "examples_since": 0},
    "false_alarms": "1 per 100000 events",
    "cut": {"id": "c", "offsets": {}},
    "events": 0,
    "repeats": 0,
    "model": "champion",
    "version": 3,
    "report": None,
    "reason": "",
    "v": 1,
}


def example(number: int, **changed) -> dict:
    """A labelled example as the worker writes it."""
    return {
        "id": f"o-{number}",
        "features": {"amount": float(number)},
        "prediction": "no",
        "probabilities": {"no": 1.0, "yes": 0.0},
        "model": "champion",
        "version": 0,
        "candidates": {},
        "source": number,
        "event_ms": 1,
        "label": "no",
        "label_source": [0, number],
        "closed": 0,
        "label_ms": 2,
    } | changed


@pytest.fixture
def pipeline(broker, pipeline_name, tmp_path):
    """Topics of a pipeline, and a way to put records there."""
    path = tmp_path / "millrace.toml"
    path.write_text(
        f'name = "{pipeline_name}"\n[target]\ntask = "binary"\nlabels = ["no", "yes"]\npositive = "yes"\n'
        '[features]\namount = "numeric"\n[models.candidates.champion]\nmodel = "logistic_regression"\n'
        f'[kafka]\nbootstrap = "{broker}"\n'
    )
    assert run(["topics", "create", "-c", str(path)]) == 0
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")

    def send(role: str, *records: dict) -> None:
        for record in records:
            jsonschema.validate(record, schemas()[role])
            producer.send(f"{pipeline_name}.{role}", value=json.dumps(record).encode(), partition=0)
        producer.flush()

    yield send
    producer.close()


def snippet(page, containing: str) -> str:
    """The page's one Python block that says so."""
    (found,) = (block.text for block in blocks(page, "python") if containing in block.text)
    return found


@pytest.mark.broker
@pytest.mark.parametrize("page", ["README.md", "docs/subscribing.md"])
def test_the_python_subscriber_prints_alerts(page, broker, pipeline_name, pipeline, capsys):
    """Each page's, as it stands: severity, phase and title; that of the guide says a repeat once."""
    pipeline("alerts", ALERT, ALERT, ALERT | {"id": "3445dfc5741386d1/recovered/1", "phase": "recovered"})
    capsys.readouterr()
    text = snippet(ROOT / page, ".alerts")
    if page == "README.md":  # it waits for ever; here it may not
        text = text.replace("isolation_level=", "consumer_timeout_ms=WAIT_MS,\n    isolation_level=")
    names = {"BOOTSTRAP": broker, "PIPELINE": pipeline_name, "WAIT_MS": 5_000}

    exec(compile(text, page, "exec"), names)

    names["consumer"].close()
    lines = capsys.readouterr().out.splitlines()
    started, recovered = (f"critical {phase} the loss has risen" for phase in ("started", "recovered"))
    assert lines == ([started, started, recovered] if page == "README.md" else [started, recovered])


@pytest.mark.broker
def test_the_ranges_of_a_retrain_request_are_read_once_each(broker, pipeline_name, pipeline):
    """Repeats, corrections and what lies outside the range are left out."""
    correction = {"id": "o-1", "kind": "correction", "label": "yes", "label_before": "no", "label_source": [0, 9]}
    pipeline("examples", *map(example, (0, 1, 2)), example(1), correction | {"closed": 0, "label_ms": 3}, example(3))
    names = {"BOOTSTRAP": broker}
    exec(compile(snippet(DOCS / "subscribing.md", "examples_of"), "subscribing.md", "exec"), names)

    found = names["examples_of"]({"ranges": {f"{pipeline_name}.examples/0": [1, 5]}})

    assert [each["id"] for each in found] == ["o-1", "o-2"]


@pytest.mark.broker
def test_the_first_prediction_of_an_event_counts(broker, pipeline_name, pipeline, capsys):
    """A repeat with the same source says nothing new."""
    said = {name: value for name, value in example(7).items() if not name.startswith(("label", "closed"))}
    pipeline("predictions", said, said | {"prediction": "yes"}, said | {"id": "o-8", "source": 8})
    capsys.readouterr()
    names = {"BOOTSTRAP": broker, "PIPELINE": pipeline_name, "WAIT_MS": 5_000}

    exec(compile(snippet(DOCS / "subscribing.md", ".predictions"), "subscribing.md", "exec"), names)

    names["consumer"].close()
    assert capsys.readouterr().out.splitlines() == ["o-7 no 0", "o-8 no 0"]


@pytest.mark.broker
@pytest.mark.slow
def test_getting_started_ends_with_what_it_says(tmp_path, monkeypatch):
    """Each block of the page in its order; then the change of `amount` and the rise of the loss have been told."""
    monkeypatch.chdir(tmp_path)
    with walking(tmp_path) as walk:
        for block in blocks(DOCS / "getting-started.md"):
            if block.language == "python":
                exec(compile(block.text, "getting-started.md", "exec"), {})
            else:
                walk.run(block.text)
        told: list[dict] = []
        for _ in range(60):
            told = [json.loads(line) for line in walk.run("sleep 1; millrace alerts --json").splitlines()]
            if told and told[-1]["severity"] == "critical":
                break
        subjects = {subject["subject"] for alert in told for subject in alert["subjects"]}
        assert {"feature:amount", "loss"} <= subjects, "".join(walk.heard)
        assert walk.run("millrace retrain-requests --json").strip()
        assert walk.stop() == 0, "".join(walk.heard)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    """Every relative link names a file that is there, and a heading in it."""
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        if heading:
            titles = re.findall(r"(?m)^#+ (.*)$", found.read_text(encoding="utf-8"))
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page):
    """`tests/state/test_envelope.py` in a sentence is a file."""
    for name in re.findall(r"`((?:streams|drift|learners|tests|docs|bench)/[\w./-]*)`", prose(page)):
        assert (ROOT / name).exists(), name


def names_of_config(folder) -> dict[str, object]:
    """Every setting and table by its dotted path, with its default."""
    path = folder / "millrace.toml"
    path.write_text(BASE)
    found: dict[str, object] = {dotted: value for dotted, _, value in leaves(load(path))}
    for dotted in list(found):
        parts = dotted.split(".")
        found |= {".".join(parts[:length]): None for length in range(1, len(parts)) if ".".join(parts[:length])}
    webhook = {f"alerts.webhook.{info.alias or key}": info.default for key, info in WebhookConfig.model_fields.items()}
    return found | webhook | dict.fromkeys(("kafka.tls.ca", "kafka.sasl.password"))


BASE = (
    'name = "shop"\n[target]\ntask = "binary"\nlabels = ["no", "yes"]\npositive = "yes"\n'
    '[features]\namount = "numeric"\ncountry = "categorical"\n'
    '[models.candidates.champion]\nmodel = "logistic_regression"\n'
)
TABLES = "|".join(name for name in Config.model_fields if name != "root")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_settings_that_are_named_exist_with_their_defaults(page, tmp_path):
    """`drift.window_rows` (1,000) is a setting, and 1,000 is what it is unless set."""
    known = names_of_config(tmp_path)
    for dotted in re.findall(rf"`((?:{TABLES})\.[a-z_.]+[a-z])(?: = [^`]*)?`", prose(page)):
        if dotted.endswith(".py"):
            continue
        assert dotted in known, dotted
    for dotted, number in re.findall(rf"`((?:{TABLES})\.[a-z_.]+)` \(([\d,]+)\)", prose(page)):
        assert known[dotted] == int(number.replace(",", "")), dotted


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_that_are_named_are_ones(page, capsys):
    """Commands and options in sentences and sessions: `--help` at their end is reached only if all before it parses."""
    lines = [*session_lines(page), *re.findall(r"`(millrace [a-z-][^`]*)`", prose(page))]
    for line in lines:
        subprocess.run(["bash", "-nc", line], check=True, timeout=60)
        words = line.split()
        if words[0] != "millrace" or words[1] == "--help":
            continue
        assert words[1] in COMMANDS, line
        assert run([*words[1:], "--help"]) == 0, f"{line}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_says_what_it_is(page):
    """Of a known language, so that no command or snippet goes untested by mistake; Python compiles, data parses."""
    for block in blocks(page):
        assert block.language in LANGUAGES, f"line {block.line}"
        if block.language.startswith("python"):
            compile(block.text, f"{page.name}:{block.line}", "exec")
        if block.language == "json":
            json.loads(block.text)
        if block.language == "yaml":
            yaml.safe_load(block.text)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_toml_block_is_a_config(page, tmp_path, monkeypatch):
    """With a name, features, a target and a model beside it, it loads."""
    for name in ("KAFKA_PASSWORD", "KEY_PASSWORD", "MILLRACE_STATE_KEY", "MILLRACE_WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "x" * 32)
    monkeypatch.setenv("MILLRACE_WEBHOOK_URL", "https://example.org/hook")
    for block in blocks(page, "toml"):
        path = tmp_path / "millrace.toml"
        path.write_text(tomlkit.dumps(tomllib.loads(BASE) | tomllib.loads(block.text)))
        assert isinstance(load(path), Config), f"line {block.line}"


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
def test_the_java_subscriber_compiles(tmp_path):
    """Against the clients of the broker that the tests run."""
    jars = pytest.importorskip("streams.kafka.jars")
    folder = jars.cache_folder() / "jars"
    path = ":".join(str(jar) for jar in folder.rglob("kafka-clients-*.jar"))
    if not path:
        pytest.skip("needs the broker's jars")
    (block,) = blocks(DOCS / "subscribing.md", "java")
    (tmp_path / "Pager.java").write_text(block.text)

    subprocess.run(["javac", "-Werror", "-cp", path, "Pager.java"], cwd=tmp_path, check=True, timeout=120)


def test_each_mutation_that_is_named_is_one():
    """The guarantees name mutations as the protocol's tests do."""
    text = (ROOT / "tests" / "stages" / "test_protocol.py").read_text(encoding="utf-8")
    page = prose(DOCS / "guarantees.md")
    named = {
        name for part in re.findall(r"[Mm]utations (\*[^;.)]*\*)", page) for name in re.findall(r"\*([^*]+)\*", part)
    }

    assert len(named) == 10
    for name in named:
        assert f'"{name}": ' in text, name


def test_every_page_of_the_guide_is_in_its_index():
    """No page is left for nobody to find."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")

    for page in DOCS.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name
