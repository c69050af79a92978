"""`examples` read once: the fold of what is learnt, and what became of each label."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams.messages import Example
from streams.topic_logs import Place, Row
from streams.verify.columns import Column, digest
from streams.verify.evidence import Checkpoint, Evidence
from streams.verify.findings import Findings
from streams.verify.inputs import Inputs

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError)
_LABEL_FIELDS = ("label", "label_source", "closed", "label_ms", "label_time", "kind", "label_before")
CORRECTED = 1


@dataclass(slots=True)
class Met:
    """What the first example of each label of one partition says, by the label's offset."""

    met: Column = field(default_factory=Column)
    """1 for a correction, else the event's offset + 2; 0: none."""
    said: Column = field(default_factory=Column)
    """Digest of the prediction in it."""
    where: Column = field(default_factory=Column)
    """Its offset in examples + 1."""


@dataclass(slots=True)
class Fold:
    """One shard's log, and the state that a learner must have below `stop`."""

    place: Place
    begin: int
    stop: int
    """Where the checkpoint had read to; there is none before the first."""
    ledger: Counter[str] = field(default_factory=Counter)
    chain: bytes = b""
    first_ms: int = 0
    """Record time of the first one held, where the log no longer begins at 0: what is older may have been removed."""
    records: int = 0
    failed: list[int] = field(default_factory=list)
    """Offsets of what is no example."""
    labels: dict[int, Met] = field(default_factory=lambda: defaultdict(Met))
    """By labels partition; of the whole log."""


def read_examples(evidence: Evidence, shard: int, inputs: Inputs) -> Fold:
    """Everything that one shard's log says."""
    place, logs = (evidence.config.topic("examples"), shard), evidence.logs
    checkpoint = evidence.shards.get(shard)
    fold = Fold(place, logs.begins[place], checkpoint.at(place) if checkpoint else 0)
    decode = msgspec.json.Decoder(Example).decode
    for row in logs.read(place, fold.begin, max(fold.stop, logs.ends[place])):
        learning = row.offset < fold.stop
        if fold.begin and not fold.first_ms:
            fold.first_ms = row.timestamp
        fold.records += learning
        try:
            example = decode(row.value or b"")
            inputs.meaning(example.label)
            said = _prediction_in(row)
        except _UNREADABLE:
            if learning:
                fold.ledger["failed"] += 1
                fold.failed.append(row.offset)
            continue
        partition, offset = example.label_source
        known = fold.labels[partition]
        if known.met[offset]:
            fold.ledger["duplicate"] += learning
            continue
        known.where[offset] = row.offset + 1
        if example.kind == "correction":
            known.met[offset] = CORRECTED
            fold.ledger["correction"] += learning
            continue
        known.met[offset], known.said[offset] = max(example.source, 0) + 2, said
        if learning:
            fold.ledger["learnt"] += 1
            fold.chain = hashlib.blake2b(b"%b%d/%d" % (fold.chain, partition, offset), digest_size=16).digest()
    return fold


def _prediction_in(row: Row) -> int:
    """Digest of an example without what the label has added."""
    document: dict[str, Any] = msgspec.json.decode(row.value or b"")
    for name in _LABEL_FIELDS:
        document.pop(name, None)
    return digest(document)


def check_learning(fold: Fold, checkpoint: Checkpoint, findings: Findings) -> None:
    """The learn identity, and the count and order of what was learnt."""
    part, at = checkpoint.name, f"{fold.place[0]}/{fold.place[1]} [{fold.begin:,}, {fold.stop:,})"
    ledger: Counter[str] = Counter(checkpoint.state["ledger"])
    words = ("learnt", "correction", "duplicate", "failed")
    told = sum(ledger[word] for word in words)
    identity, once = findings["examples"], findings["learnt"]
    identity.counts(part, examples=fold.records, **{word: ledger[word] for word in words})
    if checkpoint.state["next"] != fold.stop:
        identity.breaks(part, f"must go on where its state ends, {checkpoint.state['next']:,}, got {fold.stop:,}")
    if told > fold.records and fold.begin:
        lost = f"{told - fold.records:,} examples learnt from before are no longer held"
        identity.leaves(f"{part}: not checkable before offset {fold.begin:,} of {fold.place[0]}: {lost}")
        once.leaves(f"{part}: its order-hash is over a log that no longer begins at 0")
        once.counts(part, learnt=ledger["learnt"])
        return
    if told != fold.records:
        identity.breaks(at, f"{fold.records:,} examples, {told:,} accounted for")
    once.counts(part, learnt=ledger["learnt"], folded=fold.ledger["learnt"])
    for word in words:
        if ledger[word] != fold.ledger[word]:
            once.breaks(at, f"{word} must be {fold.ledger[word]:,} by its log, got {ledger[word]:,} in the checkpoint")
    if bytes(checkpoint.state["chain"]) != fold.chain:
        once.breaks(at, "learnt in another order, or others, than its log says: the order-hashes differ")
