"""Foreign text inside a page with scripts: names and categories come from whoever may send events.

Evidently puts them into a `<script>` block as plain JSON, where a category `</script><script>…` ends the
block and runs. Two defences: JSON without a character that HTML could read, and a policy that lets only the
page's own scripts run, by their digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

_NONE = "'none'"
_ESCAPES = str.maketrans(
    {
        "<": r"\u003c",
        ">": r"\u003e",
        "&": r"\u0026",
        "\u2028": r"\u2028",  # line ends to JavaScript before 2019, not to JSON
        "\u2029": r"\u2029",
    }
)


def escaped_json(encoded: str) -> str:
    r"""The same JSON, fit for a `<script>` block: outside its strings none of these characters can occur.

    >>> escaped_json('{"city": "</script>"}')
    '{"city": "\\u003c/script\\u003e"}'
    """
    return encoded.translate(_ESCAPES)


def content_security_policy(scripts: Iterable[str]) -> str:
    """A policy that runs exactly `scripts`, opens no connection and loads nothing from elsewhere.

    Styles stay free: the page's own libraries write them while it runs. Browsers turn every line end into a
    line feed before they take the digest: the text given here must have no other.
    """
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {digests or _NONE}; style-src 'unsafe-inline'; img-src data: blob:; "
        "font-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )
