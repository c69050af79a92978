"""The identities of a task's ledger, and which labels have joined: the checkpoint and the logs against the timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.state.intervals import Intervals
from streams.verify.evidence import Checkpoint
from streams.verify.examples import CORRECTED, Met
from streams.verify.findings import Findings
from streams.verify.predictions import Served
from streams.verify.spans import Reach, Span
from streams.verify.timeline import CORRECTION, JOINED, LENIENT, UNKNOWN, WAITS, Timeline

_FATES = (
    "nothing",
    "joined",
    "a duplicate",
    "a correction",
    "an orphan",
    "without an event",
    "a dead letter",
    "unknown",
)
EVENT_WORDS = ("predicted", "event_duplicate", "event_dead")
LABEL_WORDS = ("joined", "duplicate", "correction", "late", "orphan", "label_dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A task's checkpoint, read."""

    part: str
    ledger: Mapping[str, int]
    open: Intervals
    """Events whose prediction is pending."""
    waiting: frozenset[int]
    """Labels that wait for their event."""
    next: Mapping[str, int]

    @property
    def events(self) -> int:
        """All that were counted."""
        return sum(self.ledger[word] for word in EVENT_WORDS)

    @property
    def labels(self) -> int:
        """All that were counted, and those that wait."""
        return sum(self.ledger[word] for word in LABEL_WORDS) + len(self.waiting)


def account_of(checkpoint: Checkpoint) -> Account:
    """The parts of a task's state that say what became of its inputs."""
    state: Mapping[str, Any] = checkpoint.state
    return Account(
        part=checkpoint.name,
        ledger=Counter(state["ledger"]),
        open=_open_in(state["open"]),
        waiting=frozenset(int(entry[0]) for entries in state["waiting"].values() for entry in entries),
        next=checkpoint.offsets,
    )


def _open_in(saved: Sequence[int] | bytes) -> Intervals:
    """Ranges, or packed: a block of 1,024 offsets as its number twice and its bits, full ones as a run of them."""
    if not isinstance(saved, bytes):
        return Intervals.from_list(saved)
    found, at = Intervals(), 0
    while at < len(saved):
        head = int.from_bytes(saved[at : at + 8], "little")
        first, size = head // 2 * 1_024, 8 if head % 2 else 128
        body = int.from_bytes(saved[at + 8 : at + 8 + size], "little")
        if head % 2:
            found.add_range(first, first + body * 1_024)
        else:
            for bit in range(1_024):
                if body >> bit & 1:
                    found.add(first + bit)
        at += 8 + size
    return found


def check_identities(account: Account, events: Span, labels: Span, timeline: Timeline, findings: Findings) -> None:
    """What was read is what was counted: in all, and where the logs are whole, word for word."""
    part, ledger, pending = account.part, account.ledger, account.open.count()
    unjoined = ledger["late"] + ledger["orphan"] + len(account.waiting)
    findings["events"].counts(
        part, events=timeline.counts["events"], **{word: ledger[word] for word in EVENT_WORDS}, lost=events.lost
    )
    findings["labels"].counts(
        part,
        labels=timeline.counts["labels"],
        **{word: ledger[word] for word in LABEL_WORDS},
        waiting=len(account.waiting),
        lost=labels.lost,
    )
    findings["predictions"].counts(
        part, predicted=ledger["predicted"], joined=ledger["joined"], expired=ledger["expired"], pending=pending
    )
    if ledger["predicted"] != ledger["joined"] + ledger["expired"] + pending:
        told = f"{ledger['joined']:,} joined, {ledger['expired']:,} expired, {pending:,} pending"
        findings["predictions"].breaks(part, f"{ledger['predicted']:,} predictions, {told}")
    for name, span, counted in (("events", events, account.events), ("labels", labels, account.labels)):
        if span.short:
            findings[name].breaks(str(span), f"{span.short:,} {name} are in no column of the ledger")
        elif span.lost and not (span.cut or span.thinned):
            findings[name].breaks(str(span), f"{counted:,} {name} accounted for, the log holds {span.lost:,} fewer")
        elif span.lost:
            first = f"not checkable before offset {span.begin:,} of {span.place[0]}/{span.place[1]}"
            findings[name].leaves(f"{part}: {first}: {span.lost:,} {name} are no longer held")
    if events.lost or labels.lost or events.short or labels.short:
        return
    _word_for_word("events", EVENT_WORDS, str(events), ledger, timeline, findings)
    counted_labels = {**ledger, "unjoined": unjoined}
    words = ("joined", "duplicate", "correction", "label_dead", "unjoined")
    _word_for_word("labels", words, str(labels), counted_labels, timeline, findings)
    _still_open(account, events, labels, timeline, findings)


