"""README.md: a newcomer who copies its commands sees what it says."""

import json
import random
import shutil
import subprocess
import time

import jsonschema
import pytest
from guides import ROOT, UP, blocks, prose, session_lines, walking

from streams.config import Config
from streams.config_file import load
from streams.demo.data import shuttle
from streams.kafka.topics import topic_specs
from streams.schemas import schemas

README = ROOT / "README.md"
ROWS, MOVED_AT = 8_000, 6_500


def own_data(path):
    """What a newcomer brings: a CSV with an id, features and the answer; from one row on, amounts are larger."""
    r = random.Random(1)
    lines = ["id,amount,country,fraud"]
    for number in range(ROWS):
        amount = r.lognormvariate(3.8 if number >= MOVED_AT else 3.0, 1.0)
        country = r.choice(["NL", "DE"])
        fraud = r.random() < (0.7 if amount > 60 and country == "DE" else 0.05)
        lines.append(f"o-{number},{amount:.2f},{country},{'yes' if fraud else 'no'}")
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.broker
@pytest.mark.slow
def test_five_minutes_to_own_data(tmp_path):
    """Every `sh` block in its order, as it stands, on a Kafka that `up` starts; then the change has been told."""
    own_data(tmp_path / "events.csv")
    steps = [block.text for block in blocks(README, "sh")]
    assert [step.strip() for step in steps].count(UP) == 1

    with walking(tmp_path) as walk:
        for step in steps:
            walk.run(step)
        alerts: list[dict] = []
        deadline = time.monotonic() + 90
        while not alerts and time.monotonic() < deadline:
            alerts = [json.loads(line) for line in walk.run("millrace alerts --json").splitlines()]
            time.sleep(0.5)
        for alert in alerts:
            jsonschema.validate(alert, schemas()["alerts"])
        assert alerts, "".join(walk.heard)
        assert alerts[0]["phase"] == "started"
        assert "feature:amount" in {subject["subject"] for subject in alerts[-1]["subjects"]}
        assert walk.stop() == 0, "".join(walk.heard)


def test_the_two_commands_are_targets_of_the_makefile():
    """`make demo` and `make test`, and nothing else is needed before them."""
    assert session_lines(README)[:2] == ["make demo", "make test"]
    for command in session_lines(README)[:2]:
        told = subprocess.run(
            [*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        assert told.stdout


def test_the_demo_is_the_one_described():
    """Rows and places of the changes, as the demo has them."""
    rows = len(shuttle(None).rows)

    for number in (rows, int(rows * 0.4), int(rows * 0.75)):
        assert f"{number:,}" in prose(README)


def test_every_topic_is_in_the_table(tmp_path):
    """All ten in the order in which `topics create` makes them, no other."""
    table = [line.split("|")[1].strip(" `") for line in prose(README).splitlines() if line.startswith("| `")]

    assert table == [spec.role for spec in topic_specs(minimal(tmp_path))]


def test_the_alert_is_one():
    """The JSON shown is what the schema describes, and its phase is in its id."""
    (shown,) = (json.loads(block.text) for block in blocks(README, "json"))

    jsonschema.validate(shown, schemas()["alerts"])
    assert shown["id"].split("/")[:2] == [shown["incident"], shown["phase"]]
    assert set(shown) == set(schemas()["alerts"]["properties"])


def test_the_picture_is_there_and_needs_nothing_from_elsewhere():
    """One SVG without scripts or links, which reads in light and dark."""
    picture = (ROOT / "docs" / "flow.svg").read_text(encoding="utf-8")

    assert "docs/flow.svg" in README.read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in picture
    assert "href" not in picture
    assert "<script" not in picture
    for topic in ("features", "labels", "predictions", "examples", "models", "metrics", "alerts", "retrain"):
        assert f">{topic}</text>" in picture


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_node_snippet_is_javascript(tmp_path):
    """`node --check` takes it, and it is the guide's."""
    (snippet,) = blocks(README, "js")
    assert snippet.text == blocks(ROOT / "docs" / "subscribing.md", "js")[0].text
    (tmp_path / "pager.js").write_text(snippet.text)

    subprocess.run(["node", "--check", "pager.js"], cwd=tmp_path, check=True, timeout=60)


def minimal(folder) -> Config:
    """The least that is a config."""
    path = folder / "millrace.toml"
    path.write_text(
        'name = "shop"\n[target]\ntask = "binary"\nlabels = ["no", "yes"]\npositive = "yes"\n'
        '[features]\namount = "numeric"\n[models.candidates.champion]\nmodel = "logistic_regression"\n'
    )
    return load(path)
