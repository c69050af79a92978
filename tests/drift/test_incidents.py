"""Signals told as incidents: which phases there are, once each, and what they say."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.evidence import Signal, Subject
from drift.incidents import Incidents, IncidentsConfig, incident_id
from drift.strength import P_VALUES, strength

CONFIG = IncidentsConfig(pipeline="shop", windows_quiet=2)


def signal(kind="feature", name="", *, source="psi", value=0.3, threshold=0.1, since_ms=50):
    return Signal(
        subject=Subject(kind=kind, name=name), source=source, value=value, threshold=threshold, since_ms=since_ms
    )


def feature(name, **fields):
    return signal(name=name, **fields)


LOSS = signal("loss", source="adwin", value=1.0, threshold=1.0)
SIGNALS = st.builds(
    signal,
    kind=st.sampled_from(["feature", "loss", "prediction", "quality"]),
    name=st.sampled_from(["a", "b", "c", "d", "e"]),
    source=st.sampled_from(["psi", "ks"]),
    value=st.floats(0, 1),
    since_ms=st.integers(0, 100),
)
REBASE = "rebase"
WINDOWS = st.lists(st.one_of(st.just([]), st.lists(SIGNALS, max_size=4), st.just(REBASE)), max_size=30)


def phases(incidents, windows, start=0):
    """Every phase of these windows; a cut and a time each."""
    found = []
    for number, signals in enumerate(windows, start + 1):
        if signals == REBASE:
            found += incidents.rebase(cut=f"cut{number}", event_ms=100 * number)
        else:
            found += incidents.update(signals, cut=f"cut{number}", window=number, event_ms=100 * number)
    return found


def names(found):
    return [(phase.phase, phase.reason) for phase in found]


def test_an_incident_is_told_at_its_start_and_its_end_and_not_in_between():
    """The same change, window after window, is one story."""
    found = phases(Incidents(CONFIG), [[], [feature("a")], [feature("a")], [], [feature("a")], [], [], []])

    assert names(found) == [("started", ""), ("recovered", "quiet")]
    started, recovered = found
    assert started.incident == recovered.incident == incident_id("shop", "cut2")
    assert [started.id, recovered.id] == [f"{started.incident}/started/1", f"{started.incident}/recovered/1"]
    assert (started.windows, started.cut, started.event_ms, started.started_ms) == (1, "cut2", 200, 200)
    assert (recovered.windows, recovered.cut, recovered.event_ms, recovered.started_ms) == (6, "cut7", 700, 200)


def test_a_loss_that_joins_escalates_to_critical():
    """That is what people must hear at once: it hurts."""
    found = phases(Incidents(CONFIG), [[feature("a")], [LOSS], [LOSS]])

    assert names(found) == [("started", ""), ("escalated", "loss")]
    assert [phase.severity for phase in found] == ["info", "critical"]
    assert found[1].title == "the loss has risen, 1 feature has changed: a"


def test_features_escalate_when_they_more_than_double():
    """1, then more than 2, then more than 6: twice the number last told is not yet enough."""
    letters = [feature(name) for name in "abcdefg"]

    found = phases(Incidents(CONFIG), [letters[:1], letters[:2], letters[:3], letters[:6], letters[6:], letters])

    assert names(found) == [("started", ""), ("escalated", "features: 3"), ("escalated", "features: 7")]
    assert [phase.id.rpartition("/")[2] for phase in found] == ["1", "1", "2"]
    assert [phase.severity for phase in found] == ["info", "warning", "warning"]


def test_the_strongest_subject_comes_first():
    """By value over threshold, p-values inverse; of equals the loss."""
    weak, strong = feature("weak", value=0.2), feature("strong", source="ks", value=0.01, threshold=0.05)
    equal = feature("equal", value=1.0, threshold=1.0)

    (started,) = phases(Incidents(CONFIG), [[equal, LOSS, weak, strong]])

    assert [str(item.subject) for item in started.subjects] == [
        "feature:strong",
        "feature:weak",
        "loss",
        "feature:equal",
    ]
    assert [item.strength for item in started.subjects] == [5.0, 2.0, 1.0, 1.0]


def test_a_subject_keeps_its_strongest_value_and_its_earliest_time():
    """Each source of a subject stands for itself."""
    windows = [
        [feature("a", value=0.2, since_ms=60), feature("a", source="ks", value=0.04, threshold=0.05)],
        [feature("a", value=0.5, since_ms=40)],
        [feature("a", value=0.3, since_ms=70), LOSS],
    ]

    psi = phases(Incidents(CONFIG), windows)[-1].subjects[0]

    assert (psi.source, psi.value, psi.since_ms) == ("psi", 0.5, 40)
    assert phases(Incidents(CONFIG), windows)[-1].since_ms == 40
    assert len(phases(Incidents(CONFIG), windows)[-1].subjects) == 3


def test_a_title_names_a_few_and_counts_the_rest():
    """A hundred features still make one line."""
    windows = [[*(feature(name) for name in "abcde"), signal("quality", "a"), signal("prediction"), signal("labels")]]

    (started,) = phases(Incidents(CONFIG), windows)

    assert started.title == (
        "5 features have changed: a, b, c and 2 more, the prediction has changed, data quality has fallen: a, "
        "labels arrive differently"
    )


def test_a_change_that_stays_ends_when_the_reference_is_replaced():
    """Data that changed for good would keep an incident open for ever."""
    incidents = Incidents(CONFIG)
    phases(incidents, [[feature("a")]] * 3)

    (ended,) = incidents.rebase(cut="here", event_ms=999)

    assert (ended.phase, ended.reason, ended.cut, ended.event_ms) == ("recovered", "rebased", "here", 999)
    assert incidents.open_incident is None
    assert incidents.rebase(cut="there", event_ms=1_000) == ()
    assert names(incidents.update([LOSS], cut="next", window=1, event_ms=1_100)) == [("started", "")]


def test_the_next_incident_has_an_id_of_its_own():
    """Ids derive from the pipeline and the cut, and from nothing else."""
    found = phases(Incidents(CONFIG), [[LOSS], [], [], [feature("a")]])
    other = phases(Incidents(replace(CONFIG, pipeline="bank")), [[LOSS]])

    assert len({found[0].incident, found[2].incident, other[0].incident}) == 3
    assert found[2].phase == "started"
    assert found[0].incident == phases(Incidents(CONFIG), [[feature("z")]])[0].incident


@given(WINDOWS)
def test_every_story_is_well_told(windows):
    """Per incident started first and once, no phase twice, nothing after recovered; one incident at a time."""
    found = phases_with_counting(windows)

    stories = [list(group) for _, group in itertools.groupby(found, key=lambda phase: phase.incident)]
    assert len({story[0].incident for story in stories}) == len(stories)
    assert len({phase.id for phase in found}) == len(found)
    for number, story in enumerate(stories):
        told = [phase.phase for phase in story]
        assert told[0] == "started"
        assert told.count("started") == 1
        assert (
            told.count("recovered")
            == (told[-1] == "recovered")
            == (number < len(stories) - 1 or told[-1] == "recovered")
        )
        assert len({(phase.phase, phase.reason) for phase in story}) == len(story)
        assert told.count("escalated") <= 3 + math.log2(5)
        for earlier, later in itertools.pairwise(story):
            before = {(item.subject, item.source): item for item in earlier.subjects}
            after = {(item.subject, item.source): item for item in later.subjects}
            assert before.keys() <= after.keys()
            assert all(after[key].strength >= item.strength for key, item in before.items())


def phases_with_counting(windows):
    """As the monitor does: a new reference counts its windows from 1, cuts go on."""
    incidents, found, number = Incidents(CONFIG), [], 0
    for step, signals in enumerate(windows):
        cut, event_ms = f"cut{step}", 100 * step
        if signals == REBASE:
            found += incidents.rebase(cut=cut, event_ms=event_ms)
            number = 0
        else:
            number += 1
            found += incidents.update(signals, cut=cut, window=number, event_ms=event_ms)
    return found


@given(WINDOWS, WINDOWS)
def test_resumes_from_a_snapshot_as_if_never_stopped(before, after):
    """A restart between any two windows, through msgpack, gives identical phases; a snapshot is a copy."""
    whole, first_half, second_half = Incidents(CONFIG), Incidents(CONFIG), Incidents(CONFIG)
    phases(whole, before)
    phases(first_half, before)
    snapshot = first_half.snapshot()
    packed = msgspec.msgpack.encode(snapshot)
    phases(first_half, after, len(before))
    assert msgspec.msgpack.encode(snapshot) == packed

    second_half.restore(msgspec.msgpack.decode(packed))

    assert phases(second_half, after, len(before)) == phases(whole, after, len(before))
    assert second_half.snapshot() == whole.snapshot()


@given(st.lists(SIGNALS, min_size=1, max_size=6), st.randoms())
def test_the_order_of_signals_does_not_matter(signals, rng):
    """The same signals in any order make the same phase, to the last field."""
    shuffled = rng.sample(signals, len(signals))

    assert phases(Incidents(CONFIG), [signals]) == phases(Incidents(CONFIG), [shuffled])


@pytest.mark.parametrize("window", [0, 3])
def test_a_window_told_twice_is_refused(window):
    """A repeat would count towards recovery."""
    incidents = Incidents(CONFIG)
    phases(incidents, [[], [], []])

    with pytest.raises(ValueError, match=f"window must be greater than 3, got {window}"):
        incidents.update([], cut="again", window=window, event_ms=0)


@pytest.mark.parametrize("setting", ["windows_quiet", "features_many"])
def test_a_wrong_setting_is_refused(setting):
    """At the moment it is built, with its name."""
    with pytest.raises(ValueError, match=f"{setting} must be at least 1, got 0"):
        IncidentsConfig(pipeline="shop", **{setting: 0})


@pytest.mark.parametrize(
    ("source", "value", "threshold", "expected"),
    [("psi", 0.0, 0.1, 0.0), ("psi", 0.1, 0.0, 1e300), ("ks", 0.0, 0.05, 1e300), ("psi", math.nan, 0.1, 0.0)],
)
def test_a_strength_is_always_a_finite_number(source, value, threshold, expected):
    """It is sorted by and written as JSON, where neither NaN nor infinity can go."""
    assert strength(source, value, threshold) == expected


@pytest.mark.filterwarnings("ignore")  # Evidently's own imports
def test_p_values_are_known_by_evidentlys_own_names():
    """A statistic that Evidently renames would be ranked upside down."""
    from evidently.legacy.calculations.stattests.registry import _registered_stat_tests  # noqa: PLC0415 - 6 s

    distances = {"ed", "hellinger", "jensenshannon", "kl_div", "psi", "wasserstein"}
    texts = {"perc_text_content_drift", "abs_text_content_drift"}
    assert set(_registered_stat_tests) == P_VALUES | distances | texts
