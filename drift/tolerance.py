"""Changes that never matter, as people write them."""

from __future__ import annotations

import re

TOLERANCE_MAX_SD = 1.0
"""The boldest bet on the mean is on a shift of 1 sd; with more, little is left to win."""
_TOLERANCE = re.compile(r"(\d+(?:\.\d+)?|\.\d+) ?sd")


def parse_tolerance(text: str, path: str = "tolerance") -> float:
    """Standard deviations of `"0.1 sd"`.

    Raises:
        ValueError: It is not of that form, or over 1 sd.
    """
    found = _TOLERANCE.fullmatch(text.strip())
    if not found or float(found[1]) > TOLERANCE_MAX_SD:
        raise ValueError(f'{path} must be like "0.1 sd", at most {TOLERANCE_MAX_SD:g} sd, got {text!r}')
    return float(found[1])
