"""Bins and their shares, against numpy's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.binning import Shares, jensenshannon, kl_div, psi, sturges_edges

COUNTS = st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any)


@pytest.mark.parametrize("rows", [100, 2**19 - 20, 2**20, 2**20 + 50])
def test_integer_bins_are_never_narrower_than_one(rows):
    """Sturges' rule asks for that only beyond half a million rows of a column of few integers."""
    reference, current = np.sort(np.resize(np.arange(21), rows)), np.arange(3)
    oracle = np.histogram_bin_edges(np.concatenate([reference, current]), bins="sturges")
    edges = sturges_edges(reference, current)
    assert edges.tobytes() == oracle.tobytes()


@given(COUNTS, COUNTS)
def test_divergences_are_nothing_for_equal_shares_only(reference, current):
    """And never less than nothing, up to rounding."""
    shares = Shares(np.array(reference) / sum(reference), np.array(current) / sum(current))
    equal = bool((shares.reference == shares.current).all())
    for divergence in (psi, kl_div, jensenshannon):
        value = divergence(shares)
        assert value >= -1e-12
        assert (abs(value) < 1e-12) == equal


def test_shares_are_left_as_they_are():
    """PSI fills empty bins in a copy: Jensen-Shannon after it still sees them empty."""
    shares = Shares(np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5]))
    before = jensenshannon(shares)
    psi(shares)
    assert jensenshannon(shares) == before
    assert shares.reference.tolist() == [0.5, 0.5, 0.0]
