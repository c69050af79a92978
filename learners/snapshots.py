"""Models to bytes and back: the one place that pickles.

A pickle is a program. What it may name is an exact list (`allowlist`), so that a changed snapshot can fill models
with nonsense but cannot call anything of the system's. The signature of the envelope is what proves origin; this is
the second lock.
"""

from __future__ import annotations

import io
import pickle
import random
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any, cast

from river import proba

from learners.allowlist import METHODS, Allowlist

PROTOCOL = 5
_UNSEEDED = random.Random()  # noqa: S311 - stands in for generators that nobody seeded


def dumps(thing: object) -> bytes:
    """A model, detector or plain value as bytes; the same bytes each time while it is unchanged.

    Slim: every `river.proba.Gaussian` carries a `random.Random` of 2.5 kB that only its `sample` uses, and trees
    hold thousands. Unseeded ones, which nothing can tell apart, are left out: 15 to 39 times smaller.
    ValueError for what cannot be pickled.

    >>> from river import stats
    >>> mean = stats.Mean()
    >>> mean.update(3.0)
    >>> loads(dumps(mean), Allowlist()).get()
    3.0
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, PROTOCOL).dump(thing)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as problem:
        raise ValueError(f"could not take a snapshot of {type(thing).__qualname__}: {problem}") from problem
    return buffer.getvalue()


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


class _Pickler(pickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:  # noqa: ANN401 - pickle's protocol
        kind = type(thing)
        if kind is proba.Gaussian and thing.seed is None:
            return _gaussian, ({name: value for name, value in thing.__dict__.items() if name != "_rng"},)
        if kind is MethodType:  # pickle would write builtins.getattr, which must never be allowed
            return _bound, (thing.__self__, thing.__name__)
        return NotImplemented


def _gaussian(state: dict[str, Any]) -> proba.Gaussian:
    gaussian = proba.Gaussian.__new__(proba.Gaussian)
    gaussian.__dict__.update(state, _rng=_UNSEEDED)
    return gaussian


def _bound(owner: object, name: str) -> Callable[..., Any]:
    owner_class = owner if isinstance(owner, type) else type(owner)
    if not any((parent.__module__, parent.__qualname__, name) in METHODS for parent in owner_class.__mro__):
        raise _Refused(
            f"snapshot must bind only allowed methods, got {owner_class.__module__}.{owner_class.__qualname__}.{name}"
        )
    return cast("Callable[..., Any]", getattr(owner, name))


_OWN = {(__name__, "_gaussian"): _gaussian, (__name__, "_bound"): _bound}


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
