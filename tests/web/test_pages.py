"""Every page over every kind of record: foreign text stays text, and each state has its words."""

from __future__ import annotations

import json
import time
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from page_records import (
    HOSTILE,
    NOW_MS,
    alert,
    column,
    facts,
    request,
    score,
    version,
    window,
)
from page_story import story

from streams.messages import ColumnStanding, Cut, Instruction
from streams.status import StateFacts
from streams.web.view import Letter, Store

PAGES = ("/", "/incidents", "/drift", "/models", "/dead-letters")


def fill_hostile(view, text=HOSTILE):
    """Every string that may come over the wire, hostile."""
    scores = {"champion": score(0.9), text: score(0.8), "prior": score(0.7) | {text: 0.5}}
    stands = ColumnStanding(standing=text, holds=True, sensitivity=text)
    columns = [
        column(text, statistic=text, statistics={text: 0.7}, verdict="drift", budget=stands),
        column(f"feature:{text}"),
    ]
    budget = msgspec.structs.replace(window().budget, standing=text, false_alarms=text)
    alarm = {"subject": text, "detector": text, "row": 1, "event_ms": NOW_MS}
    labels = {"predictions": 9, "examples": 8, "coverage": 0.8, "delay_ms": {text: 5.0}}
    view.window(window(1))
    for number in (2, 3):
        view.window(
            window(
                number,
                id=f"{text}{number}",
                columns=columns,
                quality=scores,
                labels=labels,
                alarms=[alarm],
                incident=text,
                budget=budget,
            )
        )
    subjects = [{"subject": text, "source": text, "value": 1, "threshold": 0.1, "detail": {text: text, "fired": 1.0}}]
    fields = {"id": text, "title": text, "subjects": subjects, "model": text, "reason": text, "report": text}
    view.alert(alert(text, cut=Cut(text, {text: 5}), **fields), NOW_MS)
    for action in ("acknowledge", "close", "silence"):
        said = Instruction(
            id="1",
            action=action,
            incident=text,
            subjects=[text, f"feature:{text}"],
            until_ms=NOW_MS,
            by=text,
            note=text,
        )
        view.instruction(said, NOW_MS)
    view.request(request(text, model=text, reason=text, ranges={text: (1, 2)}))
    view.version(version(model=text, scores={text: {"window": {"accuracy": text}, "total": text}, "champion": text}))
    view.letter(Letter(told_ms=NOW_MS, reason=text, topic=text, partition=text, offset=text))
    view.heard(facts(bootstrap=text, missing=[text]), NOW_MS)
    view.looked(Store(states=[StateFacts(name="task-0", problem=text)], problem=""))
    view.lost(text)


def paths_of(view):
    return [
        *PAGES,
        *(f"/incidents/{each.id}" for each in view.incidents.newest_first()),
        *(f"/drift/{subject}" for subject in view.history.last().subjects),
        "/nothing" + HOSTILE,
        "/drift/" + HOSTILE[::-1],
    ]


def test_foreign_text_is_text_on_every_page(view, look):
    """One script element, ours; no inline script, style or handler; and the words are there to be read."""
    fill_hostile(view)
    seen = 0
    for path in paths_of(view):
        said = look(path, status=404 if "nothing" in path or path.startswith("/drift/" + HOSTILE[::-1]) else 200)
        (script,) = said.page.of("script")
        assert script["src"].startswith("/static/")
        assert not said.page.of("img"), path
        assert not said.page.of("style"), path
        for tag, attributes in said.page.found:
            for name, value in attributes.items():
                assert not name.startswith("on"), (path, tag, attributes)
                assert name != "style", (path, tag, attributes)
                assert name not in {"href", "src"} or value.startswith(("/", "?", "#")), (path, tag, value)
                assert name not in {"href", "src"} or not value.startswith("//"), (path, tag, value)
        assert "\u202e" not in said.page.text
        assert "\x1b" not in said.page.text
        assert "{{7*7}}" in said.page.text or HOSTILE not in path
        seen += "</script><script>" in said.page.text
    assert seen >= 6


def test_every_link_leads_to_a_page(view, look):
    """From the overview on, whatever is linked and whatever may be chosen; hostile names and ids as well."""
    for role, record, told_ms in story(NOW_MS):
        take = {"metrics": view.window, "retrain": view.request, "models": view.version}.get(role)
        if take is not None:
            take(record)
        elif role == "alerts":
            view.alert(record, told_ms)
    fill_hostile(view)
    waiting, seen = [("/", "")], set()
    while waiting:
        path, query = waiting.pop()
        if (path, query) in seen:
            continue
        seen.add((path, query))
        for link in look(unquote(path), query).page.of("a"):
            there = urlsplit(link["href"])
            if link["href"].startswith("#"):
                continue
            waiting.append((there.path or path, there.query))
    assert {"/incidents/5f21c0de", "/drift/feature%3Aamount", "/models"} <= {path for path, _ in seen}
    assert len(seen) > 60


