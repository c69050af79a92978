"""What `millrace rebuild` would do, decided from the logs' bounds and the checkpoints. Pure: no broker, no store.

State = fold(log). Folding anew means a first checkpoint at the beginning of the logs, from which the worker does the
folding: predictions that are in the log are used as they stand, and examples said again are dropped by the learner,
so that nothing is learnt twice. The monitor decides and tells people, which cannot be folded again: it begins a new
history at the end of its inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from streams.config import Config, pinned
from streams.setting import REFUSE
from streams.status import Place, shard_names, task_names

Part = Literal["tasks", "shards", "monitor"]
PARTS: tuple[Part, ...] = ("tasks", "shards", "monitor")
_GAP_WORDS = {
    "features": "gap_events",
    "labels": "gap_labels",
    "predictions": "gap_predictions",
    "examples": "gap_examples",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The topics as they are now."""

    begins: Mapping[Place, int]
    ends: Mapping[Place, int]
    topic_ids: Mapping[str, str]
    starts: Mapping[Place, int]
    """Of features and labels: where `start` lets the pipeline begin, never below the begin offset."""
    predicted: Mapping[int, int] = field(default_factory=dict)
    """Partition → one above the features offset of its newest prediction."""
    labelled: Mapping[int, int] = field(default_factory=dict)
    """Labels partition → one above the newest label that became an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store holds of one name."""

    name: str
    checkpoints: int = 0
    offsets: Mapping[str, int] = field(default_factory=dict)
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None
    """None: no checkpoint, or none that can be read."""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Offsets that are gone and will never be seen."""

    role: str
    place: Place
    start: int
    stop: int
    """Exclusive."""

    @property
    def word(self) -> str:
        """Under which it is counted in the state's ledger."""
        return _GAP_WORDS[self.role]

    def __str__(self) -> str:
        """`shop.features/0 [10, 20)`."""
        return f"{self.place[0]}/{self.place[1]} [{self.start:,}, {self.stop:,})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One state that will be written."""

    name: str
    part: Part
    number: int
    anew: bool
    """False: the state goes on, only its positions move."""
    offsets: Mapping[str, int]
    """Where it will read on."""
    tail: int = 0
    """Of a task: the offset in predictions from which a restart reads."""
    gaps: Sequence[Gap] = ()
    drops: int = 0
    """Checkpoints that will be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done, unless there are refusals."""

    steps: Sequence[Step]
    refusals: Sequence[str]

    @property
    def gaps(self) -> list[tuple[Step, Gap]]:
        """All gaps with the state that meets them."""
        return [(step, gap) for step in self.steps for gap in step.gaps]


def plan(config: Config, logs: Logs, known: Mapping[str, Known], anew: Iterable[Part], *, accept_gap: bool) -> Plan:
    """Steps for the parts to be folded anew; with none of them and `accept_gap`, for moving positions alone."""
    parts = set(anew)
    names = {"tasks": task_names(config), "shards": shard_names(config), "monitor": ["monitor"]}
    steps: list[Step] = []
    for part in PARTS:
        for number, name in enumerate(names[part]):
            there = known.get(name, Known(name=name))
            if part in parts:
                steps.append(_anew(config, part, number, logs, there))
            elif not parts and accept_gap and (moved := _moved(config, part, number, logs, there)) is not None:
                steps.append(moved)
    refusals = [*_other_pipeline(config, known.values()), *_other_logs(config, logs, known.values())]
    gaps = [gap for step in steps for gap in step.gaps]
    if gaps and not accept_gap:
        refusals.append(
            f"{', '.join(map(str, gaps[:4]))}{' …' if len(gaps) > 4 else ''} fell off retention before it was read: "  # noqa: PLR2004
            "add --accept-gap to go on without it"
        )
    return Plan(steps=steps, refusals=refusals)


def _anew(config: Config, part: Part, number: int, logs: Logs, there: Known) -> Step:
    match part:
        case "tasks":
            roles = ("features", "labels")
            offsets = {f"{config.topic(role)}/{number}": _start(config, role, number, logs, there) for role in roles}
            gaps = [gap for role in roles if (gap := _gap(config, role, number, logs, there)) is not None]
            tail = logs.begins[config.topic("predictions"), number]
        case "shards":
            place = (config.topic("examples"), number)
            offsets, tail = {f"{place[0]}/{number}": logs.begins[place]}, 0
            gaps = [Gap(role="examples", place=place, start=0, stop=logs.begins[place])] if logs.begins[place] else []
        case "monitor":
            offsets, tail, gaps = {f"{t}/{p}": logs.ends[t, p] for t, p in _watched(config)}, 0, []
    return Step(
        name=there.name,
        part=part,
        number=number,
        anew=True,
        offsets=offsets,
        tail=tail,
        gaps=gaps,
        drops=there.checkpoints,
    )


