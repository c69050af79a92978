"""The adapters round River's detectors: what goes in, what comes back, what survives a restart."""

from __future__ import annotations

import io
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.detectors import CATALOG, build_detector

PAIRS = sorted((name, watch) for name, spec in CATALOG.items() for watch in spec.watches)
ERRORS = st.lists(st.booleans().map(float), max_size=400)
each_pair = pytest.mark.parametrize(("name", "watch"), PAIRS)
each_name = pytest.mark.parametrize("name", sorted(CATALOG))


def step(watch, rows_before=400, rows_after=400):
    """A plain change: no errors and then only errors, or a level that jumps."""
    if watch == "error":
        return [0.0, 0.0, 0.0, 1.0] * (rows_before // 4) + [1.0] * rows_after
    return [float(10 + row % 5) for row in range(rows_before)] + [float(40 + row % 5) for row in range(rows_after)]


def fired_rows(detector, values):
    return [row for row, value in enumerate(values) if detector.update(value)]


@each_pair
def test_sees_a_plain_change_soon(name, watch):
    """No detector is quiet while the level jumps, and none speaks before."""
    fired = fired_rows(build_detector(name, watch=watch), step(watch))

    assert 400 <= fired[0] < 500


@each_pair
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e308])
def test_a_value_that_is_no_number_changes_nothing(name, watch, bad):
    """One NaN poisons River for good; here it is only counted."""
    clean, dirty = build_detector(name, watch=watch), build_detector(name, watch=watch)
    values = step(watch)

    expected = fired_rows(clean, values)
    found = [row for row, value in enumerate(values) if (dirty.update(bad), dirty.update(value))[1]]

    assert not any(dirty.update(bad) for _ in range(3))
    assert found == expected
    assert (dirty.rows, dirty.skipped) == (len(values), len(values) + 3)


@each_pair
def test_starts_afresh_after_it_fired(name, watch):
    """The rows after an alarm are judged as by a new detector, whatever came before."""
    used, fresh, values = build_detector(name, watch=watch), build_detector(name, watch=watch), step(watch)
    while not used.update(values.pop(0)):
        pass
    steady = [float(row % 4 == 0) if watch == "error" else 5_000 + row % 5 for row in range(600)]
    tail = steady + [1.0 if watch == "error" else 6_000 + row % 5 for row in range(200)]

    found = fired_rows(used, tail)

    assert found == fired_rows(fresh, tail)
    assert found[0] >= 600


@pytest.mark.parametrize(("name", "watch"), [pair for pair in PAIRS if pair[1] != "number"])
def test_a_fall_of_the_error_is_no_alarm(name, watch):
    """Good news is not reported: errors and losses only count when they rise."""
    assert fired_rows(build_detector(name, watch=watch), step(watch)[::-1]) == []


@pytest.mark.parametrize("name", [name for name, watch in PAIRS if watch == "number"])
def test_a_fall_of_a_number_is_a_change(name):
    """A feature has no good direction."""
    assert fired_rows(build_detector(name, watch="number"), step("number")[::-1])


