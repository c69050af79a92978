"""The page's view: bounded in everything, in the order told, and honest about how fresh it is."""

from __future__ import annotations

from itertools import groupby, pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_records import NOW_MS, alert, column, config_of, facts, request, version, window

from streams.messages import Histogram
from streams.web import shapes
from streams.web.charts import HEIGHT, POINTS_MAX, WIDTH, Scale, band, line_chart, new_references, path, scale
from streams.web.drift_pages import CELLS_MAX, cells, heat_map
from streams.web.history import History, Point, buckets, strongest, window_of, worst
from streams.web.incident import INCIDENTS_MAX, PHASES_MAX, Incidents
from streams.web.view import LETTERS_MAX, PACE_MAX, STALE_MS, VERSION_EVERY_MS, VERSIONS_MAX, Letter, Store, View

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def view(tmp_path):
    return View(config_of(tmp_path))


@given(st.lists(st.integers(0, 12)), st.integers(1, 6))
def test_the_newest_windows_are_kept_in_the_order_told(numbers, windows_max):
    """As a list that is searched and cut would have them; a window told again is the first one."""
    history, expected, dropped = History(windows_max), [], 0
    for number in numbers:
        history.add(window_of(window(number)))
        if number not in expected:
            expected.append(number)
            dropped += len(expected) > windows_max
            expected = expected[-windows_max:]

    assert [kept.number for kept in history.newest()] == expected
    assert [kept.number for kept in history.newest(2)] == expected[-2:]
    assert (len(history), history.dropped) == (len(expected), dropped)


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["started", "escalated", "recovered"]))))
def test_an_incident_is_its_phases_and_the_newest_incidents_stay(told):
    """The same phase twice is one; what began first goes first; the last phase says whether it is open."""
    incidents, expected = Incidents(incidents_max=4), {}
    for number, phase in told:
        incidents.add(alert(f"i{number}", phase), told_ms=5)
        phases = expected.setdefault(f"i{number}", [])
        while len(expected) > 4:
            del expected[next(iter(expected))]
        if phase not in phases:
            phases.append(phase)

    assert [each.id for each in incidents.newest_first()] == list(reversed(expected))
    for each in incidents.newest_first():
        assert [phase.alert.phase for phase in each.phases] == expected[each.id]
        assert each.open == (expected[each.id][-1] != "recovered")


def test_the_phases_of_one_incident_are_bounded_and_its_start_stays():
    """An incident that escalates for ever is no leak."""
    incidents = Incidents()
    incidents.add(alert(), told_ms=1)
    for number in range(3 * PHASES_MAX):
        incidents.add(alert(phase="escalated", count=number), told_ms=2)

    (found,) = incidents.newest_first()
    assert len(found.phases) == PHASES_MAX
    assert found.phases[0].alert.phase == "started"
    assert found.newest.id == f"i1/escalated/{3 * PHASES_MAX - 1}"


def test_a_request_finds_its_incident_whichever_is_read_first():
    """They are on two topics."""
    before, after = Incidents(), Incidents()
    before.request(request())
    before.add(alert(), told_ms=1)
    after.add(alert(), told_ms=1)
    after.request(request())

    assert before.get("i1").request == after.get("i1").request == request()


@given(st.integers(0, 3_000), st.integers(1, 500))
def test_every_window_is_in_exactly_one_bucket(count, buckets_max):
    """Nothing is left out where much is drawn in little space."""
    parts = buckets(list(range(count)), buckets_max)

    assert [number for part in parts for number in part] == list(range(count))
    assert len(parts) == min(count, buckets_max)
    assert all(parts)


@given(st.lists(st.one_of(st.none(), NUMBERS), max_size=40), st.sampled_from([None, 0.0]))
def test_a_line_stays_on_its_chart(values, low):
    """Whatever numbers come over the wire, the path is finite and inside."""
    known = [value for value in values if value is not None and (low is None or value >= low)]
    heights = scale(known, low=low)
    drawn = path(values, heights)

    assert "nan" not in drawn
    assert "inf" not in drawn
    for part in drawn.replace("h0.01", "").replace("M", "L").split("L")[1:]:
        x, y = map(float, part.split())
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    assert len(heights.ticks()) == 5


@given(st.lists(st.floats(0, 1), min_size=1))
def test_a_scale_holds_all_values_and_ends_at_the_bound(values):
    """An accuracy axis ends at one."""
    heights = scale(values, high=1.0)

    assert heights.high == 1.0
    assert heights.low <= min(values) + 1e-6