def _start(config: Config, role: str, number: int, logs: Logs, there: Known) -> int:
    """Where the fold of one input begins: where `start` says, but never behind what was read.

    With `start = "latest"` and nothing predicted yet, the logs alone would say their end, and pass over what came
    since the state was written.
    """
    place = (config.topic(role), number)
    start = logs.starts[place]
    return max(logs.begins[place], min(start, there.offsets.get(f"{place[0]}/{number}", start)))


def _moved(config: Config, part: Part, number: int, logs: Logs, there: Known) -> Step | None:
    """None where there is no state, or nothing of its inputs is gone."""
    if there.state is None:
        return None
    tail, gaps = 0, []
    if part == "tasks":
        gaps = [gap for role in ("features", "labels") if (gap := _gap(config, role, number, logs, there)) is not None]
        place, tail = (config.topic("predictions"), number), there.state["tail"]
        if tail < logs.begins[place]:
            gaps.append(Gap(role="predictions", place=place, start=tail, stop=logs.begins[place]))
            tail = logs.begins[place]
    elif part == "shards":
        gaps = [gap for gap in [_gap(config, "examples", number, logs, there)] if gap is not None]
    else:
        roles = {config.topic(role): role for role in ("predictions", "examples")}
        found = (_gap(config, roles[topic], p, logs, there) for topic, p in _watched(config))
        gaps = [gap for gap in found if gap is not None]
    if not gaps:
        return None
    moved = {
        f"{gap.place[0]}/{gap.place[1]}": gap.stop for gap in gaps if gap.role != "predictions" or part == "monitor"
    }
    offsets = {**there.offsets, **moved}
    return Step(name=there.name, part=part, number=number, anew=False, offsets=offsets, tail=tail, gaps=gaps)


def _watched(config: Config) -> list[Place]:
    topics = config.topics
    return [(config.topic("predictions"), p) for p in range(topics.partitions)] + [
        (config.topic("examples"), shard) for shard in range(topics.shards)
    ]


def _gap(config: Config, role: str, number: int, logs: Logs, there: Known) -> Gap | None:
    place = (config.topic(role), number)
    position = there.offsets.get(f"{place[0]}/{number}")
    if position is None or position >= logs.begins[place]:
        return None
    return Gap(role=role, place=place, start=position, stop=logs.begins[place])


# -- what cannot be mended by folding ----------------------------------------------------------------------------


def _other_pipeline(config: Config, known: Iterable[Known]) -> list[str]:
    now = pinned(config, REFUSE)
    changed = {
        path: f"{path} ({there.settings[path]!r} → {now[path]!r})"
        for there in known
        for path in now
        if path in there.settings and there.settings[path] != now[path]
    }
    if not changed:
        return []
    told = ", ".join(changed.values())
    return [f"settings that must stay for a pipeline's life were changed: {told}. Undo it, or choose another name"]


def _other_logs(config: Config, logs: Logs, known: Iterable[Known]) -> list[str]:
    """Inputs that were made anew beside outputs that speak of the old ones: their offsets mean other records now."""
    written = list(known)
    refusals = []
    for source, output, reached in (
        ("features", "predictions", logs.predicted),
        ("labels", "examples", logs.labelled),
    ):
        made_anew = {
            role: any(
                there.topic_ids.get(config.topic(role)) not in {None, logs.topic_ids.get(config.topic(role))}
                for there in written
            )
            for role in (source, output)
        }
        held = any(end > logs.begins[at] for at, end in logs.ends.items() if at[0] == config.topic(output))
        beyond = any(above > logs.ends.get((config.topic(source), number), 0) for number, above in reached.items())
        if held and (beyond or (made_anew[source] and not made_anew[output])):
            refusals.append(
                f"{config.topic(source)} was made anew, and {config.topic(output)} speaks of the old one: delete the "
                "pipeline's own topics, run `millrace topics create`, then `millrace rebuild`; or choose another name"
            )
    return refusals
