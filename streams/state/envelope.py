"""What is said about everything durable, sealed with it; see `learners.sealed` for the form of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from learners import sealed
from learners.sealed import Reason
from streams.errors import StateError
from streams.state.keyring import Keyring


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
    return sealed.seal(_encode(header), payload, keys.current)


def open_sealed(blob: bytes, keys: Keyring) -> tuple[Header, bytes]:
    """Header and payload of a genuine blob.

    Raises:
        EnvelopeError: it is not; `reason` says why.
    """
    try:
        packed, payload = sealed.unseal(blob, keys.find)
    except sealed.SealError as error:
        raise EnvelopeError(error.reason) from error
    try:
        return _decode(packed), payload
    except msgspec.DecodeError as error:  # genuine, so it was written by someone who knows more
        raise EnvelopeError("written by a newer format") from error
