"""Watch: alarms by the row, one incident for one change, and what people are told of it."""

import msgspec
import pytest
from watch_stream import (
    CHANGED,
    COARSE,
    CONFIG,
    DRIFT,
    REFERENCE,
    SLIDE,
    TURN,
    WINDOW,
    Told,
    config,
    feed,
    stream,
    watched,
)

from streams.messages import encode
from streams.stages.watch import Seen, Watch

WHOLE = watched(CHANGED, COARSE)


def rows_at(alert):
    """Predictions below an alert's cut."""
    return sum(offset for place, offset in alert["cut"]["offsets"].items() if "predictions" in place)


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_covariate_shift_is_one_incident_about_the_shifted_feature(seed):
    """Told at the row that raised the alarm, a few rows after the change; over once the new data is taken as normal."""
    change = REFERENCE + 12 * SLIDE
    told = watched(stream(change + 20 * SLIDE, seed, shift=change))
    alerts = told.read("alerts")

    assert [alert["phase"] for alert in alerts] == ["started", "recovered"]
    assert len({alert["incident"] for alert in alerts}) == 1
    started, recovered = alerts
    assert [subject["subject"] for subject in started["subjects"]] == ["feature:x"]
    assert change < rows_at(started) <= change + 20
    assert change - 10 <= (started["since_ms"] - 1_000) / 10 <= change + 5
    assert sum(offset for place, offset in started["since"].items() if "predictions" in place) <= change
    assert started["subjects"][0]["standing"] == "budget holds, stability unchecked"
    assert recovered["reason"] == "rebased"
    assert rows_at(recovered) == rows_at(started) + 200
    assert recovered["events"] == 200


@pytest.mark.parametrize("seed", range(1, 4))
def test_an_alert_says_how_large_the_change_is(seed):
    """Over the rows since: three standard deviations are nearly all of the distribution, many times the threshold."""
    change = REFERENCE + 12 * SLIDE
    started, recovered = watched(stream(change + 20 * SLIDE, seed, shift=change)).read("alerts")
    (subject,) = started["subjects"]

    assert (subject["source"], subject["aspect"]) == ("ks_distance", "value")
    assert subject["value"] > 0.5
    assert subject["strength"] == pytest.approx(subject["value"] / subject["threshold"])
    assert set(subject["detail"]) >= {"psi", "wasserstein", "jensenshannon"}
    assert started["severity"] == recovered["severity"] == "warning"


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_concept_change_raises_the_loss_and_asks_for_a_new_model(seed):
    """The features stay as they are: only examples can tell. One request, once there are examples since the change."""
    told = watched(stream(TURN + 400, seed, turn=TURN), config(rebase_after_rows=0))
    alerts, requests = told.read("alerts"), told.read("requests")

    assert [(alert["phase"], alert["severity"]) for alert in alerts[:1]] == [("started", "critical")]
    assert alerts[0]["subjects"][0]["subject"] == "loss"
    assert len(requests) == 1
    assert requests[0]["id"] == f"{alerts[0]['incident']}/retrain"
    assert (requests[0]["cause"], requests[0]["basis"]) == ("hurt", "since_change")
    ((place, (first, end)),) = requests[0]["ranges"].items()
    assert place == "shop.examples/0"
    assert TURN - WINDOW < first < TURN + 20
    assert requests[0]["examples"] == end - first == 50


def test_whether_it_hurts_is_unknown_at_first_and_told_once_it_is_certain():
    """A shift that makes the answers wrong: labels come later, and then the incident is critical."""
    change = REFERENCE + 12 * SLIDE
    told = watched(stream(change + 400, shift=change, turn=change), config(rebase_after_rows=0)).read("alerts")

    started = told[0]
    assert started["subjects"][0]["subject"] == "feature:x"
    assert started["hurt"]["words"] == "unknown: no labels yet"
    assert started["severity"] == "warning"
    (certain,) = [alert for alert in told if alert["reason"] == "hurts"]
    assert certain["severity"] == "critical"
    assert certain["hurt"]["verdict"] == "worse"
    assert certain["hurt"]["low"] > 0
    assert certain["hurt"]["before"] == pytest.approx(0.1, abs=0.06)
    assert certain["hurt"]["since"] == pytest.approx(0.8, abs=0.15)


def test_a_change_that_is_still_there_is_told_once():
    """It shows again and again: counted, not told."""
    told = watched(stream(1_600, shift=400), config(rebase_after_rows=1_000)).read("alerts")

    assert [alert["phase"] for alert in told] == ["started", "recovered"]
    assert told[1]["repeats"] > 20


def test_after_so_many_rows_a_change_is_the_new_normal():
    """The incident ends, a new reference is collected from then on, and the same data raises nothing any more."""
    change = REFERENCE + 4 * SLIDE
    told = watched(stream(change + 60 * SLIDE, shift=change))
    windows, (started, recovered) = told.read("metrics"), told.read("alerts")
    digests = list(dict.fromkeys(window["reference"] for window in windows))

    assert len(digests) == len(told.objects) == 2
    assert recovered["events"] == DRIFT["rebase_after_rows"]
    assert {window["incident"] for window in windows if window["reference"] == digests[0]} == {
        None,
        started["incident"],
    }
    assert {window["incident"] for window in windows if window["reference"] == digests[1]} == {None}
    assert [window["window"] for window in windows] == list(range(1, len(windows) + 1))


