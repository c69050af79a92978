"""A store's medium that lets others act before each of its operations: what two processes may do to each other."""

from __future__ import annotations


class Interrupted:
    """`before(n)` is called before the n-th operation."""

    def __init__(self, place, before) -> None:
        self._place, self._before = place, before
        self.operations = 0

    def __getattr__(self, name):
        operation = getattr(self._place, name)

        def call(*values):
            self._before(self.operations)
            self.operations += 1
            return operation(*values)

        return call
