"""The sealed form of everything durable: a signature over header and payload, checked before either is parsed.

Layout, big-endian: magic (8) | HMAC-SHA256 (32) | key id (8) | format (2) | header length (4) | payload length (8) |
header (msgpack) | payload. The signature covers every byte but itself. Magic, signature and key id keep their places in
every future format, so that `written by a newer format` is only said of what is genuine.
"""

from __future__ import annotations

import hmac
import struct
from typing import Literal

import msgspec

from streams.errors import StateError
from streams.state.keyring import KEY_ID_BYTES, Keyring

MAGIC = b"millrace"
FORMAT = 1
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


class EnvelopeError(StateError):
    """A blob that is not to be used, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"a checkpoint must be whole and genuine, got one that is {reason}")
        self.reason: Reason = reason


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about a payload, signed with it."""

    name: str
    """The task, shard or monitor it belongs to; for an object `kind/name`."""
    generation: int = 0
    sequence: int = 0
    offsets: dict[str, int] = {}
    """`topic/partition` → the next offset to read."""
    cluster_id: str = ""
    topic_ids: dict[str, str] = {}
    """topic → Kafka's id of it, which changes when a topic is made anew."""
    config_hash: str = ""
    versions: dict[str, str] = {}
    """Of river, numpy, python, millrace."""
    created_ms: int = 0
    kind: Literal["checkpoint", "object"] = "checkpoint"
    objects: tuple[str, ...] = ()
    """Paths of stored objects that the payload refers to: they live as long as this checkpoint."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Header).decode


def seal(header: Header, payload: bytes, keys: Keyring) -> bytes:
    """Header and payload as one signed blob.

    >>> ring = Keyring(current=b"k" * 32)
    >>> header, payload = open_sealed(seal(Header(name="task-0"), b"state", ring), ring)
    >>> header.name, payload
    ('task-0', b'state')
    """
    packed = _encode(header)
    fields = _FIELDS.pack(keys.current_id, FORMAT, len(packed), len(payload))
    mac = hmac.new(keys.current, MAGIC, "sha256")
    for part in (fields, packed, payload):
        mac.update(part)
    return b"".join((MAGIC, mac.digest(), fields, packed, payload))


def open_sealed(blob: bytes, keys: Keyring) -> tuple[Header, bytes]:
    """Header and payload of a genuine blob.

    Raises:
        EnvelopeError: it is not; `reason` says why.
    """
    view = memoryview(blob)
    if bytes(view[:_MAC_AT]) != MAGIC[: len(blob)]:
        raise EnvelopeError("not a millrace checkpoint")
    if len(blob) < _HEADER_AT:
        raise EnvelopeError("truncated")
    key_id, version, header_size, payload_size = _FIELDS.unpack_from(blob, _SIGNED_AT)
    key = keys.find(key_id)
    if key is None:
        raise EnvelopeError("signed with another key")
    mac = hmac.new(key, MAGIC, "sha256")
    mac.update(view[_SIGNED_AT:])
    if not hmac.compare_digest(mac.digest(), view[_MAC_AT:_SIGNED_AT]):
        whole = _HEADER_AT + header_size + payload_size
        raise EnvelopeError("truncated" if version == FORMAT and len(blob) < whole else "altered")
    if version > FORMAT:
        raise EnvelopeError("written by a newer format")
    try:
        header = _decode(view[_HEADER_AT : _HEADER_AT + header_size])
    except msgspec.DecodeError as error:  # genuine, so it was written by someone who knows more
        raise EnvelopeError("written by a newer format") from error
    return header, bytes(view[_HEADER_AT + header_size :])