def test_zero_rows_to_rebase_means_never():
    """The reference stays what it was."""
    told = watched(stream(1_200, shift=400), config(rebase_after_rows=0))

    assert len(told.objects) == 1
    assert told.read("metrics")[-1]["incident"] == told.read("alerts")[0]["incident"]


def test_a_change_that_goes_away_is_over():
    """Back to the reference: the incident recovers by itself, and nobody is asked to retrain for it."""
    before, _, _ = logs = stream(1_400, shift=400)
    calm = stream(1_400)
    mixed = tuple(
        [row if row.timestamp < 6_000 else other for row, other in zip(log, plain, strict=True)]
        for log, plain in zip(logs, calm, strict=True)
    )
    told = watched(mixed, config(rebase_after_rows=0, quiet_rows=200))

    assert len(before) == len(calm[0])
    assert [(alert["phase"], alert["reason"]) for alert in told.read("alerts")] == [
        ("started", ""),
        ("recovered", "quiet"),
    ]


def test_a_window_says_what_the_budget_promises_and_what_would_have_been_seen():
    """In words for people, and in numbers; what was told since the window before is named."""
    change = REFERENCE + 12 * SLIDE
    told = watched(stream(change + 20 * SLIDE, shift=change))
    windows, alerts = told.read("metrics"), told.read("alerts")
    calm = windows[8]

    assert calm["budget"]["standing"] == "budget holds, stability unchecked"
    assert (calm["budget"]["false_alarms"], calm["budget"]["events_per_alarm"]) == ("1 per 20000 events", 20_000)
    assert calm["budget"]["events"] == REFERENCE + 9 * SLIDE
    assert calm["budget"]["loss"]["holds"]
    x = next(column for column in calm["columns"] if column["subject"] == "feature:x")
    assert (x["verdict"], x["budget"]["holds"]) == ("stable", True)
    assert x["budget"]["sensitivity"].startswith("stable (no shift above 0.")
    shown = next(column for column in calm["columns"] if column["subject"] == "confidence")
    assert "budget" not in shown
    assert windows[0]["columns"][0]["budget"]["sensitivity"].startswith("not_enough_data (needs ")
    named = [identity for window in windows for identity in window["told"]]
    assert sorted(named) == sorted(record["id"] for record in (*alerts, *told.read("requests")))
    drifting = [window for window in windows if window["verdict"] == "drift"]
    assert {column["verdict"] for w in drifting for column in w["columns"] if column["subject"] == "feature:x"} == {
        "drift"
    }
    assert "drift" not in {c["verdict"] for w in drifting for c in w["columns"] if c["subject"] == "feature:y"}


@pytest.mark.parametrize("window_rows", [50, 200, 1_000, 5_000])
@pytest.mark.parametrize("limit", [1, 37, 700])
def test_no_display_window_and_no_split_changes_an_alert(window_rows, limit):
    """Alarms are decided by the row: the bytes that go on the topic are the same."""
    settings = config(window_rows=window_rows, slide_rows=min(window_rows, 40), rows_min=40)
    told = watched(CHANGED, settings, [(limit, False)] * (1_000 // limit))

    assert len(told.alerts) >= 3
    assert told.alerts == WHOLE.alerts
    assert told.requests == WHOLE.requests


@pytest.mark.parametrize("window_rows", [50, 5_000])
def test_how_large_a_change_is_does_not_hang_on_the_window(window_rows):
    """A second feature follows 20 rows later: the list comes 60 rows after the alarm, over more rows than are shown."""
    logs = stream(700, shift=400)

    def followed(row):
        said = msgspec.json.decode(row.value)
        if row.timestamp >= 1_000 + 10 * 420:
            said["features"]["y"] += 3
        return row._replace(value=encode(said))

    moved = (*(list(map(followed, log)) for log in logs[:2]), logs[2])
    alerts = watched(moved, config(window_rows=window_rows, slide_rows=25, rows_min=40)).alerts

    assert alerts == watched(moved).alerts
    listing = msgspec.json.decode(alerts[1])
    assert (listing["reason"], len(listing["subjects"])) == ("features: 2", 2)


def test_rebased_by_hand_an_incident_ends_and_a_new_reference_is_collected():
    """Between two steps; what comes is normal from here on."""
    logs = stream(1_400, shift=400)
    watch, told = feed(Watch(CONFIG), logs), Told()
    while watch.incidents.open_incident is None:
        told.take(watch.step(20))
    seen = Seen()
    watch.rebase(seen)
    told.take(seen)
    while (more := watch.step(100)) is not None:
        told.take(more)

    assert [(alert["phase"], alert["reason"]) for alert in told.read("alerts")] == [
        ("started", ""),
        ("recovered", "rebased"),
    ]
    assert len(told.objects) == 2