def _word_for_word(
    name: str, words: tuple[str, ...], at: str, ledger: Mapping[str, int], timeline: Timeline, findings: Findings
) -> None:
    for word in words:
        must, got = timeline.counts[word], ledger.get(word, 0)
        if abs(must - got) > timeline.either[name]:
            told = "late, orphan or waiting" if word == "unjoined" else word.replace("_", " ")
            findings[name].breaks(at, f"{told} must be {must:,} by the two logs, got {got:,} in the ledger")


def _still_open(account: Account, events: Span, labels: Span, timeline: Timeline, findings: Findings) -> None:
    """What may still join must be remembered, and nothing else is pending."""
    pending = timeline.pending()
    for source in sorted(pending - timeline.unsure):
        if source not in account.open and not account.ledger["gap_predictions"]:
            findings["predictions"].breaks(
                f"{events.place[0]}/{events.place[1]}/{source}", "awaits its label, and the checkpoint has forgotten it"
            )
    for start, stop in account.open:
        for source in range(start, stop):
            if source not in pending and source not in timeline.unsure:
                findings["predictions"].breaks(
                    f"{events.place[0]}/{events.place[1]}/{source}", "is pending in the checkpoint, and must not be"
                )
    place = f"{labels.place[0]}/{labels.place[1]}"
    for offset in sorted(timeline.waiting() - account.waiting):
        if not timeline.label_fates[offset] & LENIENT:
            findings["labels"].breaks(f"{place}/{offset}", "may still meet its event, and the checkpoint forgot it")
    for offset in sorted(account.waiting):
        fate = timeline.label_fates[offset]
        if fate != WAITS and not fate & LENIENT:
            findings["labels"].breaks(f"{place}/{offset}", f"waits in the checkpoint, and is {_FATES[fate]}")


def check_joins(
    account: Account, reach: Reach, timeline: Timeline, met: Met, served: Served, findings: Findings
) -> None:
    """Each label's first example against its fate."""
    promise, place = findings["joins"], f"{reach.labels.place[0]}/{reach.labels.place[1]}"
    found: Counter[str] = Counter()
    for offset, marked in timeline.label_fates:
        fate, got = marked & ~LENIENT, met.met[offset]
        want = {JOINED: timeline.label_events[offset] + 1, CORRECTION: CORRECTED}.get(fate, 0)
        if got == want:
            found[_FATES[fate]] += 1
        elif marked & LENIENT or fate == UNKNOWN or (fate == WAITS and _has_met_since(offset, got, account, reach)):
            found["unjudged"] += 1
        elif got or (offset >= timeline.met_from and not _given_up(want, account, served)):
            promise.breaks(f"{place}/{offset}", _wrong(want, got))
        else:
            found["gone"] += 1
    for offset, got in met.met:
        if offset >= reach.labels_end or _is_hole(offset, reach.labels, timeline):
            promise.breaks(f"{place}/{offset}", "does not exist, and there is an example with it")
        elif got - 2 >= reach.events_end:
            promise.breaks(f"{place}/{offset}", f"has met an event that does not exist: source {got - 2:,}")
    promise.counts(
        account.part,
        labels=timeline.counts["labels"],
        joined=found["joined"],
        corrected=found["a correction"],
        examples=sum(1 for _ in met.met),
    )
    if found["gone"]:
        whose = "whose example or prediction is no longer held"
        promise.leaves(f"{account.part}: not checkable for {found['gone']:,} labels, {whose}")
    if timeline.trust_ms is not None and (found["unjudged"] or timeline.believe):
        behind = "what came before may have mattered"
        promise.leaves(f"{account.part}: not checkable at the beginning of {reach.events} and {reach.labels}: {behind}")


def _has_met_since(offset: int, got: int, account: Account, reach: Reach) -> bool:
    """Whether a label that waited as of the checkpoint may have met its event by now."""
    return got - 2 >= reach.events.stop or (got == CORRECTED and offset in account.waiting)


def _given_up(want: int, account: Account, served: Served) -> bool:
    """Whether a rebuild went on without the prediction that this label should have met."""
    return want > CORRECTED and bool(account.ledger["gap_predictions"]) and not served.subjects[want - 2]


def _is_hole(offset: int, labels: Span, timeline: Timeline) -> bool:
    return labels.begin <= offset < labels.stop and not timeline.label_fates[offset] and not labels.lost


def _wrong(want: int, got: int) -> str:
    """Of `met` numbers that differ."""
    if got == 0:
        return "was never learnt" if want != CORRECTED else "is a correction that was never told"
    if want == 0:
        return "must not be learnt" if got != CORRECTED else "is told as a correction, and is none"
    if CORRECTED in {want, got}:
        return "must be a correction" if want == CORRECTED else "must be learnt, and was told as a correction"
    return f"must have met event {want - 2:,}, and has met {got - 2:,}"
