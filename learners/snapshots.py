"""Models to bytes and back: the one place that pickles.

A pickle is a program. What it may name is an exact list (`allowlist`), so that a changed snapshot can fill models
with nonsense but cannot call anything of the system's. The signature of the envelope is what proves origin; this is
the second lock.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import random
import sys
from collections.abc import Callable
from operator import attrgetter
from types import MethodType
from typing import Any, cast

from river import proba, stats
from river.tree.splitter import GaussianSplitter

from learners.allowlist import METHODS, Allowlist

PROTOCOL = 5
Reduced = str | tuple[Any, ...]
_UNSEEDED = random.Random()  # noqa: S311 - stands in for generators that nobody seeded


def dumps(thing: object) -> bytes:
    """A model, detector or plain value as bytes; the same bytes each time while it is unchanged.

    Slim: every `river.proba.Gaussian` carries a `random.Random` of 2.5 kB that only its `sample` uses, and trees
    hold thousands. Unseeded ones, which nothing can tell apart, are left out: 15 to 39 times smaller.
    ValueError for what cannot be pickled.

    Other threads get their turn between two such distributions or 64 KiB: only there Python code is run.

    >>> from river import stats
    >>> mean = stats.Mean()
    >>> mean.update(3.0)
    >>> loads(dumps(mean), Allowlist()).get()
    3.0
    """
    written = _Written()
    pickler = pickle.Pickler(written, PROTOCOL)
    # No `reducer_override`: it is asked of every object, half of the time that a forest's snapshot took.
    pickler.dispatch_table = {**copyreg.dispatch_table, **_REDUCED}
    try:
        pickler.dump(thing)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as problem:
        raise ValueError(f"could not take a snapshot of {type(thing).__qualname__}: {problem}") from problem
    return b"".join(written.parts)


def loads(blob: bytes, allow: Allowlist) -> Any:  # noqa: ANN401 - whatever was dumped
    r"""The thing that `dumps` took. ValueError, naming the global, for a blob that wants one not allowed.

    >>> loads(b"cos\nsystem\n(S'true'\ntR.", Allowlist())
    Traceback (most recent call last):
    ValueError: snapshot must name only allowed globals, got os.system
    """
    try:
        return _Unpickler(io.BytesIO(blob), allow).load()
    except _Refused as refusal:
        raise ValueError(str(refusal)) from refusal
    except Exception as problem:  # a damaged pickle raises nearly anything, its classes' constructors the rest
        raise ValueError(f"snapshot must be one that millrace wrote, got {type(problem).__name__}") from problem


class _Refused(Exception):  # noqa: N818 - never leaves this module
    pass


class _Written:
    """Where a pickler writes to, frame by frame."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, part: bytes) -> None:
        self.parts.append(part)


def _method_reduced(thing: MethodType) -> Reduced:
    """Pickle would write `builtins.getattr`, which must never be allowed."""
    return _bound, (thing.__self__, thing.__name__)


# To ask an object of Python 3.11 for its `__dict__`, as pickle does, makes it one for good, larger and slower: forests
# learned and predicted a tenth slower for having been pickled. Where most objects are of a few kinds, these are read
# and made attribute by attribute.


def _gaussian_reduced(thing: proba.Gaussian) -> Reduced:
    if thing.seed is not None:
        return thing.__reduce_ex__(PROTOCOL)
    return _gaussian, (thing._var,)  # noqa: SLF001 - nothing public says all of it


def _gaussian(variance: stats.Var) -> proba.Gaussian:
    gaussian = proba.Gaussian.__new__(proba.Gaussian)
    gaussian.seed, gaussian._rng, gaussian._var = None, _UNSEEDED, variance  # noqa: SLF001
    return gaussian


def _variance_reduced(thing: stats.Var) -> Reduced:
    mean = thing.mean
    if type(mean) is not stats.Mean:
        return thing.__reduce_ex__(PROTOCOL)
    return _variance, (thing.ddof, mean.n, mean._mean, thing._S)  # noqa: SLF001


def _variance(ddof: int, n: float, mean: float, sum_of_squares: float) -> stats.Var:
    variance = stats.Var(ddof)
    variance.mean.n, variance.mean._mean, variance._S = n, mean, sum_of_squares  # noqa: SLF001
    return variance


_observed = attrgetter("n_splits", "_min_per_class", "_max_per_class", "_att_dist_per_class")


def _splitter_reduced(thing: GaussianSplitter) -> Reduced:
    return _splitter, _observed(thing)


def _splitter(n_splits: int, lowest: Any, highest: Any, distributions: Any) -> GaussianSplitter:  # noqa: ANN401 - by label
    splitter = GaussianSplitter(n_splits)
    splitter._min_per_class, splitter._max_per_class = lowest, highest  # noqa: SLF001
    splitter._att_dist_per_class = distributions  # noqa: SLF001
    return splitter


def _as_known(kind: Callable[[], object], *names: str) -> bool:
    """Another River may keep more in it: then it is left to pickle, and a candidate that has it refused by name."""
    return set(vars(kind())) == set(names)


_REDUCED: dict[type, Callable[[Any], Reduced]] = {MethodType: _method_reduced}
if _as_known(proba.Gaussian, "seed", "_rng", "_var"):
    _REDUCED[proba.Gaussian] = _gaussian_reduced
if _as_known(stats.Var, "ddof", "mean", "_S") and _as_known(stats.Mean, "n", "_mean"):
    _REDUCED[stats.Var] = _variance_reduced
if _as_known(GaussianSplitter, "n_splits", "_min_per_class", "_max_per_class", "_att_dist_per_class"):
    _REDUCED[GaussianSplitter] = _splitter_reduced


def _bound(owner: object, name: str) -> Callable[..., Any]:
    owner_class = owner if isinstance(owner, type) else type(owner)
    if not any((parent.__module__, parent.__qualname__, name) in METHODS for parent in owner_class.__mro__):
        raise _Refused(
            f"snapshot must bind only allowed methods, got {owner_class.__module__}.{owner_class.__qualname__}.{name}"
        )
    return cast("Callable[..., Any]", getattr(owner, name))


_OWN = {(__name__, one.__name__): one for one in (_gaussian, _variance, _splitter, _bound)}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, allow: Allowlist) -> None:
        super().__init__(stream)
        self._allow = allow

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's protocol
        own = _OWN.get((module, name))
        if own is not None:
            return own
        if self._allow.lists(module, name):
            return super().find_class(module, name)
        # A class or function may be taken from a module that is named as a whole, but only where it was defined
        # and by its plain name (no dotted path is followed): `shop.models` importing `os` must not lend out
        # `os.system`. The module has to be imported already, as it is once its factory has run: a snapshot
        # imports nothing.
        found = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if self._allow.admits(module, found):
            return found
        raise _Refused(f"snapshot must name only allowed globals, got {module}.{name}")