@given(st.lists(st.sampled_from(["stable", "drift", "not_enough_data", None])))
def test_cells_cover_the_row_and_never_mix_what_was_not_judged(verdicts):
    """Equal neighbours are one cell; not judged looks different from stable and from absent."""
    value = {"stable": 0.01, "drift": 0.5, "not_enough_data": 0.5}
    points = [v and Point(value=value[v], threshold=0.1, verdict=v) for v in verdicts]
    row = cells(points)

    levels = [cell.level for cell in row for _ in range(cell.width)]
    names = {"stable": "l0", "drift": "l4", "not_enough_data": "nodata", None: "absent"}
    assert levels == [names[v] for v in verdicts]
    assert [cell.x for cell in row] == [sum(c.width for c in row[:at]) for at in range(len(row))]
    assert all(a.level != b.level for a, b in pairwise(row))


def test_a_bucket_shows_its_strongest_window():
    """Drift in one of sixty windows is not averaged away, nor hidden by one that was not judged."""
    calm = Point(value=0.01, threshold=0.1, verdict="stable")
    loud = Point(value=0.9, threshold=0.1, verdict="drift")
    blind = Point(value=9.0, threshold=0.1, verdict="not_enough_data")

    assert worst([calm, loud, calm, blind, None]) == loud
    assert worst([blind, calm]) == calm
    assert worst([None, blind]) == blind
    assert worst([None]) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stable", "drift", "not_enough_data"]),
            st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.31]),
            st.sampled_from([0.0, 0.1, 0.2]),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_the_short_way_through_a_bucket_finds_the_same_window(rows):
    """Also when windows have their columns in another order, or not this one."""
    windows = []
    for number, (verdict, value, threshold, swapped) in enumerate(rows):
        columns = [column("a", value, verdict=verdict, threshold=threshold), column("b", 0.9, verdict="drift")]
        windows.append(window_of(window(number, columns=columns[::-1] if swapped else columns)))
    expected = worst([each.of("a") for each in windows])
    found = strongest(windows, 0, windows[-1].subjects if windows and windows[-1].subjects[0] == "a" else ("a", "b"))

    if expected is None or found is None:
        assert expected is found is None
        return
    assert (found.ratio, found.verdict) == (expected.ratio, expected.verdict)
    assert strongest(windows, 0, ("absent",)) is None


def test_ten_thousand_windows_are_drawn_as_few_points(view):
    """The picture does not grow with the history."""
    subjects = [column(f"feature:f{number}") for number in range(20)]
    for number in range(10_050):
        view.window(window(number, columns=subjects))

    windows = view.history.newest()
    chart = line_chart(windows, [("champion", "champion", lambda part: part[-1].scores["champion"]["accuracy"])])
    rows = heat_map(view, "all")["rows"]
    assert (len(windows), view.history.dropped) == (10_000, 50)
    assert len(chart.readout) == POINTS_MAX
    assert chart.each == 10_000 // POINTS_MAX
    assert all(sum(cell.width for cell in row["cells"]) == CELLS_MAX for row in rows)
    assert len({id(each.subjects) for each in windows}) == 1, "names are kept once"


def test_a_view_is_stale_when_kafka_is_silent_and_says_since_when(view):
    """Also when nobody noticed an error: silence alone is enough."""
    assert view.stale_since(NOW_MS) is None
    view.lost("could not reach Kafka")
    assert view.stale_since(NOW_MS) is None, "there is nothing yet that could be old"
    view.heard(facts(), NOW_MS)

    assert view.stale_since(NOW_MS + STALE_MS) is None
    assert view.stale_since(NOW_MS + STALE_MS + 1) == NOW_MS
    view.lost("gone")
    assert view.stale_since(NOW_MS + 1) == NOW_MS
    view.heard(facts(), NOW_MS + 9_000)
    assert view.stale_since(NOW_MS + 9_001) is None


