"""What the demo says of itself."""

from streams.demo.changes import Change
from streams.demo.story import Story, tell_alerts
from streams.messages import Alert, Cut, Hurt

COVARIATE = Change(kind="covariate", at=100, what="a rises")
CONCEPT = Change(kind="concept", at=200, what="labels turn")


def alert(number, events, phase="started", subject="feature:a"):
    return Alert(
        id=f"i{number}/{phase}/1",
        incident=f"i{number}",
        phase=phase,
        severity="info",
        title="a has changed",
        subjects=[{"subject": subject}],
        since_ms=0,
        cut=Cut(str(events), {}),
        since={},
        hurt=Hurt(verdict="unknown", words="unknown: no labels yet", examples_before=0, examples_since=0),
        false_alarms="1 per 100000 events",
        events=0,
        repeats=0,
        model="m",
        version=1,
        report=None,
    )


def story(alerts, changes=(COVARIATE, CONCEPT)):
    return Story(
        events=300,
        examples=300,
        windows=3,
        seconds=1.0,
        changes=changes,
        alerts=tell_alerts(alerts, changes, lambda cut: int(cut.id)),
        requests=(),
        scores={},
        metric="accuracy",
    )


def test_an_incident_before_the_first_change_is_a_false_alarm():
    """However good the excuse."""
    told = story([alert(1, 90), alert(1, 95, "recovered"), alert(2, 130)])
    assert told.false_alarms == 1
    assert told.seen(COVARIATE).after == 30


def test_a_concept_change_is_seen_only_by_its_loss():
    """A feature that is still drifting when the labels turn does not count as having told."""
    told = story([alert(1, 130), alert(2, 230), alert(2, 260, "escalated", "loss")])
    assert told.seen(CONCEPT).after == 60


def test_a_recovery_tells_of_no_change():
    """The end of an old incident right after a change is not its detection."""
    assert story([alert(1, 110, "recovered")]).seen(COVARIATE) is None


def test_without_a_change_every_incident_is_a_false_alarm():
    """`--inject none` is the control."""
    assert story([alert(1, 90), alert(2, 250)], changes=()).false_alarms == 2
