"""What people are told, broken by hand: windows, alerts and retrain requests that do not belong to the history."""

from __future__ import annotations

import pytest
from promised_run import (
    ALERTS,
    INCIDENT,
    TOLD,
    WINDOWS,
    again,
    alert,
    incident,
    log,
    monitor,
    replaced,
    request,
    rows,
    run,
    told,
    window,
)

BROKEN = {
    # the history
    "a window is told twice and differently": (
        run(metrics=again("metrics", window(3))),
        "windows: p.metrics/0/4 window 3 was told before",
    ),
    "a window is missing": (
        run(metrics=[row for row in rows("metrics") if row.offset != 2]),
        "windows: p.metrics/0/3 window 4 follows 2",
    ),
    "the first window is missing": (
        run(metrics=rows("metrics")[1:]),
        "windows: p.metrics/0/1 windows must be told from 1",
    ),
    "the monitor forgot a window it had told": (
        run(monitor=monitor(3)),
        "windows: p.metrics/0/3 window 4 was told, the monitor's history has 3",
    ),
    "the last window was never told": (run(monitor=monitor(5)), "windows: monitor its history has 5 windows, 4"),
    "a window's cut is another": (
        run(metrics=replaced("metrics", 0, window(1, id="other"))),
        "windows: p.metrics/0/0 window 1 does not bear the name",
    ),
    "a window goes back": (
        run(metrics=replaced("metrics", 3, window(4) | {k: window(0)[k] for k in ("id", "cut")})),
        "windows: p.metrics/0/3 window 4 does not end behind",
    ),
    "a cut is told of two windows": (
        run(metrics=again("metrics", window(5) | {k: window(4)[k] for k in ("id", "cut")}), monitor=monitor(5)),
        "windows: p.metrics/0/4 window 5 does not end behind",
    ),
    "something was told, and there is no state": (run(monitor=None), "windows: p.metrics/0 something was told"),
    # alerts
    "an alert is of no window": (
        run(alerts=again("alerts", alert("started", 7, begun=7))),
        "alerts: p.alerts/0/3 " + incident(7) + "/started/1 is named by no window",
    ),
    "an incident was never told": (
        run(alerts=rows("alerts")[1:]),
        f"alerts: p.metrics/0/1 {INCIDENT}/started/1 is in the history, and nobody was told",
    ),
    "an end was never told": (
        run(alerts=rows("alerts")[:-1]),
        f"alerts: p.metrics/0/3 {INCIDENT}/recovered/1 is in the history, and nobody was told",
    ),
    "what came after the last window was never told": (
        run(monitor=monitor(told=[f"{incident(5)}/started/1"])),
        f"alerts: monitor {incident(5)}/started/1 is in the history, and nobody was told",
    ),
    "a phase between two was never told": (
        run(alerts=again("alerts", alert("escalated", 4, count=3)), monitor=monitor(told=[f"{INCIDENT}/escalated/3"])),
        f"alerts: p.alerts/0/3 {INCIDENT}/escalated/2 is missing",
    ),
    "a phase comes after the end": (
        run(alerts=again("alerts", alert("escalated", 5, count=2)), monitor=monitor(told=[f"{INCIDENT}/escalated/2"])),
        f"alerts: p.alerts/0/2 {INCIDENT} goes on after it has recovered",
    ),
    "an incident has no beginning": (
        run(
            metrics=replaced("metrics", 1, window(2, INCIDENT)),
            alerts=log(*[(0, said) for said in ALERTS[1:]]),
        ),
        f"alerts: p.alerts/0/0 {INCIDENT} has escalated before it started",
    ),
    "an alert changes": (
        run(alerts=again("alerts", ALERTS[0] | {"title": "another"})),
        f"alerts: p.alerts/0/3 {INCIDENT}/started/1 was told before, and differently",
    ),
    "an alert is told later than the history has it": (
        run(alerts=replaced("alerts", 0, alert("started", 3))),
        f"alerts: p.alerts/0/0 {INCIDENT}/started/1 is not told where the history has it",
    ),
    "an alert is told earlier than the history has it": (
        run(alerts=replaced("alerts", 2, alert("recovered", 2))),
        f"alerts: p.alerts/0/2 {INCIDENT}/recovered/1 is not told where the history has it",
    ),
    "an incident bears another name": (
        run(
            metrics=log(
                *[
                    (0, said | {"told": [identity.replace(INCIDENT, "other") for identity in said["told"]]})
                    for said in WINDOWS
                ]
            ),
            alerts=log(
                *[(0, said | {"incident": "other", "id": said["id"].replace(INCIDENT, "other")}) for said in ALERTS]
            ),
            retrain=[],
            monitor=monitor(asked=""),
        ),
        "alerts: p.alerts/0/0 other/started/1 does not bear the name of its cut",
    ),
    "an alert bears another name": (
        run(alerts=again("alerts", alert("escalated", 4, id="anything")), monitor=monitor(told=["anything"])),
        "alerts: p.alerts/0/3 anything must be named by its incident",
    ),
    "an alert is named by two windows": (
        run(metrics=replaced("metrics", 2, window(3, INCIDENT, told=[*TOLD[2], *TOLD[1]]))),
        f"alerts: p.metrics/0/2 {INCIDENT}/started/1 is named by two windows",
    ),
    "an alert cannot be read": (run(alerts=again("alerts", b"{")), "alerts: p.alerts/0/3 cannot be read"),
    "an alert was removed from a log that keeps everything": (
        run(begins={"alerts": 1}, unlimited=["alerts"]),
        f"alerts: p.metrics/0/1 {INCIDENT}/started/1 is in the history",
    ),
    # retrain requests
    "a request was never told": (run(retrain=[]), f"retrain: p.metrics/0/2 {INCIDENT}/retrain is in the history"),
    "a request was made and forgotten": (
        run(
            metrics=replaced("metrics", 2, window(3, INCIDENT, told=TOLD[2][:1])),
            retrain=[],
        ),
        f"retrain: monitor {INCIDENT}/retrain was made",
    ),
    "a request is of no window": (
        run(retrain=again("retrain", request(7, begun=7))),
        f"retrain: p.retrain/0/1 {incident(7)}/retrain is named by no window",
    ),
    "a request comes after its window": (
        run(retrain=log((0, request(4)))),
        f"retrain: p.retrain/0/0 {INCIDENT}/retrain is not told where",
    ),
    "a request bears another name": (
        run(retrain=again("retrain", request(5, id="x/retrain")), monitor=monitor(told=["x/retrain"])),
        "retrain: p.retrain/0/1 x/retrain must be named by its incident",
    ),
    "a request changes": (
        run(retrain=again("retrain", request(3, examples=2))),
        f"retrain: p.retrain/0/1 {INCIDENT}/retrain was told before, and differently",
    ),
}


@pytest.mark.parametrize(("evidence", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_each_broken_promise_is_found(evidence, words):
    """A check that cannot fail proves nothing."""
    assert any(line.startswith(words) for line in told(evidence)), told(evidence)
