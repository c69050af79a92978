"""The page of one incident: what changed, since when, whether it hurts, what to do."""

from __future__ import annotations

import json
import shlex

import pytest
from page_records import NOW_MS, alert, column, request, score, window

from streams.cli.main import run
from streams.messages import Histogram, Hurt, Instruction

PAGES = ("/", "/incidents", "/drift", "/models", "/dead-letters")


def test_an_incident_says_what_since_when_whether_it_hurts_and_what_to_do(view, look):
    """Score before and at worst beside the baselines', offsets, detectors, request, commands."""
    for number in range(1, 21):
        hurt = number > 12  # told two windows after it began
        quality = {
            "champion": score(0.5 if hurt else 0.8 if number > 10 else 0.9),
            "no_change": score(0.7),
            "prior": score(0.6),
        }
        alarms = (
            [{"subject": "loss", "detector": "adwin", "row": 1, "event_ms": NOW_MS + 13_000}] if number == 13 else []
        )
        view.window(window(number, quality=quality, alarms=alarms, incident="i1" if hurt else None))
    view.alert(alert(since_ms=NOW_MS + 10_500), NOW_MS + 13_100)
    view.request(request())
    said = look("/incidents/i1")

    text = said.page.text
    for words in ("champion 0.900 0.500 -0.400".replace("-", "\u2212"), "no_change 0.700 0.700 +0.000"):
        assert words in text, words
    for words in ("7,600", "7,381", "shop.examples/0", "[6,000, 7,381)", "adwin", "1,381 examples", "version 7,317"):
        assert words in text, words
    commands = [each["data-copy"] for each in said.page.of("button")]
    assert commands[:-1] == [
        "millrace replay --alert i1",
        "millrace report --incident i1 --open",
        "millrace retrain-requests",
        "millrace incidents acknowledge i1",
        "millrace incidents silence amount loss --until 24h",
        "millrace drift rebase",
        "millrace incidents close i1",
    ]
    assert "unknown: no labels yet" in text
    assert "shop.predictions/0 @7,450" in text
    assert "It is not on this machine." in text
    assert not said.page.of("iframe")
    look("/incidents/i2", status=404)


def test_what_can_be_asked_of_an_incident_is_what_is_still_to_be_asked(view, look):
    """Who has acknowledged it may be followed by somebody else; what is over is only looked at."""
    view.alert(alert(acknowledged="ada"), NOW_MS)
    said = look("/incidents/i1")
    commands = [each["data-copy"] for each in said.page.of("button")]
    assert "acknowledged by ada" in said.page.text
    assert "you take it over" in said.page.text
    assert {"millrace incidents acknowledge i1", "millrace incidents close i1"} <= set(commands)

    view.alert(alert(phase="closed", reason="by ada"), NOW_MS)
    commands = [each["data-copy"] for each in look("/incidents/i1").page.of("button")]
    assert not any("incidents" in command or "rebase" in command for command in commands)


def instruct(view, action, told_ms=NOW_MS, **fields):
    view.instruction(Instruction(id=f"{action}-{told_ms}", action=action, **fields), told_ms)


def test_who_has_acknowledged_is_there_before_the_next_alert_says_so(view, look):
    """By name, when and why, on every page that shows the incident; the newest word counts, and only of this one."""
    view.alert(alert(), NOW_MS)
    view.alert(alert("i2"), NOW_MS)
    instruct(view, "acknowledge", NOW_MS + 1_000, incident="i1", by="ada", note="new tariff")
    words = "acknowledged by ada 2027-01-15 08:00:01 UTC : new tariff"
    assert all(words in look(path).page.text for path in ("/", "/incidents", "/incidents/i1"))
    assert "acknowledged" not in look("/incidents/i2").page.text

    instruct(view, "acknowledge", NOW_MS + 2_000, incident="i1", by="bob")
    instruct(view, "close", NOW_MS + 3_000, incident="i1", by="eve")
    text = look("/incidents/i1").page.text
    assert "acknowledged by bob 2027-01-15 08:00:02 UTC" in text
    assert "to be closed, asked by eve" in text

    view.alert(alert(phase="closed", reason="by eve"), NOW_MS + 4_000)
    assert "to be closed" not in look("/incidents/i1").page.text
    assert "acknowledged" not in look("/").page.text.split("Incidents all")[1]