def test_a_hostile_incident_has_no_command_that_a_shell_would_take_apart(view, look):
    """What is copied is one argument, whatever the id."""
    fill_hostile(view, "x; rm -rf '$HOME' `id`")
    said = look("/incidents/x; rm -rf '$HOME' `id`")

    commands = [each["data-copy"] for each in said.page.of("button")]
    shown = [command for command in commands if "--incident" in command]
    assert set(shown) == {"millrace report --incident 'x; rm -rf '\"'\"'$HOME'\"'\"' `id`' --open"}
    assert len(shown) == 2


@pytest.mark.parametrize("path", PAGES)
def test_before_anything_was_heard_every_page_says_so(path, look):
    """No Kafka yet is a state of its own, not an empty success."""
    said = look(path)

    assert "Kafka has not answered yet" in said.page.text
    assert "no Kafka yet" in said.page.text
    assert "No dead letters." not in said.page.text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "No window has been compared yet."),
        ("/incidents", "No incident so far."),
        ("/drift", "No window has been compared yet."),
        ("/models", "No version has been published yet."),
        ("/dead-letters", "No dead letters."),
    ],
)
def test_an_empty_pipeline_is_told_what_comes_next(view, look, path, words):
    """Nothing there is no blank page."""
    view.heard(facts(), NOW_MS * 2)
    view.loaded = True

    assert words in look(path).page.text


@pytest.mark.parametrize("path", PAGES)
def test_what_is_old_is_said_to_be_old_and_stays(path, view, look):
    """The broker went away: all pages show what was, and since when it is not known."""
    view.window(window())
    view.alert(alert(), NOW_MS)
    view.heard(facts(), NOW_MS)
    view.lost("could not reach Kafka at 127.0.0.1:1")
    said = look(path)

    assert "stale since" in said.page.text
    assert "could not reach Kafka at 127.0.0.1:1" in said.page.text
    assert any(each.get("datetime") == "2027-01-15T08:00:00.000Z" for each in said.page.of("time"))


def test_what_is_only_true_now_is_not_shown_when_it_is_old(view, look):
    """Rates, lag and members of a broker that is away are not known; a worker that may well run is not called dead."""
    view.heard(facts(members={"worker": 0, "monitor": 0}), 1_000)
    assert "not known now" in look("/").page.text
    assert "not running" not in look("/").page.text
    now_ms = int(time.time() * 1000)
    view.heard(facts(members={"worker": 0, "monitor": 0}), now_ms)
    assert look("/").page.text.count("not running") == 2
    view.lost("gone")
    assert "not running" not in look("/").page.text


def test_the_overview_has_the_score_beside_the_baselines(view, look):
    """Never a score alone; with coverage, delays, and the incident on top."""
    for number in range(1, 6):
        view.window(window(number))
    view.alert(alert(title="amount has moved"), NOW_MS)
    view.heard(facts(), NOW_MS)
    said = look("/")

    (figure,) = (each for each in said.page.of("figure"))
    assert json.loads(figure["data-names"]) == ["prior", "no_change", "champion"]
    assert json.loads(figure["data-readout"])[-1] == {"t": NOW_MS + 5_000, "v": [0.6, 0.7, 0.9], "c": 0.8}
    assert any(each.get("class") == "coverage" for each in said.page.of("path"))
    for words in ("0.900", "no change 0.700", "prior 0.600", "p90", "amount has moved", "800", "pending or expired"):
        assert words in said.page.text, words


def test_a_metric_is_one_of_the_task_whatever_is_asked(view, look):
    """And where lower is better the axis begins at zero."""
    view.window(window(1))
    view.window(window(2))

    assert "Log loss over time" in look("/", "metric=log_loss").page.text
    assert "Accuracy over time" in look("/", f"metric={'<x>'}&windows=nine").page.text


def test_the_ledger_is_that_of_the_checkpoints(view, look):
    """As `millrace status` counts it; what the store does not say is said."""
    view.window(window())
    assert "Without the state store" in look("/").page.text
    counts = {"predicted": 5, "joined": 2, "expired": 1, "orphan": 1, "label_dead": 1}
    state = {"ledger": counts, "open": [3, 2], "waiting": {}}
    view.looked(Store(states=[StateFacts(name="task-0", created_ms=1, state=state)], problem=""))
    text = look("/").page.text

    assert "Without the state store" not in text
    for word in ("joined", "pending", "expired", "orphan", "dead letter"):
        assert word in text


def test_not_enough_data_looks_unlike_stable(view, look):
    """A thin line and words, not a calm cell."""
    columns = [column("feature:a"), column("feature:b", verdict="not_enough_data")]
    view.window(window(columns=columns))
    page = look("/drift").page

    shapes = {each["class"]: each["height"] for each in page.of("rect")}
    assert shapes == {"l1": "10", "nodata": "2"}
    labels = [each["aria-label"] for each in page.of("a") if "row" in each.get("class", "")]
    assert labels == [
        "feature:a: stable, 0.5 times the threshold; shown only",
        "feature:b: not enough data; shown only",
    ]


