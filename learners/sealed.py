"""The sealed form of everything durable: a signature over header and payload, checked before either is parsed.

Layout, big-endian: magic (8) | HMAC-SHA256 (32) | key id (8) | format (2) | header length (4) | payload length (8) |
header | payload. The signature covers every byte but itself. Magic, signature and key id keep their places in every
future format, so that `written by a newer format` is only said of what is genuine.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from typing import Literal

MAGIC = b"millrace"
FORMAT = 1
KEY_ID_BYTES = 8
_MAC_AT, _SIGNED_AT = len(MAGIC), len(MAGIC) + 32
_FIELDS = struct.Struct(f">{KEY_ID_BYTES}sHIQ")
_HEADER_AT = _SIGNED_AT + _FIELDS.size

Reason = Literal[
    "truncated",
    "not a millrace checkpoint",
    "signed with another key",
    "altered",
    "written by a newer format",
    "filed under another name",
]


class SealError(ValueError):
    """A blob that is not to be used, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"what is sealed must be whole and genuine, got one that is {reason}")
        self.reason: Reason = reason


def key_id(key: bytes) -> bytes:
    """Names a key without telling it."""
    return hmac.digest(key, b"millrace key id", "sha256")[:KEY_ID_BYTES]


def seal(header: bytes, payload: bytes, key: bytes) -> bytes:
    """Both as one signed blob.

    >>> key = b"k" * 32
    >>> unseal(seal(b"header", b"state", key), {key_id(key): key}.get)
    (b'header', b'state')
    """
    fields = _FIELDS.pack(key_id(key), FORMAT, len(header), len(payload))
    mac = hmac.new(key, MAGIC, "sha256")
    for part in (fields, header, payload):
        mac.update(part)
    return b"".join((MAGIC, mac.digest(), fields, header, payload))


def unseal(blob: bytes, find: Callable[[bytes], bytes | None]) -> tuple[bytes, bytes]:
    """Header and payload of a genuine blob; `find` knows keys by their ids.

    Raises:
        SealError: it is not genuine; `reason` says why.
    """
    view = memoryview(blob)
    if bytes(view[:_MAC_AT]) != MAGIC[: len(blob)]:
        raise SealError("not a millrace checkpoint")
    if len(blob) < _HEADER_AT:
        raise SealError("truncated")
    named, version, header_size, payload_size = _FIELDS.unpack_from(blob, _SIGNED_AT)
    key = find(named)
    if key is None:
        raise SealError("signed with another key")
    mac = hmac.new(key, MAGIC, "sha256")
    mac.update(view[_SIGNED_AT:])
    if not hmac.compare_digest(mac.digest(), view[_MAC_AT:_SIGNED_AT]):
        whole = _HEADER_AT + header_size + payload_size
        raise SealError("truncated" if version == FORMAT and len(blob) < whole else "altered")
    if version > FORMAT:
        raise SealError("written by a newer format")
    return bytes(view[_HEADER_AT : _HEADER_AT + header_size]), bytes(view[_HEADER_AT + header_size :])