def test_what_is_silenced_says_until_when_by_whom_and_how_to_end_it(view, look):
    """On the overview and beside the subject, missing values of a feature with it; over, or taken back, it is gone."""
    subjects = [{"subject": name} for name in ("quality:amount", "loss")]
    view.alert(alert(subjects=subjects), NOW_MS)
    instruct(view, "silence", subjects=["feature:amount"], until_ms=NOW_MS + 9_000, by="ada", note="known")
    instruct(view, "silence", subjects=["loss"], until_ms=1, by="bob")
    overview, incident = look("/"), look("/incidents/i1")

    assert "feature:amount silenced until 2027-01-15 08:00:09 UTC by ada: known" in overview.page.text
    assert "millrace incidents unsilence amount" in [each["data-copy"] for each in overview.page.of("button")]
    view.window(window())
    assert "feature:amount silenced" in look("/drift").page.text
    assert "quality:amount silenced until 2027-01-15 08:00:09 UTC by ada" in incident.page.text
    commands = [each["data-copy"] for each in incident.page.of("button")]
    assert "millrace incidents unsilence amount" in commands
    assert "millrace incidents silence loss --until 24h" in commands

    instruct(view, "unsilence", subjects=["feature:amount"])
    assert "silenced" not in look("/").page.text
    assert "millrace incidents silence amount loss --until 24h" in [
        each["data-copy"] for each in look("/incidents/i1").page.of("button")
    ]


def test_a_silence_of_something_else_is_shown_without_a_command(view, look):
    """Anybody may write to the topic: a subject that is none of ours is no argument of a shell."""
    instruct(view, "silence", subjects=["feature:$(reboot)", "prediction"], until_ms=NOW_MS)
    said = look("/")

    assert "feature:$(reboot) silenced until" in said.page.text
    assert not [each for each in said.page.of("button") if "unsilence" in each["data-copy"]]


def test_every_command_that_a_page_shows_is_one_that_millrace_has(view, look):
    """With its options: what a person copies at night works."""
    view.window(window(incident="i1"))
    view.alert(alert(), NOW_MS)
    view.request(request())
    instruct(view, "silence", subjects=["loss"], until_ms=NOW_MS)
    shown = {each["data-copy"] for path in (*PAGES, "/incidents/i1") for each in look(path).page.of("button")}

    assert len(shown) >= 7
    for command in shown:
        assert run([*shlex.split(command)[1:], "--help"]) == 0, command  # options are read before help is given
    assert run(["incidents", "close", "i1", "--no-such-option", "--help"]) != 0


def test_an_incident_says_how_much_its_loss_has_changed_and_that_it_is_not_sure(view, look):
    """The interval of the monitor on a line with zero in its middle, beside every candidate's scores."""
    words = "the loss is higher by 0.1 to 0.2 (0.1 before, 0.25 since)"
    hurt = Hurt(
        verdict="worse", words=words, examples_before=9, examples_since=9, before=0.1, since=0.25, low=0.1, high=0.2
    )
    view.alert(alert(hurt=hurt), NOW_MS)
    said = look("/incidents/i1")

    assert words in said.page.text
    (drawn,) = [each for each in said.page.of("rect") if each.get("class") == "bad" and each["y"] == "3"]
    assert (drawn["x"], drawn["width"]) == ("72.5", "22.5")
    assert "change of the loss between +0.100 and +0.200" in said.text


