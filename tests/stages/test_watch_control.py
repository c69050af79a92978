"""What people ask of the monitor: done at its row, the same whatever crashes, and what does not fit changes nothing."""

import pytest
from protocol_world import Row
from watch_stream import REFERENCE, config, replayed, stream, watched

from streams.messages import Instruction, encode

CHANGE = 400
"""Row from which on x is another."""
LASTING = config(rebase_after_rows=0)
LOGS = stream(1_600, shift=CHANGE)
FIRST = watched(LOGS, LASTING).read("alerts")[0]
"""The alert that opens the incident about x."""


def at(row):
    """Record time of the row-th event."""
    return 1_000 + 10 * row


def asked(*said):
    """A log of control, of (row of the stream, action, further fields)."""
    return [
        Row(offset, at(row), None, encode(Instruction(f"i{offset}", action, by="ada", **fields)))
        for offset, (row, action, fields) in enumerate(said)
    ]


def told(*said, logs=LOGS, settings=LASTING):
    return watched((*logs, asked(*said)), settings)


def phases(found):
    return [(alert["phase"], alert.get("reason", "")) for alert in found.read("alerts")]


def test_an_acknowledged_incident_says_by_whom_from_then_on():
    """And is otherwise as it was."""
    logs = stream(1_600, shift=CHANGE, turn=700)
    plain, found = (told(*said, logs=logs) for said in ((), [(500, "acknowledge", {"incident": FIRST["incident"]})]))

    assert phases(found) == phases(plain)
    by = [alert.get("acknowledged", "") for alert in found.read("alerts")]
    assert len(by) > 1
    assert by == ["", *["ada"] * (len(by) - 1)]


def test_a_closed_incident_is_over_at_once_and_its_change_tells_nobody_more():
    """The same feature still differs for a thousand rows."""
    found = told((500, "close", {"incident": FIRST["incident"]}))

    assert phases(found) == [("started", ""), ("closed", "ada")]
    assert found.read("alerts")[1]["cut"]["offsets"]["shop.control/0"] == 1
    assert found.read("metrics")[-1]["incident"] is None


def test_what_was_not_closed_with_it_opens_another_incident():
    """The loss turns after somebody has closed the incident about x."""
    found = told((500, "close", {"incident": FIRST["incident"]}), logs=stream(1_600, shift=CHANGE, turn=700))

    started = [alert for alert in found.read("alerts") if alert["phase"] == "started"]
    assert [alert["subjects"][0]["subject"] for alert in started] == ["feature:x", "loss"]
    assert started[1]["incident"] != FIRST["incident"]


def test_a_silenced_feature_tells_nobody():
    """Until its time is over; what still differs then is told."""
    for_ever, for_a_while = (
        told((10, "silence", {"subjects": ["feature:x"], "until_ms": until})) for until in (at(10**6), at(900))
    )

    assert phases(for_ever) == []
    assert phases(for_a_while) == [("started", "")]
    assert for_a_while.read("alerts")[0]["since_ms"] < at(900)
    assert all(row["budget"]["alarms"] for row in for_ever.read("metrics")[-3:])  # counted all the same


def test_a_silence_may_be_ended():
    """As if it had never been, when it comes before the change."""
    about_x = {"subjects": ["feature:x"]}
    found = told((10, "silence", about_x | {"until_ms": at(10**6)}), (20, "unsilence", about_x))

    assert phases(found) == phases(told())


def test_one_silence_leaves_other_subjects_alone():
    """The loss is heard while x is silent."""
    logs = stream(1_600, shift=CHANGE, turn=700)
    found = told((10, "silence", {"subjects": ["feature:x"], "until_ms": at(10**6)}), logs=logs)

    assert {item["subject"] for alert in found.read("alerts") for item in alert["subjects"]} == {"loss"}


def test_rebase_takes_what_is_there_as_the_new_normal():
    """The incident recovers, the change is the reference, and what comes is judged against it."""
    found = told((600, "rebase", {}))

    assert phases(found) == [("started", ""), ("recovered", "rebased")]
    assert len({window["reference"] for window in found.read("metrics")}) == 2
    assert len(found.objects) == 2


@pytest.mark.parametrize("said", [(100, "rebase", {}), (10, "close", {"incident": "x"}), (0, "acknowledge", {})])
def test_what_does_not_fit_changes_no_alert(said):
    """An incident that is not open, a baseline that is still being collected anyway."""
    assert said[0] < REFERENCE
    assert phases(told(said)) == phases(told())


def test_an_instruction_of_an_earlier_history_does_not_drop_a_reference():
    """A rebuilt monitor reads control from its beginning, before any event of its own."""
    found = told((-50, "rebase", {}), (-40, "rebase", {}))

    assert [alert["since_ms"] for alert in found.read("alerts")] == [
        alert["since_ms"] for alert in told().read("alerts")
    ]
    assert len(found.objects) == 1


def test_what_is_no_instruction_is_passed_over():
    """Anybody may write to the topic."""
    rows = [Row(n, at(450), None, value) for n, value in enumerate([None, b"", b"{", b'{"id": "x", "action": "stop"}'])]
    found = watched((*LOGS, rows), LASTING)

    assert phases(found) == phases(told())


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_neither_restarts_nor_steps_change_what_follows_from_it(limit):
    """Everything that can be asked, in logs as crashes leave them."""
    logs = tuple(map(replayed, stream(1_000, shift=300, turn=500)))
    first = watched(logs, LASTING).read("alerts")[0]["incident"]
    said = (
        (50, "silence", {"subjects": ["loss"], "until_ms": at(600)}),
        (450, "acknowledge", {"incident": first}),
        (520, "close", {"incident": first}),
        (560, "unsilence", {"subjects": ["loss"]}),
        (800, "rebase", {}),
    )
    whole = told(*said, logs=logs)

    parts = watched((*logs, asked(*said)), LASTING, [(limit, number % 5 == 0) for number in range(1_200 // limit)])

    assert len(whole.alerts) > 2
    assert parts.words() == whole.words()
