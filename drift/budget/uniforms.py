"""Uniform numbers that depend on nothing but seed, stream and position: a rank drawn again is the same rank.

Source: splitmix64, G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_UNUSED_BITS = np.uint64(11)


def stream_keys(seed: int, names: Sequence[str]) -> Keys:
    """One key per stream, shape `(len(names),)`; a stream's key does not depend on the others beside it."""
    digests = (hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest() for name in names)
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def uniforms(keys: Keys, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Numbers in [0, 1), shape `(n_streams, n_positions)`.

    >>> both = uniforms(stream_keys(7, ["a", "b"]), np.arange(3))
    >>> bool((both[1:] == uniforms(stream_keys(7, ["b"]), np.arange(3))).all())
    True
    """
    mixed = keys[:, None] + positions.astype(np.uint64) * _GOLDEN
    mixed += _GOLDEN
    mixed ^= mixed >> _SHIFTS[0]
    mixed *= _FIRST
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _SECOND
    mixed ^= mixed >> _SHIFTS[2]
    drawn: NDArray[np.float64] = (mixed >> _UNUSED_BITS).astype(np.float64)
    drawn *= 2.0**-53
    return drawn