def test_whatever_changes_raises_the_revision(view):
    """Open pages ask again when it has grown, and only then."""
    changes = [
        lambda: view.window(window()),
        lambda: view.alert(alert(), 1),
        lambda: view.request(request()),
        lambda: view.version(version()),
        lambda: view.taken_back(0),
        lambda: view.letter(Letter(told_ms=1, reason="r", topic="t", partition="0", offset="1")),
        lambda: view.heard(facts(), NOW_MS),
        lambda: view.lost("gone"),
        lambda: view.looked(Store()),
        view.forget,
    ]
    for number, change in enumerate(changes):
        before = view.revision
        change()
        assert view.revision > before, number
    view.alert(alert(), 1)
    before = view.revision
    view.alert(alert(), 2)
    assert view.revision == before, "said twice is not new"


def test_everything_that_is_kept_is_bounded(view):
    """A dashboard that stays open for months holds what it held after a day."""
    for number in range(2 * LETTERS_MAX):
        view.letter(Letter(told_ms=number, reason="r", topic="t", partition="0", offset=str(number)))
    for number in range(2 * VERSIONS_MAX):
        view.version(version(number, published_ms=number * VERSION_EVERY_MS))
    for number in range(2 * PACE_MAX):
        view.heard(facts(), NOW_MS + number)
    for number in range(2 * INCIDENTS_MAX):
        view.request(request(f"early{number}"))

    assert (len(view.letters), view.letters[-1].offset) == (LETTERS_MAX, str(2 * LETTERS_MAX - 1))
    assert (len(view.versions), len(view.models)) == (VERSIONS_MAX, 1)
    assert len(view.pace) == PACE_MAX
    assert len(view.incidents._early) == INCIDENTS_MAX


def test_of_versions_that_come_each_second_one_a_minute_is_kept_and_the_newest(view):
    """So that hours can be seen, not three minutes; each shard for itself."""
    for second in range(600):
        for shard in (0, 1):
            view.version(version(second, shard=shard, published_ms=NOW_MS + 1_000 * second))

    for shard in (0, 1):
        kept = [each.version for each in view.versions if each.shard == shard]
        assert kept == [*range(0, 600, 60), 599]


@given(st.lists(st.one_of(st.none(), st.tuples(NUMBERS, NUMBERS)), max_size=20))
def test_a_band_stays_on_its_chart_and_has_a_gap_where_nothing_is_known(bounds):
    """One closed stretch for each run of neighbours, whatever the numbers."""
    drawn = band(bounds, Scale(-1.0, 1.0))

    runs = [list(group) for known, group in groupby(bounds, key=lambda each: each is not None) if known]
    stretches = drawn.split("Z")[:-1]
    assert len(stretches) == len(runs)
    for stretch, run in zip(stretches, runs, strict=True):
        points = [tuple(map(float, point.split())) for point in stretch.lstrip("M").split("L")]
        assert len(points) == 2 * len(run)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_the_shapes_of_incidents_are_bounded(view):
    """Incidents and columns: the oldest go, and of one incident those that moved least."""
    shape = Histogram(reference=[1, 1], current=[1, 1], values=["a"])
    columns = [column(f"feature:f{number}", 0.01 * number, histogram=shape) for number in range(40)]
    for number in range(2 * shapes.INCIDENTS_MAX):
        view.window(window(number, columns=columns, incident=f"i{number}"))

    assert len(view.shapes) == shapes.INCIDENTS_MAX
    newest = f"i{2 * shapes.INCIDENTS_MAX - 1}"
    kept = [number for number in range(40) if view.shapes.of(newest, f"feature:f{number}")]
    assert kept == [*range(40 - shapes.SHAPES_MAX, 40)]
    assert view.shapes.of("i0", "feature:f39") is None


def test_a_view_of_other_topics_begins_anew(view):
    """Topics that were deleted and made again have nothing to do with what was read before."""
    view.window(window())
    view.alert(alert(), 1)
    view.version(version())
    view.loaded = True
    view.forget()

    assert (len(view.history), len(view.incidents), len(view.versions), view.models) == (0, 0, 0, {})
    assert (view.last, view.loaded) == (None, False)


@pytest.mark.parametrize(
    ("known", "lines"),
    [("aaabbb", [3]), ("aaab", [3]), ("ab", [1]), ("abcdef", []), ("abbbcdef", [1]), ("aaaaaa", [])],
)
def test_a_new_reference_is_a_line_but_not_one_that_moves_with_the_windows(known, lines):
    """Where windows are compared with other rows from then on; a sliding reference is another each time."""
    found = new_references([[SimpleNamespace(reference=each)] for each in known])

    assert [round(x / WIDTH * (len(known) - 1) + 0.5) for x in found] == lines
