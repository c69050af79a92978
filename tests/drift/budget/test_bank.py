"""The bank against the recursions it stands for, written as they are in the paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.budget.bank import BLOCK, Bank


def naive(stakes, weights):
    """M, R, C and the CUSUM's start after each row, one row at a time."""
    evidence, cusum = np.zeros(len(weights)), np.zeros(len(weights))
    began = np.zeros(len(weights), dtype=int)
    for row, stake in enumerate(stakes.T):
        began = np.where(cusum <= 1, row, began)
        evidence = (evidence + 1) * stake
        cusum = np.maximum(cusum, 1) * stake
        yield float(weights @ evidence), evidence, cusum, began


def runs(bank, stakes, sizes):
    """The rows in batches of these sizes, cut where a block ends; M after each row."""
    totals, at, sizes = [], 0, iter(sizes)
    while at < stakes.shape[1]:
        stop = min(at + next(sizes, BLOCK), at + bank.rows_to_block, stakes.shape[1])
        run = bank.run(stakes[:, at:stop].T.copy())
        bank.take(run, 0, stop - at)
        totals += run.total.tolist()
        at = stop
    return totals


def stakes_of(seed, lanes, rows):
    return np.exp(np.random.default_rng(seed).normal(-0.1, 0.4, size=(lanes, rows)))


def test_two_rows_by_hand():
    """R = (0 + 1) 2 = 2, then (2 + 1) 1/2 = 1.5; C = 2, then 1."""
    bank = Bank(np.array([1.0]), 0)

    bank.take(bank.run(np.array([[2.0], [0.5]])), 0, 2)

    assert (bank.total, bank.evidence()[0], bank.cusum(0), bank.began(0)) == (1.5, 1.5, 1.0, 0)


@pytest.mark.parametrize("start", [0, 17])
def test_the_closed_form_is_the_recursion(start):
    """Over seven blocks, from the beginning of one or its middle."""
    stakes, weights = stakes_of(1, 30, 350), np.full(30, 1 / 30)
    bank = Bank(weights, start)

    totals = runs(bank, stakes, [])

    expected = list(naive(stakes, weights))
    assert totals == pytest.approx([total for total, *_ in expected], rel=1e-9)
    _, evidence, cusum, began = expected[-1]
    assert bank.evidence() == pytest.approx(evidence, rel=1e-9)
    assert [bank.cusum(lane) for lane in range(30)] == pytest.approx(cusum.tolist(), rel=1e-9)
    assert [bank.began(lane) - start for lane in range(30)] == began.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.integers(0, 120), st.integers(1, 12), st.lists(st.integers(1, 60), max_size=40))
def test_no_split_changes_the_last_digit(seed, start, lanes, sizes):
    """M, R, C and starts are equal to the bit for any batches, a single lane and a single row among them."""
    stakes, weights = stakes_of(seed, lanes, 180), np.linspace(0.1, 1, lanes)
    whole, split = Bank(weights, start), Bank(weights, start)

    assert runs(split, stakes, sizes) == runs(whole, stakes, [])
    assert split.snapshot() == whole.snapshot()


def test_part_of_a_run_may_be_taken_and_the_rest_later():
    """As when an example comes between two events."""
    stakes, weights = stakes_of(5, 4, 50), np.full(4, 0.25)
    whole, parts = Bank(weights, 0), Bank(weights, 0)
    whole.take(whole.run(stakes.T.copy()), 0, 50)

    run = parts.run(stakes.T.copy())
    for start, stop in ((0, 1), (1, 20), (20, 50)):
        parts.take(run, start, stop)

    assert parts.snapshot() == whole.snapshot()


def test_the_cusum_starts_at_the_change():
    """Stakes that lose up to row 70 and win from there on."""
    stakes = np.concatenate([np.full((1, 70), 0.8), np.full((1, 30), 1.3)], axis=1)
    bank = Bank(np.array([1.0]), 200)

    runs(bank, stakes, [])

    assert bank.began(0) == 270
    assert bank.cusum(0) == pytest.approx(1.3**30)


def test_the_mean_run_to_an_alarm_is_the_threshold():
    """With fair stakes M reaches A after A events on average, and a bit more: 400 runs at A = 100."""
    rng, threshold, lengths = np.random.default_rng(11), 100.0, []
    for _ in range(400):
        bank, rows = Bank(np.array([0.5, 0.5]), 0), 0
        while True:
            z = rng.normal(size=(1, bank.rows_to_block))
            run = bank.run(np.exp(np.array([0.5, -0.5]) * z.T - 0.125))
            reached = np.flatnonzero(run.total >= threshold)
            if reached.size:
                lengths.append(rows + int(reached[0]) + 1)
                break
            rows += z.shape[1]
            bank.take(run, 0, z.shape[1])

    assert 95 <= np.mean(lengths) <= 200


def test_a_silenced_lane_weighs_nothing():
    """What it had gathered is void at once, and the others go on."""
    stakes = stakes_of(3, 3, 90)
    bank, alone = Bank(np.full(3, 0.25), 0), Bank(np.array([0.25, 0, 0.25]), 0)
    for each in (bank, alone):
        runs(each, stakes[:, :60], [])
    bank.silence(np.array([False, True, False]))

    totals = runs(bank, stakes[:, 60:], [])

    assert totals == pytest.approx(runs(alone, stakes[:, 60:], []))
    assert bank.evidence()[1] == bank.cusum(1) == 0.0


def test_fifty_of_the_boldest_stakes_overflow_nothing():
    """The worst block there can be, won or lost throughout."""
    stakes = np.concatenate([np.full((1, 100), 20.0), np.full((1, 100), 1e-3)])
    bank = Bank(np.array([0.5, 0.5]), 0)

    assert np.isfinite(runs(bank, stakes, [])).all()
    assert np.isfinite(bank.evidence()).all()
