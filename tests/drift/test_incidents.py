"""Alarms told as incidents: which phases there are, once each, and what they say."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.evidence import Subject
from drift.harm import UNKNOWN, Harm
from drift.incidents import Incidents, IncidentsConfig, incident_id
from drift.phases import IncidentSubject, Moment
from drift.strength import P_VALUES, strength

CONFIG = IncidentsConfig(pipeline="shop")
WORSE = Harm(verdict="worse", examples_before=500, examples_since=90, before=0.1, since=0.4, low=0.1, high=0.5)


def subject(kind="feature", name="", **fields):
    defaults = {"aspect": "value", "bet": "mean +1 sd", "evidence": 6.0, "since_ms": 50}
    return IncidentSubject(subject=Subject(kind=kind, name=name), **(defaults | fields))


def feature(name, **fields):
    return subject(name=name, **fields)


LOSS = subject("loss")
SUBJECTS = st.builds(
    subject,
    kind=st.sampled_from(["feature", "loss", "prediction", "quality"]),
    name=st.sampled_from(["a", "b", "c", "d", "e"]),
    evidence=st.floats(0, 20),
    strength=st.floats(0, 10),
    since_ms=st.integers(0, 100),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["alarmed", "listed", "repeated"]), st.lists(SUBJECTS, min_size=1, max_size=4)),
        st.tuples(st.just("hurts"), st.sampled_from([UNKNOWN, WORSE])),
        st.tuples(st.just("ended"), st.sampled_from(["quiet", "rebased"])),
        st.tuples(st.sampled_from(["acknowledge", "closed"]), st.sampled_from(["ada", "bob"])),
    ),
    max_size=30,
)


def moment(number, harm=UNKNOWN):
    return Moment(cut=f"cut{number}", event=100 * number, event_ms=100 * number, harm=harm)


def step(incidents, number, what, told):
    """Phases of one step."""
    if what == "hurts":
        return incidents.hurts(moment(number, told))
    if what == "ended":
        return incidents.ended(told, moment(number))
    if what == "acknowledge":
        incidents.acknowledge(incidents.open_incident or "", told)
        return ()
    if what == "closed":
        return incidents.closed(incidents.open_incident or "", told, moment(number))
    return getattr(incidents, what)(told, moment(number))


def phases(*steps, config=CONFIG):
    """Every phase of these steps; a cut and a time each."""
    incidents, found = Incidents(config), []
    for number, (what, told) in enumerate(steps, 1):
        found += step(incidents, number, what, told)
    return found


def names(found):
    return [(phase.phase, phase.reason) for phase in found]


def test_an_incident_is_told_at_its_start_and_its_end_and_not_in_between():
    """The same change, again and again, is one story; what was not told is counted."""
    found = phases(
        ("alarmed", [feature("a")]), ("listed", [feature("a")]), ("repeated", [feature("a")]), ("ended", "quiet")
    )

    assert names(found) == [("started", ""), ("recovered", "quiet")]
    started, recovered = found
    assert started.incident == recovered.incident
    assert (started.cut, started.event_ms, started.started_ms, started.events) == ("cut1", 100, 100, 0)
    assert (recovered.cut, recovered.started_ms, recovered.events, recovered.repeats) == ("cut4", 100, 300, 1)


def test_the_full_list_is_told_if_it_is_longer():
    """At the alarm one feature, 120 events later all that have changed with it."""
    letters = [feature(letter) for letter in "bcde"]
    found = phases(("alarmed", letters[:1]), ("listed", letters))

    assert names(found) == [("started", ""), ("escalated", "features: 4")]
    assert [item.subject.name for item in found[1].subjects] == list("bcde")


def test_a_kind_of_subject_that_joins_is_told():
    """The loss above all, and once."""
    found = phases(
        ("alarmed", [feature("a")]), ("repeated", [LOSS]), ("repeated", [LOSS]), ("repeated", [feature("a")])
    )

    assert names(found) == [("started", ""), ("escalated", "loss")]
    assert [phase.severity for phase in found] == ["info", "critical"]
    assert found[1].title == "the loss has risen, 1 feature has changed: a"


def test_more_features_are_told_when_they_have_doubled():
    """1, then more than 2: not one message for each."""
    letters = [feature(letter) for letter in "abcdefgh"]
    repeats = [("repeated", [letter]) for letter in letters[1:]]

    found = phases(("alarmed", letters[:1]), *repeats)

    assert names(found) == [("started", ""), ("escalated", "features: 3"), ("escalated", "features: 7")]


def test_that_it_hurts_is_told_once_and_makes_it_critical():
    """Also when it was told in another phase."""
    found = phases(("alarmed", [feature("a")]), ("hurts", UNKNOWN), ("hurts", WORSE), ("hurts", WORSE))

    assert names(found) == [("started", ""), ("escalated", "hurts")]
    assert [phase.severity for phase in found] == ["info", "critical"]
    assert found[1].harm is WORSE


def test_that_a_rise_of_the_loss_hurts_is_no_news():
    """It was said with the first word."""
    assert names(phases(("alarmed", [LOSS]), ("hurts", WORSE))) == [("started", "")]


def test_what_hurt_stays_critical_to_its_end():
    """People who were called want to know of what the end is."""
    found = phases(("alarmed", [feature("a")]), ("hurts", WORSE), ("ended", "quiet"))

    assert found[-1].severity == "critical"


@pytest.mark.parametrize(
    ("subjects", "severity"),
    [
        ([feature("a", strength=1.0)], "info"),
        ([feature("a", strength=2.9)], "info"),
        ([feature("a", strength=3.0)], "warning"),
        ([feature("a"), feature("b")], "info"),
        ([feature("a"), feature("b"), feature("c")], "warning"),
        ([subject("quality", "a", strength=0.5)], "info"),
        ([LOSS], "critical"),
    ],
)
def test_the_severity_is_by_hurt_and_size(subjects, severity):
    """Three features, or one change of three times the threshold, are a warning; the loss is critical."""
    assert phases(("alarmed", subjects))[0].severity == severity


def test_one_word_for_each_subject():
    """The most evident word, the earliest time, the newest size."""
    found = phases(
        ("alarmed", [feature("a", evidence=5.0, since_ms=40, source="psi", value=0.2)]),
        ("listed", [feature("a", evidence=3.0, since_ms=30, source="psi", value=0.5, bet="spread x1.6"), feature("b")]),
    )

    item = found[1].subjects[0]
    assert (item.evidence, item.bet, item.since_ms, item.value) == (5.0, "mean +1 sd", 30, 0.5)
    assert found[1].since_ms == 30


def test_a_size_that_is_not_known_keeps_the_one_that_was():
    """While a reference is collected there is nothing to measure with."""
    found = phases(("alarmed", [feature("a", source="psi", value=0.2)]), ("repeated", [feature("a"), LOSS]))

    assert (found[1].subjects[0].source, found[1].subjects[0].value) == ("psi", 0.2)


def test_ids_are_of_the_pipeline_and_the_cut():
    """And of nothing else: whoever folds the same log tells the same."""
    (first,) = phases(("alarmed", [feature("a")]))
    (second,) = phases(("alarmed", [LOSS]))
    (other,) = phases(("alarmed", [LOSS]), config=IncidentsConfig(pipeline="bank"))

    assert first.incident == second.incident == incident_id("shop", "cut1") != other.incident
    assert first.id == f"{first.incident}/started/1"


def test_without_a_change_nothing_is_told():
    """Neither an end nor harm opens an incident."""
    assert phases(("hurts", WORSE), ("ended", "quiet"), ("closed", "ada")) == []


@pytest.mark.parametrize("word", ["listed", "repeated"])
def test_what_shows_with_an_alarm_that_nobody_was_told_of_opens_one(word):
    """The alarm was about a silenced feature; what is not silenced must not be lost with it."""
    assert names(phases((word, [LOSS]), ("ended", "quiet"))) == [("started", ""), ("recovered", "quiet")]


def test_a_closed_incident_is_over_and_what_it_was_about_settled():
    """By a person: the same change tells nobody any more, another one does, under an id of its own."""
    a, b = feature("a"), feature("b")
    found = phases(
        ("alarmed", [a]), ("closed", "ada"), ("repeated", [a]), ("hurts", WORSE), ("listed", [a, b]), ("repeated", [a])
    )

    assert names(found) == [("started", ""), ("closed", "ada"), ("started", "")]
    assert found[0].incident == found[1].incident != found[2].incident
    assert found[2].subjects == (b,)


def test_what_was_settled_may_change_again_once_it_was_quiet():
    """Or a closed incident would silence its features for ever."""
    a = [feature("a")]
    found = phases(("alarmed", a), ("closed", "ada"), ("ended", "quiet"), ("alarmed", a))

    assert names(found) == [("started", ""), ("closed", "ada"), ("started", "")]


def test_who_looks_after_an_incident_is_said_from_then_on():
    """And of the next one nobody does."""
    a = [feature("a")]
    found = phases(("alarmed", a), ("acknowledge", "ada"), ("repeated", [LOSS]), ("ended", "quiet"), ("alarmed", a))

    assert [phase.acknowledged for phase in found] == ["", "ada", "ada", ""]


def test_another_incident_than_the_open_one_is_left_alone():
    """Somebody asks late: what was meant is over."""
    incidents = Incidents(CONFIG)
    incidents.alarmed([feature("a")], moment(1))
    incidents.acknowledge("another", "ada")

    assert incidents.closed("another", "ada", moment(2)) == ()
    assert [phase.acknowledged for phase in incidents.ended("quiet", moment(3))] == [""]


@given(STEPS)
def test_no_id_is_told_twice_and_stories_are_in_order(steps):
    """started, escalated 1, 2 …, recovered; and subjects are only ever added."""
    stories = {}
    for phase in phases(*steps):
        stories.setdefault(phase.incident, []).append(phase)
    for story in stories.values():
        escalated = [f"{story[0].incident}/escalated/{n}" for n in range(1, len(story) + 1)]
        ids = [phase.id for phase in story]
        assert ids[0] == f"{story[0].incident}/started/1"
        middle = ids[1:-1] if story[-1].phase in {"recovered", "closed"} else ids[1:]
        assert middle == escalated[: len(middle)]
        for before, after in itertools.pairwise(story):
            assert {item.subject for item in before.subjects} <= {item.subject for item in after.subjects}
            assert after.since_ms <= before.since_ms
        assert len(middle) <= 1 + 5 + math.log2(5) + 1


@given(STEPS, st.integers(0, 30))
def test_resumes_as_if_never_stopped(steps, cut):
    """A restart between any two steps changes no phase."""
    first, second = Incidents(CONFIG), Incidents(CONFIG)
    told = []
    for number, (what, said) in enumerate(steps[:cut], 1):
        told += step(first, number, what, said)
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot())))
    for number, (what, said) in enumerate(steps[cut:], cut + 1):
        told += step(second, number, what, said)

    assert told == phases(*steps)


def test_the_incident_as_it_is_tells_nobody():
    """Asked for a request to retrain: the next phase is the same as without."""
    incidents = Incidents(CONFIG)
    incidents.alarmed([feature("a")], moment(1))

    now = incidents.now(moment(2, WORSE))

    assert (now.severity, now.harm) == ("critical", WORSE)
    assert [phase.id.partition("/")[2] for phase in incidents.hurts(moment(3, WORSE))] == ["escalated/1"]


@pytest.mark.parametrize("setting", ["features_many", "strength_large"])
def test_a_wrong_setting_is_refused(setting):
    """At the moment it is built, with its name."""
    with pytest.raises(ValueError, match=f"{setting} must be at least 1, got 0"):
        IncidentsConfig(pipeline="shop", **{setting: 0})


@pytest.mark.parametrize(
    ("source", "value", "threshold", "expected"),
    [("psi", 0.0, 0.1, 0.0), ("psi", 0.1, 0.0, 1e300), ("ks", 0.0, 0.05, 1e300), ("psi", math.nan, 0.1, 0.0)],
)
def test_a_strength_is_always_a_finite_number(source, value, threshold, expected):
    """It is written as JSON, where neither NaN nor infinity can go."""
    assert strength(source, value, threshold) == expected


@pytest.mark.filterwarnings("ignore")  # Evidently's own imports
def test_p_values_are_known_by_evidentlys_own_names():
    """A statistic that Evidently renames would be ranked upside down."""
    from evidently.legacy.calculations.stattests.registry import _registered_stat_tests  # noqa: PLC0415 - 6 s

    distances = {"ed", "hellinger", "jensenshannon", "kl_div", "psi", "wasserstein"}
    texts = {"perc_text_content_drift", "abs_text_content_drift"}
    assert set(_registered_stat_tests) == P_VALUES | distances | texts
