"""Who may look, and what a browser may do with what it got: tokens, Host, headers.

The page changes nothing and shows much: feature names, scores, offsets. On 127.0.0.1 it is open to whoever is on the
machine; elsewhere a token is needed. A foreign web page cannot read it by pointing its own name at our address (DNS
rebinding): a name in `Host` must be one we were told, an address is what it says.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from streams.errors import ConfigError

TOKEN_CHARS_MIN = 16
COOKIE = "millrace_dashboard"
METHODS = ("GET", "HEAD")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; connect-src 'none'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
"""A report is a page of its own with scripts in it; its own policy, in the file, lets only those run. The sandbox
gives it no origin, no cookie and no connection."""

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PAGE_HEADERS: Mapping[str, str] = {
    **_ALWAYS,
    "Content-Security-Policy": PAGE_POLICY,
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
REPORT_HEADERS: Mapping[str, str] = {
    **_ALWAYS,
    "Content-Security-Policy": REPORT_POLICY,
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
}
STATIC_HEADERS: Mapping[str, str] = {
    **_ALWAYS,
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "public, max-age=31536000, immutable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where the page listens and who may come in; checked when built."""

    host: str = "127.0.0.1"
    token: str | None = None
    open_to_all: bool = False
    """Another address than this machine's own, and no token: said aloud by whoever started it."""
    names: Collection[str] = ()
    """Names it may be called by in `Host`, besides any IP address and localhost."""

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < TOKEN_CHARS_MIN:
            raise ConfigError("--token", f"must be at least {TOKEN_CHARS_MIN} characters, got {len(self.token)}")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ConfigError("--token", "must be printable ASCII, got something else")
        if self.token is not None and self.open_to_all:
            raise ConfigError("--no-token", "must be alone, got a token with it")
        if not (is_loopback(self.host) or self.token is not None or self.open_to_all):
            raise ConfigError(
                "--host",
                f"must be 127.0.0.1 unless there is a token, got {self.host!r}: set MILLRACE_DASHBOARD_TOKEN, or say "
                "--no-token and let everybody look who can reach it",
            )

    @property
    def cookie(self) -> str:
        """What the cookie holds: not the token itself."""
        return hmac.new((self.token or "").encode(), b"millrace dashboard cookie", hashlib.sha256).hexdigest()

    def right_token(self, said: str) -> bool:
        """In a time that does not tell how much of it was right."""
        return self.token is not None and hmac.compare_digest(said.encode(), self.token.encode())

    def lets_in(self, authorization: str, cookies: str) -> bool:
        """By `Authorization: Bearer …` or by the cookie."""
        if self.token is None:
            return True
        scheme, _, said = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.right_token(said.strip()):
            return True
        return hmac.compare_digest(_cookie(cookies).encode(), self.cookie.encode())

    def knows(self, host: str) -> bool:
        """Whether `Host` is one of ours."""
        name = _without_port(host)
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            known = {"localhost", self.host.lower(), *(each.lower() for each in self.names)}
            return name.lower() in known
        return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _without_port(host: str) -> str | None:
    """The name or address in a `Host` header; None for what is neither.

    >>> _without_port("a.example:80"), _without_port("[::1]:80"), _without_port(""), _without_port("a:b:c")
    ('a.example', '::1', None, None)
    """
    if host.startswith("["):
        address, closed, port = host[1:].partition("]")
        return address if closed and (not port or (port[0] == ":" and port[1:].isdigit())) else None
    name, colon, port = host.partition(":")
    if not name or (colon and not port.isdigit()):
        return None
    return name


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
