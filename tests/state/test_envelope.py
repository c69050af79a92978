"""No byte of a checkpoint can change and be accepted, and each refusal says why."""

import hmac
import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import StateError
from streams.state.envelope import EnvelopeError, Header, open_sealed, seal
from streams.state.keyring import Keyring

KEYS = Keyring(b"a" * 32, (b"b" * 40,))
HEADER = Header(
    name="task-0",
    generation=3,
    sequence=17,
    offsets={"fraud.features/0": 120, "fraud.labels/0": 90},
    cluster_id="c",
    topic_ids={"fraud.features": "t"},
    config_hash="h",
    versions={"river": "0.26.1"},
    created_ms=1_700_000_000_000,
    objects=("objects/done/0/x.obj",),
)
BLOB = seal(HEADER, b"the state of a task", KEYS)
PREFIX = 62  # magic, signature, key id, format, lengths


def reason(blob: bytes, keys: Keyring = KEYS) -> str:
    with pytest.raises(EnvelopeError, match="a checkpoint must be whole and genuine") as caught:
        open_sealed(blob, keys)
    assert isinstance(caught.value, StateError)
    return caught.value.reason


@settings(deadline=None)
@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=5), st.integers(0, 2**62), max_size=3))
def test_gives_back_what_was_sealed(payload, offsets):
    """Header and payload come back exactly, whatever they hold."""
    header = msgspec.structs.replace(HEADER, offsets=offsets)
    assert open_sealed(seal(header, payload, KEYS), KEYS) == (header, payload)


def test_no_flipped_bit_is_accepted():
    """Every single bit of the blob counts: magic, signature, key id, format, lengths, header and payload."""
    for at in range(len(BLOB)):
        for bit in range(8):
            blob = bytearray(BLOB)
            blob[at] ^= 1 << bit
            why = reason(bytes(blob))
            if at < 8:
                assert why == "not a millrace checkpoint"
            elif 40 <= at < 48:
                assert why == "signed with another key"
            else:
                assert why in {"altered", "truncated"}
                assert why == "altered" or 50 <= at < PREFIX  # only a length may make it look too short


@settings(deadline=None)
@given(st.integers(0, len(BLOB) - 1), st.binary(min_size=1, max_size=3))
def test_no_overwritten_stretch_is_accepted(at, stretch):
    """A torn sector is refused too."""
    blob = BLOB[:at] + stretch + BLOB[at + len(stretch) :]
    if blob != BLOB:
        reason(blob)


def test_every_truncation_is_refused_as_such():
    """Cut anywhere, from nothing to one byte short, it is called truncated: not altered, not unreadable."""
    assert {reason(BLOB[:size]) for size in range(len(BLOB))} == {"truncated"}


def test_a_longer_blob_is_refused():
    """Bytes behind the payload are signed by nobody."""
    assert reason(BLOB + b"\0") == "altered"


@pytest.mark.parametrize("blob", [b"x", b"PAR1" + bytes(200), b"\0" * 300])
def test_another_file_is_called_so(blob):
    """A file that happens to lie there is no damaged checkpoint."""
    assert reason(blob) == "not a millrace checkpoint"


def test_another_key_is_called_so():
    """The operator looks for a key, not for a broken disk."""
    assert reason(BLOB, Keyring(b"c" * 32)) == "signed with another key"


def test_an_earlier_key_is_accepted_until_it_is_taken_off():
    """Rotation: what the old key signed is read while it is on the ring, and new blobs carry the new key."""
    rotated = Keyring(b"n" * 32, (b"a" * 32,))
    assert open_sealed(BLOB, rotated)[0] == HEADER
    assert reason(seal(HEADER, b"", rotated), Keyring(b"a" * 32)) == "signed with another key"


def sealed_by_hand(header: bytes, payload: bytes, version: int = 1) -> bytes:
    """The documented layout, written down a second time."""
    key = b"a" * 32
    key_id = hmac.digest(key, b"millrace key id", "sha256")[:8]
    fields = key_id + struct.pack(">HIQ", version, len(header), len(payload))
    signature = hmac.digest(key, b"millrace" + fields + header + payload, "sha256")
    return b"millrace" + signature + fields + header + payload


def test_has_the_documented_layout():
    """Another program can check a checkpoint from the description alone."""
    assert sealed_by_hand(msgspec.msgpack.encode(HEADER), b"the state of a task") == BLOB


def test_a_newer_format_is_only_believed_when_it_is_genuine():
    """The format number is signed: after a downgrade the text is exact, and a flipped number is an alteration."""
    newer = sealed_by_hand(b"another header", b"", version=2)
    assert reason(newer) == "written by a newer format"
    assert reason(sealed_by_hand(msgspec.msgpack.encode(HEADER), b"", version=2)) == "written by a newer format"
    assert reason(newer[:-1]) == "altered"
    forged = bytearray(BLOB)
    forged[49] = 2
    assert reason(bytes(forged)) == "altered"


@pytest.mark.parametrize("header", [b"", b"\xc1", msgspec.msgpack.encode({"name": 7}), msgspec.msgpack.encode([])])
def test_a_genuine_header_of_another_shape_is_not_guessed_at(header):
    """It was written by a version that knows more."""
    assert reason(sealed_by_hand(header, b"payload")) == "written by a newer format"


def test_a_field_from_the_future_is_ignored():
    """A newer version may say more in its header without a new format."""
    header = msgspec.msgpack.encode({"name": "task-0", "colour": "red"})
    assert open_sealed(sealed_by_hand(header, b"x"), KEYS) == (Header(name="task-0"), b"x")


def test_nothing_is_parsed_before_the_signature_holds():
    """A header that no decoder takes is called altered, not unreadable: the decoder never saw it."""
    whole = sealed_by_hand(b"\xc1" * 20, b"payload")
    assert reason(whole[:30] + bytes([whole[30] ^ 1]) + whole[31:]) == "altered"
