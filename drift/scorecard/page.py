"""A scorecard as one HTML page: nothing in it runs, whatever columns are called."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from drift.scorecard import wording
from drift.scorecard.card import Scorecard
from drift.scorecard.catalog import BUDGET

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; margin: 0 auto; max-width: 1180px;
  padding: 28px 24px 60px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 30px 0 8px; }
p, li { margin: 4px 0; max-width: 80ch; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8884; padding: 5px 12px 5px 0; text-align: left; vertical-align: top; }
td:not(:first-child) { white-space: nowrap; }
tr.own td { font-weight: 600; }
code { font-size: 13px; overflow-wrap: anywhere; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(card: Scorecard, title: str, source: str) -> str:
    """The page; `title` and `source` may be anybody's text."""
    config = card.config
    names = [score.name for score in card.scores]
    lead = (
        f"{card.rows:,} rows of {escape(source)}, {len(card.columns)} columns"
        f"{' and the loss' if card.losses else ''}. Known changes were injected, {config.repeats} times each, into "
        f"rows drawn from them; false alarms were counted on {config.stable_events:,} such rows without a change. "
        f"Delays are in events, medians with a miss as never; a change not seen within {config.horizon_rows:,} "
        f"events is missed. Seed {config.seed}."
    )
    parts = [
        f"<h1>{escape(title)}</h1><p>{lead}</p>",
        "<h2>Contenders</h2>",
        _table(wording.SUMMARY, wording.summary(card)),
        "<h2>Median delay by change</h2>",
        _table(("change", *names), wording.changes(card)),
        "<h2>What this cannot tell</h2>",
        _list(card.notes),
        "<h2>What was judged</h2>",
        _table(("contender", "settings"), [(score.name, score.about) for score in card.scores]),
        "<h2>What the budget promises on these rows, in their own order</h2>",
        _table(("column", "standing"), [(each.column, each.words) for each in card.standings]),
    ]
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>"
    )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in headings)
    body = "\n".join(
        f"<tr{' class=own' if row[0] == BUDGET else ''}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