@pytest.mark.parametrize("name", [name for name, watch in PAIRS if watch == "number"])
def test_a_second_change_far_from_the_first_level_is_seen(name):
    """The scale is learnt anew after an alarm, or everything beyond the clip would look alike."""
    levels = [10, 4_000, 9_000]
    values = [level + row % 5 for level in levels for row in range(600)]

    fired = fired_rows(build_detector(name, watch="number"), values)

    assert [row // 600 for row in fired] == [1, 2]


@pytest.mark.parametrize("name", [name for name, watch in PAIRS if watch == "number"])
@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_of_a_number_does_not_matter(name, unit):
    """Euros or micro-euros: the same rows alarm."""
    plain, scaled = build_detector(name, watch="number"), build_detector(name, watch="number")
    values = step("number")

    assert fired_rows(scaled, [value * unit for value in values]) == fired_rows(plain, values)


def test_ddm_does_not_alarm_at_the_first_error_of_a_good_model():
    """River's DDM alone takes one error after 500 right answers for a change; at its start as after an alarm."""
    detector, good = build_detector("ddm", watch="error"), ([0.0] * 999 + [1.0]) * 5

    assert not fired_rows(detector, good)
    while not detector.update(1.0):
        pass
    assert not fired_rows(detector, good)


@pytest.mark.parametrize("name", [name for name, watch in PAIRS if watch == "error"])
def test_an_error_is_0_or_1(name):
    """A loss fed into an error detector is a wiring mistake and says so."""
    with pytest.raises(ValueError, match=f"{name}: an error must be 0 or 1, got 0.4"):
        build_detector(name, watch="error").update(0.4)


@each_pair
def test_a_pickle_names_only_the_classes_of_its_spec(name, watch):
    """The streams layer allows exactly these; `builtins.getattr` must not be among them."""
    detector = build_detector(name, watch=watch)
    fired_rows(detector, step(watch))
    found = set()

    class Watching(pickle.Unpickler):
        def find_class(self, module, qualname):
            found.add(f"{module}.{qualname}")
            return super().find_class(module, qualname)

    Watching(io.BytesIO(pickle.dumps(detector.state().river))).load()

    assert found == CATALOG[name].classes


@each_pair
@settings(max_examples=15, deadline=None)
@given(before=ERRORS, after=ERRORS)
def test_resumes_from_a_state_as_if_never_stopped(name, watch, before, after):
    """A restart between any two rows changes no later alarm, through pickle and back."""
    whole, first_half, second_half = (build_detector(name, watch=watch) for _ in range(3))
    for value in before:
        whole.update(value)
        first_half.update(value)
    state = first_half.state()
    fired_rows(first_half, after)  # a state is a copy
    object.__setattr__(state, "river", pickle.loads(pickle.dumps(state.river)))

    second_half.restore(state)

    assert [second_half.update(x) for x in after] == [whole.update(x) for x in after]
    assert second_half.rows == whole.rows


def test_a_state_of_another_detector_is_refused():
    """States do not wander between detectors, nor between what they watch."""
    state = build_detector("adwin", watch="error").state()

    with pytest.raises(ValueError, match="state must be of adwin on number, got adwin on error"):
        build_detector("adwin", watch="number").restore(state)
    object.__setattr__(state, "river", "no detector")
    with pytest.raises(ValueError, match=r"state.river must be a ADWIN, got str"):
        build_detector("adwin", watch="error").restore(state)


@each_name
@pytest.mark.parametrize("turning", ["mode", "two_sided_test", "nonsense"])
def test_a_parameter_that_would_turn_the_polarity_is_unknown(name, turning):
    """Which change counts is the adapter's word alone."""
    with pytest.raises(ValueError, match=f"{name} must be given only .*, got '{turning}'"):
        build_detector(name, watch="error", params={turning: 1})


@pytest.mark.parametrize("bad", [0, -1, math.nan, True, "0.1", 1.5])
def test_a_parameter_out_of_range_names_its_path(bad):
    """The path of the message is the one of the config."""
    with pytest.raises(ValueError, match=r"adwin.delta must be a number greater than 0 and at most 1, got"):
        build_detector("adwin", watch="error", params={"delta": bad})


def test_a_parameter_reaches_river():
    """A stricter threshold alarms later."""
    rows = [
        fired_rows(build_detector("page_hinkley", watch="error", params={"threshold": threshold}), step("error"))[0]
        for threshold in (10, 60)
    ]

    assert rows[0] + 30 < rows[1]


@each_name
def test_every_parameter_is_one_river_has(name):
    """A name that River renames shows here, not in a running monitor."""
    spec = CATALOG[name]
    river = build_detector(name, watch="error")._river

    assert set(spec.params) <= set(river._get_params())
    assert set(spec.defaults) | set(spec.number_defaults) <= set(spec.params)


@pytest.mark.parametrize(("name", "watch"), [("ddm", "number"), ("hddm_a", "loss"), ("adwin", "everything")])
def test_what_a_detector_cannot_watch_is_refused(name, watch):
    """DDM and HDDM know only 0 and 1."""
    with pytest.raises(ValueError, match=f"{name} must watch one of error.*, got '{watch}'"):
        build_detector(name, watch=watch)


def test_an_unknown_detector_is_refused_with_the_known_ones():
    """EDDM and KSWIN are left out on purpose: too many false alarms, too slow."""
    with pytest.raises(
        ValueError, match="detector must be one of adwin, ddm, hddm_a, hddm_w, page_hinkley, got 'eddm'"
    ):
        build_detector("eddm", watch="error")
