"""Checkpoints that are not what was written: an older valid state is gone on from, or a refusal says what mends it."""

from __future__ import annotations

import hashlib
import hmac
import struct

import msgspec
import pytest
from pipeline_process import PATIENCE_S
from pipeline_story import newest_checkpoint

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.faults]

PREFIX = struct.Struct(">8s32s8sHIQ")
"""As docs describe it: magic, signature, key's id, format, sizes of header and payload."""
MAC = slice(8, 40)


def flipped(blob, at, bit=1):
    changed = bytearray(blob)
    changed[at] ^= bit
    return bytes(changed)


def signed(blob, key):
    """With a signature that holds, if the key is the store's."""
    return blob[:8] + hmac.new(key, blob[:8] + blob[40:], hashlib.sha256).digest() + blob[40:]


def header_size(blob):
    return PREFIX.unpack_from(blob)[4]


DAMAGES = {
    "emptied": lambda _, __: b"",
    "cut within the magic": lambda blob, _: blob[:5],
    "cut within the signature": lambda blob, _: blob[:23],
    "cut before the header": lambda blob, _: blob[: PREFIX.size],
    "cut within the header": lambda blob, _: blob[: PREFIX.size + header_size(blob) // 2],
    "cut before the payload": lambda blob, _: blob[: PREFIX.size + header_size(blob)],
    "cut within the payload": lambda blob, chance: blob[: chance.randrange(PREFIX.size + header_size(blob), len(blob))],
    "one byte short": lambda blob, _: blob[:-1],
    "one byte long": lambda blob, _: blob + b"\0",
    "one bit flipped in the header": lambda blob, chance: flipped(
        blob, PREFIX.size + chance.randrange(header_size(blob))
    ),
    "one bit flipped in the payload": lambda blob, chance: flipped(
        blob, chance.randrange(PREFIX.size + header_size(blob), len(blob)), 1 << chance.randrange(8)
    ),
    "one bit flipped in the signature": lambda blob, chance: flipped(blob, chance.randrange(MAC.start, MAC.stop)),
    "signed with another key": lambda blob, _: signed(blob, b"m" * 32),
    "zeroes": lambda blob, _: bytes(len(blob)),
    "another file's content": lambda blob, _: blob,  # see below
    "of the time before last": lambda blob, _: blob,
}
NAMES = ("task-0", "task-1", "shard-0")


def damage(told, name, kind):
    path = newest_checkpoint(told.pipeline, name)
    blob = path.read_bytes()
    told.note(f"{name}: {kind}", fault=True)
    if kind == "another file's content":
        blob = newest_checkpoint(told.pipeline, "task-1" if name != "task-1" else "shard-0").read_bytes()
    elif kind == "of the time before last":
        blob = sorted(path.parent.glob("*.ckpt"))[-2].read_bytes()
    path.write_bytes(DAMAGES[kind](blob, told.chance))
    return f"checkpoints/{name}/{path.name}"


def test_a_damaged_newest_checkpoint_is_passed_over(story):
    """Sixteen kinds of damage to tasks and shards, a kill before each: the one before it serves as well."""
    with story() as told:
        told.begin("worker", "monitor")
        kinds = sorted(DAMAGES)
        told.chance.shuffle(kinds)
        while kinds:
            told.grows("examples", by=150)
            told.kill("worker")
            harmed = {damage(told, name, kinds.pop()) for name in NAMES if kinds}
            worker = told.start("worker")
            told.ready("worker", count=2)
            worker.wait_for("shard_restored")
            assert harmed <= {event["key"] for event in worker.events("checkpoint_invalid")}
            told.until(
                lambda gone=harmed: not any((told.pipeline.state / key).exists() for key in gone), PATIENCE_S, "pruned"
            )
        told.audit()


def test_a_damaged_history_of_the_monitor_is_passed_over(story):
    """What it tells again from the checkpoint before is the same."""
    with story() as told:
        told.begin("worker", "monitor")
        told.members["monitor"].wait_for("reference_taken")
        told.say("shift")
        for kind in told.chance.sample(sorted(set(DAMAGES) - {"another file's content"}), 4):
            told.grows("metrics", by=2)
            told.kill("monitor")
            harmed = damage(told, "monitor", kind)
            monitor = told.start("monitor")
            told.ready("monitor")
            assert harmed in {event["key"] for event in monitor.events("checkpoint_invalid")}
        assert told.audit(alerted=True).alerts


@pytest.mark.parametrize("name", [*NAMES, "monitor"])
def test_without_a_valid_checkpoint_the_start_is_refused(story, name):
    """None of those kept can be used: to begin anew would lose them, so the process says what there is to do."""
    with story() as told:
        told.begin("worker", "monitor")
        told.grows("examples", by=200)
        for member in ("worker", "monitor"):
            told.kill(member)
        files = sorted((told.pipeline.state / "checkpoints" / name).glob("*.ckpt"))
        kept = [path.read_bytes() for path in files]
        for path, blob in zip(files, kept, strict=True):
            path.write_bytes(flipped(blob, len(blob) - 1))
        role = "monitor" if name == "monitor" else "worker"
        refused = told.pipeline.start(role)
        assert refused.wait(PATIENCE_S) == 1
        assert f"of {name} must be valid" in refused.text()
        assert "millrace rebuild" in refused.text()
        for path, blob in zip(files, kept, strict=True):
            path.write_bytes(blob)
        told.start("worker")
        told.start("monitor")
        told.audit()


def test_a_genuine_checkpoint_of_another_version_or_place_is_refused(story):
    """Signed by the very key: another River, another cluster, another config; and a format nobody reads yet."""
    with story() as told:
        told.begin("worker", "monitor")
        told.grows("examples", by=100)
        told.kill("worker")
        folder = told.pipeline.state / "checkpoints" / "shard-0"
        newest = newest_checkpoint(told.pipeline, "shard-0").read_bytes()
        kept = {path: path.read_bytes() for path in folder.glob("*.ckpt")}
        key = (told.pipeline.state.parent / "state.key").read_text().split()[0].encode()
        for words, changed in {
            "must be written with River": other_header(newest, key, lambda h: h["versions"].update(river="0.1.0")),
            "one of another cluster": other_header(newest, key, lambda h: h.update(cluster_id="elsewhere")),
            "deleted and made anew": other_header(
                newest, key, lambda h: h["topic_ids"].update({told.pipeline.topic("examples"): "AAAA"})
            ),
            "written by a newer format": signed(newest[:48] + b"\0\x02" + newest[50:], key),
        }.items():
            for path in kept:
                path.unlink(missing_ok=True)
            (folder / newest_name(kept)).write_bytes(changed)
            refused = told.pipeline.start("worker")
            assert refused.wait(PATIENCE_S) == 1
            assert words in refused.text()
        for path, blob in kept.items():
            path.write_bytes(blob)
        told.start("worker")
        told.audit()


def newest_name(kept):
    return max(kept).name


def other_header(blob, key, change):
    """The same checkpoint, saying something else of itself; signed anew."""
    size = header_size(blob)
    header = msgspec.msgpack.decode(blob[PREFIX.size : PREFIX.size + size])
    change(header)
    packed = msgspec.msgpack.encode(header)
    magic, mac, key_id, version, _, payload_size = PREFIX.unpack_from(blob)
    prefix = PREFIX.pack(magic, mac, key_id, version, len(packed), payload_size)
    return signed(prefix + packed + blob[PREFIX.size + size :], key)
