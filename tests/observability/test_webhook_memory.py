"""Which alerts are posted: each once, those that matter, and the end of whatever somebody has heard of."""

from hypothesis import given
from hypothesis import strategies as st

from streams.observability.webhook_formats import SEVERITIES, Told
from streams.observability.webhook_memory import KNOWN_MAX, Memory

ALERTS = st.builds(
    lambda incident, phase, severity, count: Told(
        f"{incident}/{phase}/{count}", incident, phase, severity, "t", 0, "m", 1
    ),
    st.sampled_from("abc"),
    st.sampled_from(["started", "escalated", "recovered", "closed"]),
    st.sampled_from(SEVERITIES),
    st.integers(1, 2),
)


def told(incident, phase, severity, count=1):
    return Told(f"{incident}/{phase}/{count}", incident, phase, severity, "t", 0, "m", 1)


def posted(alerts, least="info"):
    memory, found = Memory(least), []
    for alert in alerts:
        outcome = memory.outcome(alert)
        if outcome == "delivered":
            found.append(alert)
        memory.remember(alert)
    return found


@given(st.lists(ALERTS, max_size=30), st.sampled_from(SEVERITIES))
def test_no_id_is_posted_twice_and_nothing_loud_is_left_out(alerts, least):
    """Whatever comes in whatever order."""
    found = posted(alerts, least)
    first = {}
    for alert in alerts:
        first.setdefault(alert.id, alert)

    assert len({alert.id for alert in found}) == len(found)
    loud = {i for i, alert in first.items() if SEVERITIES.index(alert.severity) >= SEVERITIES.index(least)}
    assert loud <= {alert.id for alert in found}


@given(st.lists(ALERTS, max_size=30), st.integers(0, 30), st.sampled_from(SEVERITIES))
def test_a_restart_that_reads_back_decides_alike(alerts, at, least):
    """The ids and incidents before the committed offset are all that it needs."""
    before = posted(alerts, least)
    memory = Memory(least)
    for alert in alerts[:at]:
        memory.remember(alert)
    after = []
    for alert in alerts[at:]:
        if memory.outcome(alert) == "delivered":
            after.append(alert)
        memory.remember(alert)

    assert posted(alerts[:at], least) + after == before


def test_an_end_follows_its_beginning_and_none_comes_without():
    """A page that was opened is closed, however mild the end; nobody hears the end of what nobody heard begin."""
    story = [told("a", "started", "info"), told("a", "escalated", "critical"), told("a", "recovered", "info")]
    quiet = [told("b", "started", "info"), told("b", "recovered", "info")]

    assert posted([*story, *quiet], "warning") == story[1:]
    by_hand = [told("c", "started", "critical"), told("c", "closed", "info")]
    assert posted(by_hand, "warning") == by_hand


def test_memory_is_bounded():
    """Years of alerts are no reason to grow."""
    memory = Memory("info")
    for number in range(3 * KNOWN_MAX):
        memory.remember(told(f"i{number}", "started", "critical"))

    assert len(memory._ids) == len(memory._heard) == KNOWN_MAX