def test_an_incident_shows_how_its_columns_were_spread_when_they_stood_farthest_off(view, look):
    """Reference and window, in few bins; the newest window, when all is calm again, says nothing of the change."""
    calm = Histogram(reference=[90, 10, 0], current=[80, 20, 0], values=["NZ", "PE"])
    moved = Histogram(reference=[90, 10, 0], current=[25, 75, 0], values=["NZ", "PE"])
    numbers = Histogram(reference=[10, 70, 10, 10], current=[0, 0, 50, 50], low=1.5, high=9.5)
    for number, (country, value) in enumerate([(calm, 0.2), (moved, 0.5), (calm, 0.1)]):
        columns = [column("feature:country", value, histogram=country), column(value=value, histogram=numbers)]
        view.window(window(number, columns=columns, incident="i1"))
    item = {"source": "ks", "value": 1, "threshold": 0.1, "since_ms": NOW_MS}
    subjects = [item | {"subject": subject} for subject in ("quality:country", "feature:amount", "loss")]
    view.alert(alert(subjects=subjects), NOW_MS)
    said = look("/incidents/i1")

    assert "PE 10 % \u2192 75 %" in said.page.text
    assert "NZ 90 % \u2192 25 %" in said.page.text
    (drawn,) = (each for each in said.page.of("svg") if each.get("class") == "shape")
    assert "1.5 to 5.5 70 % before, 0 % now" in drawn["aria-label"]
    assert "NZ 90 % \u2192 80 %" in look("/drift/feature:country").page.text


@pytest.mark.parametrize(
    "told",
    [
        Histogram(reference=[], current=[]),
        Histogram(reference=[1], current=[1, 2]),
        Histogram(reference=[0, 0], current=[1, 1], values=["a"]),
        Histogram(reference=[1, 1], current=[1, 1], values=["a", "b"]),
        Histogram(reference=[1] * 1_000, current=[1] * 1_000),
        Histogram(reference=[1, 1], current=[1, 1], low=9.9e307, high=-9.9e307),
    ],
)
def test_what_is_no_histogram_is_not_drawn(view, look, told):
    """Whatever somebody puts on the topic, the pages are there."""
    view.window(window(1, columns=[column(histogram=told)], incident="i1"))
    view.alert(alert(), NOW_MS)

    look("/incidents/i1")
    look("/drift/feature:amount")


def test_a_rendered_report_stands_in_a_sandbox(view, look, tmp_path):
    """Scripts and nothing else: no origin, no forms, no top navigation."""
    folder = tmp_path / "reports" / "i1"
    folder.mkdir(parents=True)
    job = {"title": "t", "window": 1, "severity": "critical", "from_ms": 1, "to_ms": 2, "incident": "i1"}
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "result.json").write_text('{"ok": true}')
    (folder / "report.html").write_text("<p>report</p>")
    view.alert(alert(), NOW_MS)
    said = look("/incidents/i1")

    (frame,) = said.page.of("iframe")
    made_ms = (folder / "report.html").stat().st_mtime_ns // 1_000_000
    assert (frame["sandbox"], frame["src"]) == ("allow-scripts", f"/reports/i1?made={made_ms}")
    assert look("/reports/i1", f"made={made_ms}").body == b"<p>report</p>"
    assert "Some are from before the change: it is made again" in said.page.text


def test_a_report_that_is_made_again_is_shown_as_it_was_until_then(view, look, tmp_path):
    """Nobody looks at an empty place meanwhile; should it fail, nothing of before is left."""
    folder = tmp_path / "reports" / "i1"
    folder.mkdir(parents=True)
    job = {"title": "t", "window": 1, "severity": "critical", "from_ms": NOW_MS, "to_ms": NOW_MS, "incident": "i1"}
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "report.html").write_text("<p>report</p>")
    view.alert(alert(), NOW_MS)
    said = look("/incidents/i1")
    assert said.page.of("iframe")
    assert "from before the change" not in said.page.text

    (folder / "report.html").unlink()
    assert "It is being rendered." in look("/incidents/i1").page.text
    (folder / "result.json").write_text('{"ok": false, "error": "x"}')
    assert "It could not be rendered." in look("/incidents/i1").page.text
