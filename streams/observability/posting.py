"""One HTTP post and what came of it: bounded in time, never led elsewhere, nothing of the answer kept.

A redirect is not followed: whoever controls a receiver must not choose which address of ours is asked next. An answer's
body is not read, and neither address nor answer is ever in a message: an address may be a secret.
"""

from __future__ import annotations

import queue
import random
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, NamedTuple

NEVER = frozenset({400, 405, 410, 413, 415, 422})
"""The receiver will not take this, however often it is sent."""


class Answer(NamedTuple):
    """What came of one try."""

    taken: bool
    again: bool
    """Whether another try may help."""
    words: str
    """`HTTP 503`, `TimeoutError` …: no address, no foreign text."""
    wait_s: float | None = None
    """Asked for by the receiver."""


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - urllib's
        """Nowhere else: the redirect itself is the answer."""


def post(address: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """Post once; blocks for at most twice `timeout_s`, however slowly the other side drips."""
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    thread = threading.Thread(
        target=lambda: answers.put(_post(address, body, headers, timeout_s)), name="webhook-post", daemon=True
    )
    thread.start()
    try:
        return answers.get(timeout=2 * timeout_s)
    except queue.Empty:
        return Answer(taken=False, again=True, words="no end to the answer")


def _post(address: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
    told = {"User-Agent": f"millrace/{version('millrace')}", **headers}
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        request = urllib.request.Request(address, data=body, headers=told, method="POST")  # noqa: S310 - config allows http(s) only
        with opener.open(request, timeout=timeout_s) as response:
            return _answer(response.status, response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error.headers)
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, OSError) else error
        return Answer(taken=False, again=True, words=type(reason).__name__)
    except Exception as error:  # noqa: BLE001 - http.client raises much; whatever it is, this try has failed
        return Answer(taken=False, again=True, words=type(error).__name__)


def _answer(status: int, headers: Message) -> Answer:
    taken = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    wait = headers.get("Retry-After") or ""
    return Answer(
        taken=taken,
        again=not taken and status not in NEVER,
        words=f"HTTP {status}",
        wait_s=float(wait) if wait.isascii() and wait.isdigit() else None,
    )


def wait_s(tried: int, longest_s: float, asked_s: float | None, chance: random.Random) -> float:
    """How long to wait after so many tries: doubling from a second, as the receiver asks, never above `longest_s`.

    >>> chance = random.Random(1)
    >>> [round(wait_s(tried, 60.0, None, chance)) for tried in (1, 3, 9)], wait_s(1, 60.0, 7.0, chance)
    ([1, 4, 56], 7.0)
    """
    if asked_s is not None:
        return min(asked_s, longest_s)
    return min(2.0 ** min(tried - 1, 30), longest_s) * chance.uniform(0.75, 1.0)
