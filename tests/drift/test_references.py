"""References that move: which rows they hold, however the rows come, and that a restart changes none."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.columns import transpose
from drift.reference import Reference
from drift.references import PHASES, Reservoir, Seasonal, Sliding

KINDS = {"n": "integer", "x": "numeric", "city": "categorical"}
RELAXED = settings(deadline=None, max_examples=60)
CUTS = st.lists(st.integers(0, 400), max_size=8)


def row(number):
    """Every one another, some with something missing."""
    values = {"n": number, "x": number / 7, "city": f"c{number % 5}"}
    return {name: value for place, (name, value) in enumerate(values.items()) if (number + place) % 11}


def phase(number):
    return number / 96


def hours(count):
    """Phases of so many rows, one in the middle of each 24th."""
    return [(number + 0.5) / PHASES for number in range(count)]


def reference(count):
    return Reference.from_rows(KINDS, map(row, range(count)))


KIND = {
    "sliding": Sliding,
    "reservoir": lambda first, _phases: Reservoir(first, "shop"),
    "seasonal": lambda first, phases: Seasonal(first, phases, "shop"),
}


def begun(kind, count):
    return KIND[kind](reference(count), [phase(number) for number in range(count)])


def enter(past, start, stop):
    rows = range(start, stop)
    past.enter(transpose(KINDS, map(row, rows)), [phase(number) for number in rows])


def held(past, phases=tuple(number / PHASES for number in range(PHASES))):
    """Every value of every row, and of a seasonal one of all phases."""
    found = past.against(phases)
    return [repr(found.columns[name].tolist()) for name in KINDS]


@pytest.mark.parametrize("kind", KIND)
@RELAXED
@given(CUTS, st.integers(1, 120), st.booleans())
def test_neither_batches_nor_restarts_change_what_is_held(kind, cuts, first, restart):
    """Rows one by one or by the hundred, saved and restored in between through MessagePack: the same rows in order."""
    whole = begun(kind, first)
    enter(whole, first, first + 400)
    past, places = begun(kind, first), [0, *sorted(cuts), 400]
    for start, stop in pairwise(places):
        enter(past, first + start, first + stop)
        past.against([phase(start)])
        if restart:
            saved = msgspec.msgpack.decode(msgspec.msgpack.encode(past.snapshot()))
            past = KIND[kind](reference(first), ())
            past.restore(saved)

    assert held(past) == held(whole)
    assert past.snapshot() == whole.snapshot()


@RELAXED
@given(CUTS, st.integers(1, 120))
def test_a_sliding_reference_is_the_latest_rows(cuts, first):
    """As many as the first one has, in their order, to the digest."""
    past, number = begun("sliding", first), first
    for more in cuts:
        enter(past, number, number + more)
        number += more
        expected = Reference.from_rows(KINDS, map(row, range(number - first, number)))
        assert past.against(()).digest == expected.digest
        assert past.phases_of() == [phase(each) for each in range(number - first, number)]


@pytest.mark.parametrize("kind", KIND)
def test_what_was_handed_out_or_saved_stays_as_it_was(kind):
    """Windows in a queue, and checkpoints on their way to the disk, hold rows of their own."""
    past = begun(kind, 48)
    found, saved = past.against([0.5]), past.snapshot()
    before = found.digest, msgspec.msgpack.encode(saved)
    enter(past, 48, 400)

    assert (Reference.from_bytes(found.to_bytes()).digest, msgspec.msgpack.encode(saved)) == before
    assert past.against([0.5]).digest != before[0]


def test_every_row_has_the_same_chance_in_a_reservoir():
    """3,000 rows into 100 places, 400 seeds: each tenth of the stream has a tenth of the places, within 5 %."""
    kinds = {"n": "integer"}
    first = Reference.from_rows(kinds, [{"n": number} for number in range(100)])
    rest = transpose(kinds, [{"n": number} for number in range(100, 3_000)])
    counts = np.zeros(10)
    for seed in range(400):
        past = Reservoir(first, f"shop-{seed}")
        past.enter(rest, ())
        counts += np.bincount(past.against(()).columns["n"] // 300, minlength=10)

    assert counts.sum() == 40_000
    assert np.abs(counts / 4_000 - 1).max() <= 0.05, counts


def test_a_season_s_rows_are_of_the_window_s_phases_in_its_proportions():
    """Three of phase 5 for one of phase 6, as many as there are; of each row the phase is in its value."""
    kinds = {"n": "integer"}
    rows = [{"n": number % PHASES} for number in range(20 * PHASES)]
    past = Seasonal(Reference.from_rows(kinds, rows), hours(len(rows)), "shop")

    found = past.against([5.2 / PHASES, 5.3 / PHASES, 3 + 5.9 / PHASES, 6.1 / PHASES]).columns["n"].tolist()

    assert found == [5] * 20 + [6] * 6


def test_a_season_s_sample_is_of_all_its_periods():
    """Forty days after the first, a phase holds rows from early and late days."""
    kinds = {"n": "integer"}
    past = Seasonal(Reference.from_rows(kinds, [{"n": 0}] * 20 * PHASES), hours(20 * PHASES), "shop")
    for day in range(20, 60):
        past.enter(transpose(kinds, [{"n": day // 20}] * PHASES), hours(PHASES))

    found = np.bincount(past.against(hours(PHASES)).columns["n"], minlength=3)

    assert found.sum() == 20 * PHASES
    assert found.min() >= 0.25 * found.sum(), found


def test_a_phase_that_was_never_seen_has_no_values():
    """A window of it, even in part, has nothing to be compared with."""
    past = begun("seasonal", 48)  # the first half of a period

    for window in ([0.75], [0.25, 0.75]):
        found = past.against(window)
        assert found.rows == 1
        assert all(sample.size == 0 for sample in found.samples.values())
    assert past.against([0.25]).samples["n"].size > 0


@pytest.mark.parametrize("kind", KIND)
def test_rows_of_other_columns_are_refused(kind):
    """A checkpoint of other features names both."""
    saved = begun(kind, 48).snapshot()
    other = KIND[kind](Reference.from_rows({"n": "numeric"}, [{"n": 1.0}] * 48), ())

    with pytest.raises(ValueError, match="past must be rows of"):
        other.restore(saved)