def test_the_budget_is_said_with_what_would_have_been_seen(view, look):
    """How many columns it holds for, the alarms there really were, and of each column what calm means there."""
    calm = ColumnStanding(standing="budget holds", holds=True, sensitivity="stable (no shift above 0.21 sd)")
    few = ColumnStanding(standing="budget holds", holds=True, sensitivity="not_enough_data (needs 282 rows for 0.5 sd)")
    seen = ColumnStanding(standing="observe only: reference not stable, budget not promised", holds=False)
    columns = [
        column(budget=calm),
        column("feature:rare", verdict="not_enough_data", budget=few),
        column("feature:season", 0.2, verdict="drift", budget=seen),
        column("feature:moved", 0.2, verdict="drift", budget=calm),
        column("confidence"),
    ]
    words = "budget holds for 3 of 4; observe only: reference not stable, budget not promised: season"
    budget = msgspec.structs.replace(window().budget, standing=words, alarms=2, events=170_000, loss=calm)
    view.window(window(columns=columns, budget=budget))
    page = look("/drift").page

    for said in ("1 per 100000 events", "for 3 of 5 columns", words, "2 in 170,000 events", "one per 85,000"):
        assert said in page.text, said
    assert "1 of 5 columns changed: feature:moved" in page.text
    assert "without an alarm, shown only: feature:season ." in page.text
    stands = [each["class"] for each in page.of("span") if each.get("class", "").startswith("stands")]
    assert stands == ["stands holds", "stands too-few", "stands observed", "stands changed", "stands shown"]
    assert "not enough data (needs 282 rows for 0.5 sd)" in page.text
    assert "budget holds; stable (no shift above 0.21 sd)" in look("/drift/feature:amount").page.text
    assert "outside of the false-alarm budget" in look("/drift/confidence").page.text


def test_a_changed_loss_is_said_where_no_column_has_changed(view, look):
    """The map has no row for it, and the budget's word on its sensitivity is no comfort while an incident is open."""
    calm = ColumnStanding(standing="budget holds", holds=True, sensitivity="stable (no share moved by more than 0.01)")
    budget = msgspec.structs.replace(window().budget, loss=calm)
    view.window(window(budget=budget, incident="i1", verdict="drift"))
    view.alert(alert(), NOW_MS)
    text = look("/drift").page.text
    assert "No column has changed as of window 1" in text
    assert "Loss has changed an incident is open" in text
    view.heard(facts(), NOW_MS)
    assert "0 of 1 column changed; its incident is open" in look("/").page.text

    view.alert(alert(phase="recovered", reason="rebased"), NOW_MS)
    text = look("/drift").page.text
    assert "Nothing has changed as of window 1" in text
    assert "stable (no share moved by more than 0.01)" in text
    assert "0 of 1 column changed; its incident is over" in look("/").page.text


def test_a_feature_has_its_history_and_its_incidents(view, look):
    """What it was, what its threshold was, and what was told about it."""
    for number in range(1, 4):
        view.window(window(number, columns=[column(value=0.1 * number, verdict="drift")]))
    view.alert(alert(title="amount has moved"), NOW_MS)
    said = look("/drift/feature:amount")

    (figure,) = said.page.of("figure")
    assert [each["v"] for each in json.loads(figure["data-readout"])] == [[0.1, 0.1], [0.1, 0.2], [0.1, 0.3]]
    assert "amount has moved" in said.page.text
    assert "0.3" in said.page.text
    look("/drift/feature:other", status=404)


def test_dead_letters_show_reasons_and_places_and_never_values(view, look):
    """The commonest reason first."""
    for number in range(5):
        reason = "no JSON" if number else "$.id must be there"
        view.letter(
            Letter(told_ms=NOW_MS + number, reason=reason, topic="shop.features", partition="2", offset=f"{number}")
        )
    view.heard(facts(), NOW_MS)
    text = look("/dead-letters").page.text

    assert text.index("no JSON") < text.index("$.id must be there")
    assert "shop.features/2 @4 shop.features/2 @3" in text


def test_a_page_of_ten_thousand_windows_is_little_more_than_one_of_a_thousand(view, look):
    """What is sent does not grow with the history."""
    for number in range(1_000):
        view.window(window(number))
    before = [len(look(path, "windows=all").body) for path in ("/", "/drift", "/drift/feature:amount")]
    for number in range(1_000, 10_000):
        view.window(window(number))
    after = [len(look(path, "windows=all").body) for path in ("/", "/drift", "/drift/feature:amount")]

    for small, large in zip(before, after, strict=True):
        assert large < 1.2 * small
        assert large < 100_000
