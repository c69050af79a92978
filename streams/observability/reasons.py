"""Why records become dead letters, in few words: a metric has a series for each, so they must not be many."""

from __future__ import annotations

import re

_CLASSES = (
    ("tombstone", r"\$ must be a JSON object, got a tombstone"),
    ("too_large", r"\$ must be at most \d+ bytes"),
    ("not_json", r"\$ must be JSON in UTF-8"),
    ("no_key", r"the record's key must be set"),
    ("unknown_feature", r"\$\.features must be only"),
    ("feature", r"\$\.features\.[A-Za-z0-9_.:-]+ must be "),
    ("label", r"\$\.label must be "),
    ("no_example", r"\$ must be an example"),
    ("model", r"candidate .* raised "),
    ("webhook", r"webhook: "),
    ("shape", r"\$[^ ]*: "),
)
_OTHER = "other"
CLASSES = (*(name for name, _ in _CLASSES), _OTHER)
_PATTERN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _CLASSES), re.DOTALL)


def reason_class(reason: str) -> str:
    """One of `CLASSES`.

    >>> reason_class("$.features.amount must be a number, got a string"), reason_class("something new")
    ('feature', 'other')
    """
    found = _PATTERN.match(reason)
    return found.lastgroup or _OTHER if found else _OTHER
