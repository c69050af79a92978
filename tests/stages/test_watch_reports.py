"""Reports: one at the alarm, whose window reaches back before the change, and one when it does not any more."""

from watch_stream import CONFIG, DRIFT, WINDOW, Told, config, feed, stream

from streams.stages.watch import Watch
from streams.stages.watch_state import WatchState, load_watch, pack_watch
from streams.state.outbox import Outbox


def reports_of(logs, settings=CONFIG, limit=100, restart_every=10**9):
    """(Incident, window's first and last time) of every report ordered, and the alerts."""
    watch, told, found, step = feed(Watch(settings), logs), Told(), [], 0
    while (seen := watch.step(limit)) is not None:
        told.take(seen)
        found += [(due.phase.incident, due.window.from_ms, due.window.to_ms) for due in seen.reports]
        step += seen.rows > 0
        if seen.rows and step % restart_every == 0:  # not in the middle of a window, which would begin anew each time
            watch = feed(load_watch(settings, told, pack_watch(WatchState(watch, Outbox(), {}), 1)).watch, logs)
    return found, told.read("alerts")


def test_the_second_report_of_an_incident_shows_nothing_from_before_the_change():
    """The first is there at once, and mostly of calm rows; the next takes its place, once."""
    found, alerts = reports_of(stream(1_000, shift=400), config(rebase_after_rows=0))
    started = next(alert for alert in alerts if alert["phase"] == "started")
    (first, second) = found

    assert {first[0], second[0]} == {started["incident"]}
    assert first[1] < started["since_ms"] <= second[1]
    assert second[2] - second[1] == 10 * (WINDOW - 1), "whole, and the first that is"
    assert second[1] - started["since_ms"] < 10 * DRIFT["slide_rows"]


def test_restarts_and_batches_order_the_same_reports():
    """What is still to be made is part of the checkpoint."""
    logs = stream(1_000, shift=400)

    assert reports_of(logs, limit=37, restart_every=3) == reports_of(logs)


def test_a_change_that_is_over_before_the_window_is_full_of_it_has_its_first_report_only():
    """Nothing is ordered of an incident that is over."""
    found, alerts = reports_of(stream(1_000, shift=400), config(window_rows=600, rebase_after_rows=200))

    assert [alert["phase"] for alert in alerts][-1] == "recovered"
    assert len(found) == 1
