"""The status tree as text: one screen of lines and aligned tables, on a terminal with colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streams.cli.terminal import interactive, say
from streams.cli.wording import figure, local_time, one_line, plural, span

if TYPE_CHECKING:
    from rich.text import Text

    from streams.config import Config

_STATES_MAX = 12
"""Checkpoints listed one by one; of more, the oldest."""
_METRICS = {
    "binary": ("accuracy", "balanced_accuracy", "log_loss", "roc_auc"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
_BASELINES = ("no_change", "prior", "mean")
_REASON_WIDTH = 100
_NAMES_MAX = 4
Line = tuple[str, str]
"""A style and a text."""


def draw(config: Config, told: Mapping[str, Any]) -> None:
    """Print the tree."""
    sections: list[tuple[str, list[Line]]] = [
        ("", _head(told)),
        ("worker", _group(told["worker"]) + _rates(told["per_second"])),
        ("monitor", _group(told["monitor"])),
        ("state", _states(told)),
        ("model", _models(config, told["models"])),
        ("ledger", _ledger(told)),
        ("drift", _drift(told)),
        ("dead", _dead_letters(told["dead_letters"], known=not told["broker"]["problem"])),
    ]
    if interactive():
        from streams.cli.terminal import console

        console().print(_text(sections))
        return
    for label, lines in sections:
        for _, line in lines:
            say(f"{label}\t{line}" if label else line)


def _text(sections: Iterable[tuple[str, list[Line]]]) -> Text:
    from rich.text import Text

    text = Text()
    for label, lines in sections:
        for number, (style, line) in enumerate(lines):
            text.append("\n" if text else "")
            if label:
                text.append(f"{'' if number else label}".ljust(9), style="bold")
            text.append(line, style=style)
    return text


def _head(told: Mapping[str, Any]) -> list[Line]:
    broker = told["broker"]
    lines = [("bold", f"{told['pipeline']}  at {local_time(told['at_ms'])}")]
    if broker["problem"]:
        lines.append(("red", one_line(broker["problem"])))
    elif broker["missing_topics"]:
        names = ", ".join(map(one_line, broker["missing_topics"]))
        lines.append(("red", f"Kafka at {broker['bootstrap']} lacks {names}: `millrace topics create` makes them"))
    else:
        lines.append(("", f"Kafka at {one_line(broker['bootstrap'])}, all topics are there"))
    return lines


def _group(group: Mapping[str, Any]) -> list[Line]:
    members, lag = group["members"], group["lag"]
    if members is None:
        return [("dim", "not known without Kafka")]
    alive = f"{plural(members, 'process')[:-1] + 'es' if members > 1 else '1 process'} in group {group['group']}"
    style = "green" if members else "yellow"
    parts = [f"{name} {'not begun' if rows is None else f'{rows:,}'}" for name, rows in lag.items()]
    begun = any(rows is not None for rows in lag.values())
    behind = f"lag  {',  '.join(parts)}" if begun else "nothing was read yet"
    return [(style, alive if members else "does not run"), ("", behind)]


def _rates(rates: Mapping[str, float | None]) -> list[Line]:
    if all(rate is None for rate in rates.values()):
        return []
    return [("", "per s  " + ",  ".join(f"{name} {figure(rate)}" for name, rate in rates.items()))]


def _states(told: Mapping[str, Any]) -> list[Line]:
    if problem := told["store"]["problem"]:
        return [("yellow", one_line(problem))]
    states = told["states"]
    lines: list[Line] = [
        ("red", f"{state['name']}: {one_line(state['problem'])}") for state in states if state["problem"]
    ]
    absent = [state["name"] for state in states if state["age_ms"] is None and not state["problem"]]
    if absent:
        lines.append(("yellow", f"no checkpoint yet: {', '.join(absent)}"))
    there = sorted((s for s in states if s["age_ms"] is not None), key=lambda s: -s["age_ms"])
    shown = sorted(there[:_STATES_MAX], key=lambda s: s["name"])
    cells = [f"{s['name']}  {span(s['age_ms'])} old, generation {s['generation']}" for s in shown]
    lines += [("", line) for line in _columns(cells)]
    if len(there) > _STATES_MAX:
        lines.append(("dim", f"and {len(there) - _STATES_MAX} more, all newer"))
    for gap in told["gaps"]:
        lines.append(
            (
                "yellow",
                (
                    f"{gap['name']} goes on without {gap['input']} [{gap['start']:,}, {gap['stop']:,}), accepted "
                    f"{local_time(gap['at_ms'])}"
                ),
            )
        )
    return lines


def _columns(cells: Sequence[str]) -> list[str]:
    width = max(map(len, cells), default=0) + 3
    return ["".join(cell.ljust(width) for cell in cells[at : at + 2]).rstrip() for at in range(0, len(cells), 2)]


def _models(config: Config, models: Sequence[Mapping[str, Any]]) -> list[Line]:
    lines: list[Line] = []
    for model in models:
        shard = f"shard {model['shard']}: " if len(models) > 1 else ""
        if not model["learnt"]:
            lines.append(("yellow", f"{shard}nothing learnt yet"))
            continue
        published = model["published"]
        told = (
            f"published {span(published['age_ms'])} ago at version {published['version']:,}"
            if published
            else "not published"
        )
        learnt = f"{plural(model['learnt'], 'example')} learnt, as of {span(model['age_ms'])} ago"
        lines.append(("", f"{shard}{one_line(model['model'])}, version {model['version']:,}, {learnt}; {told}"))
        lines += _scores(config, model["model"], model["scores"])
    return lines or [("dim", "none yet")]


def _scores(config: Config, champion: str, scores: Mapping[str, Any]) -> list[Line]:
    """Window and total of each candidate, the champion first, the baselines last."""
    metrics = _METRICS[config.target.task]
    order = sorted(scores, key=lambda name: (name != champion, name in _BASELINES, name))
    heading = [
        "last " + figure(_examples(scores, "window")) + " / all",
        *(m.replace("_", " ") for m in metrics),
        "scored",
    ]
    rows = [heading]
    for name in order:
        parts = scores[name]
        pairs = [f"{_score(parts['window'].get(m))} / {_score(parts['total'].get(m))}" for m in metrics]
        rows.append([one_line(name, 24), *pairs, f"{parts['examples'] - parts['unscored']:,}"])
    widths = [max(len(row[at]) for row in rows) for at in range(len(heading))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    styles = ["dim", *("bold" if n == champion else "dim" if n in _BASELINES else "" for n in order)]
    return list(zip(styles, text, strict=True))


def _examples(scores: Mapping[str, Any], part: str) -> int:
    return max((int(each[part]["examples"]) for each in scores.values()), default=0)


def _score(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "-"


def _ledger(told: Mapping[str, Any]) -> list[Line]:
    lines: list[Line] = []
    if told["labels"] is None:
        lines.append(("dim", "no checkpoint of a task yet"))
    else:
        counts = told["labels"]["counts"]
        lines += [("", line) for line in _wrapped(f"{word} {number:,}" for word, number in counts.items())]
        lines += [_identity(identity) for identity in told["labels"]["identities"]]
    if told["learning"] is not None:
        lines += [_identity(identity) for identity in told["learning"]["identities"]]
        failed = told["learning"]["counts"].get("candidate_failed", 0)
        if failed:
            lines.append(("red", f"learn_one raised {failed:,} times"))
    return lines


def _wrapped(cells: Iterable[str], width: int = 90) -> list[str]:
    lines = [""]
    for cell in cells:
        if lines[-1] and len(lines[-1]) + len(cell) > width:
            lines.append("")
        lines[-1] += (",  " if lines[-1] else "") + cell
    return lines


def _identity(identity: Mapping[str, Any]) -> Line:
    sum_of = " + ".join(identity["parts"])
    name, accounted, records = identity["total"], identity["accounted"], identity["records"]
    if identity["holds"] is None:
        return ("dim", f"{name} = {sum_of}: {accounted:,}, not checked (the log does not begin at offset 0)")
    if not identity["holds"]:
        return ("bold red", f"BROKEN: {name} {records:,} but {sum_of} = {accounted:,}; please report it")
    others = f", and {plural(identity['others'], 'offset')} without a record" if identity["others"] else ""
    return ("green", f"{name} {records:,} = {sum_of}{others}")


def _drift(told: Mapping[str, Any]) -> list[Line]:
    watch, incident = told["watch"], told["incident"]
    lines: list[Line] = []
    if watch["collecting"]:
        rows, of = watch["collecting"]["rows"], watch["collecting"]["of"]
        lines.append(("", f"collecting the reference: {rows:,} of {of:,} rows"))
    elif watch["windows"] is None and watch["last"] is None:
        lines.append(("dim", "nothing was watched yet"))
    if last := watch["last"]:
        style = {"drift": "bold red", "stable": "green"}.get(last["verdict"], "yellow")
        coverage = "" if last["coverage"] is None else f", labels for {last['coverage']:.0%}"
        lines.append(
            (
                style,
                (
                    f"window {last['window']:,}: {last['verdict'].replace('_', ' ')} "
                    f"({plural(last['rows'], 'row')} to {local_time(last['to_ms'])}{coverage})"
                ),
            )
        )
        names = ", ".join(one_line(name, 40) for name in last["drifting"][:8])
        more = f" and {len(last['drifting']) - 8} more" if len(last["drifting"]) > 8 else ""  # noqa: PLR2004
        lines.append(
            (
                "",
                f"{len(last['drifting'])} of {plural(last['columns'], 'column')} changed"
                + (f": {names}{more}" if names else ""),
            )
        )
    if budget := watch["budget"]:
        lines += _budget(budget)
    if incident:
        lines.append(("bold red", f"incident {incident['incident']}: {one_line(incident['title'])}"))
        lines.append(
            (
                "",
                (
                    f"since {local_time(incident['since_ms'])}, told {plural(incident['events'], 'event')} ago"
                    f", seen again {plural(incident['repeats'], 'time')}; `millrace alerts`, "
                    f"`millrace report --incident {incident['incident'][:8]}`"
                ),
            )
        )
    elif watch["windows"] is not None:
        lines.append(("green", "no open incident"))
    return lines


def _budget(budget: Mapping[str, Any]) -> list[Line]:
    """The promise, the realised rate, and what would have been seen."""
    holds = str(budget["standing"]).startswith("budget holds")
    per_alarm = "" if budget["events_per_alarm"] is None else f" ({budget['events_per_alarm']:,.0f} events each)"
    raised = f"{plural(budget['alarms'], 'alarm')} in {plural(budget['events'], 'event')}"
    lines: list[Line] = [
        ("green" if holds else "yellow", one_line(budget["standing"], _REASON_WIDTH)),
        ("", f"false alarms allowed: {one_line(budget['false_alarms'])}{per_alarm}; {raised}"),
    ]
    if budget["reference"]:
        lines.append(("", f"compared with {one_line(budget['reference'], 2 * _REASON_WIDTH)}"))
    if budget["smallest_sd"] is not None:
        lines.append(("", f"no shift above {budget['smallest_sd']:.2g} sd would have been missed"))
    if budget["loss"]:
        lines.append(("", f"loss: {one_line(budget['loss'], _REASON_WIDTH)}"))
    for found in (budget["not_watched"], budget["not_enough_data"]):
        for name, words in list(found.items())[:_NAMES_MAX]:
            lines.append(("dim", f"{one_line(name, 40)}: {one_line(words, _REASON_WIDTH)}"))
        if len(found) > _NAMES_MAX:
            lines.append(("dim", f"and {len(found) - _NAMES_MAX:,} more"))
    return lines


def _dead_letters(dead: Mapping[str, Any], *, known: bool) -> list[Line]:
    if not known:
        return [("dim", "not known without Kafka")]
    if not dead["held"]:
        return [("green", "no dead letters")]
    newest = "" if dead["looked_at"] >= dead["held"] else f", by reason of the newest {dead['looked_at']:,}"
    lines: list[Line] = [("yellow", f"{plural(dead['held'], 'dead letter')}{newest}")]
    lines += [("", f"{count:>7,}  {one_line(reason, _REASON_WIDTH)}") for reason, count in dead["by_reason"].items()]
    return lines
