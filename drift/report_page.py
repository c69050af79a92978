"""The page round Evidently's charts: what happened, what is not shown and why, how to make it again.

Composed anew from the parts of Evidently's page rather than edited: what is not recognised does not get in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from drift.phases import IncidentSubject
from drift.report_escape import content_security_policy, escaped_json
from drift.report_job import ReportJob

_DATA = re.compile(
    r"<script>\n    var (?P<id>metric_[0-9a-f]+) = (?P<dashboard>\{.*\});\n"
    r"    var additional_graphs_(?P=id) = (?P<graphs>\{.*\});\n</script>\n    </head>"
)  # each JSON is one line: json.dumps escapes line ends
_LIBRARY = re.compile(
    r"<script>var global = globalThis</script>\n    <script>(?P<library>.*?)</script>\s+<script>", re.DOTALL
)
_FONT = re.compile(r"<style>(?P<style>.*?)</style>", re.DOTALL)

NOTE = (
    "Alarms are decided by millrace, with its own thresholds. The verdicts in the charts below are Evidently's "
    "defaults and may differ."
)
SUBJECTS_MAX = 20
"""Rows of the table of what changed."""

_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1c2430; font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
.millrace { background: #fff; padding: 28px max(24px, calc(50% - 590px)) 8px; }
.millrace h1 { font-size: 25px; line-height: 1.25; margin: 10px 0 4px; overflow-wrap: anywhere; }
.millrace h2 { font-size: 16px; margin: 26px 0 8px; }
.millrace p { margin: 4px 0; }
.millrace .quiet { color: #5a6675; }
.millrace .badge { display: inline-block; padding: 1px 10px; border-radius: 10px; font-size: 13px; font-weight: 600; }
.millrace .critical { background: #fde3e1; color: #8f1d14; }
.millrace .warning { background: #fdf0d2; color: #7a4d00; }
.millrace .info { background: #e2edfb; color: #174a86; }
.millrace dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 16px 0 0; }
.millrace dt { color: #5a6675; }
.millrace dd { margin: 0; overflow-wrap: anywhere; }
.millrace table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.millrace th, .millrace td { padding: 4px 12px 4px 0; border-bottom: 1px solid #edf0f4; text-align: left; }
.millrace th { font-weight: 600; color: #5a6675; }
.millrace td { overflow-wrap: anywhere; vertical-align: top; }
.millrace th.number, .millrace td.number { text-align: right; white-space: nowrap; }
.millrace td.name { width: 30%; }
.millrace code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.millrace .box { background: #f5f7fa; border-radius: 6px; padding: 8px 12px; overflow-wrap: anywhere; }
.millrace .section { border-top: 1px solid #d5dbe3; margin: 0; padding-top: 10px; font-size: 20px; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One Evidently report, taken apart."""

    title: str
    id: str
    data: str
    """Script that declares its numbers, escaped."""
    library: str
    style: str


def dashboard(title: str, html: str) -> Dashboard:
    """Take apart what `Snapshot.get_html_str` made.

    Raises:
        ValueError: The page is not of the shape we know; rather no report than an unescaped one.
    """
    data, library, style = _DATA.search(html), _LIBRARY.search(html), _FONT.search(html)
    if data is None or library is None or style is None:
        raise ValueError("Evidently's page must have data, library and style where 0.7 puts them, got another layout")
    name = data["id"]
    script = (
        f"var {name} = {escaped_json(data['dashboard'])};\n"
        f"var additional_graphs_{name} = {escaped_json(data['graphs'])};\n"
    )
    return Dashboard(title=title, id=name, data=script, library=library["library"], style=style["style"])


def compose(
    job: ReportJob, dashboards: Iterable[Dashboard], *, left_out: Mapping[str, str], cleaned: Mapping[str, str]
) -> str:
    """A page of its own: nothing is loaded from elsewhere and no script runs but those written here.

    Args:
        job: Says what the page is about.
        dashboards: In the order to show; without any, the head alone.
        left_out: Column or part to the reason it is not shown.
        cleaned: Column to what was done to it.
    """
    shown = tuple(dashboards)
    scripts = []
    if shown:
        scripts = [*(part.data for part in shown), "var global = globalThis", shown[0].library]
        scripts += [
            f'window.drawDashboard({part.id}, new Map(Object.entries(additional_graphs_{part.id})), "root_{part.id}");'
            for part in shown
        ]
    roots = "\n".join(
        f'<div class="millrace"><h2 class="section">{escape(part.title)}</h2></div><div id="root_{part.id}"></div>'
        for part in shown
    )
    blocks = "".join(f"<script>{script}</script>\n" for script in scripts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="{escape(content_security_policy(scripts))}">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>{escape(job.title)}</title>
<style>{shown[0].style if shown else ""}{_STYLE}</style>
</head>
<body>
{_head(job, left_out, cleaned)}
{roots or '<div class="millrace"><p class="box">There is nothing to draw.</p></div>'}
{blocks}</body>
</html>
"""


def _head(job: ReportJob, left_out: Mapping[str, str], cleaned: Mapping[str, str]) -> str:
    facts = {
        "Pipeline": escape(job.pipeline),
        "Incident": f"<code>{escape(job.incident)}</code>" if job.incident else "none, asked for by hand",
        "Window": f"number {job.window}, {_moment(job.from_ms)} to {_moment(job.to_ms)}",
        "Rows": f"{len(job.current):,} against {len(job.reference):,} of the reference",
        "Cut": f"<code>{escape(job.cut)}</code>",
    }
    entries = "".join(f"<dt>{name}</dt><dd>{fact}</dd>" for name, fact in facts.items())
    again = f'<h2>Make this page again</h2><p class="box"><code>{escape(job.recompute)}</code></p>'
    parts = (
        '<header class="millrace">',
        f'<span class="badge {escape(job.severity)}">{escape(job.severity)}</span>' if job.incident else "",
        f"<h1>{escape(job.title)}</h1>",
        f"<dl>{entries}</dl>",
        _subjects(job.subjects) if job.subjects else "",
        _list("Not shown", left_out),
        _list("Cleaned before drawing", cleaned),
        again if job.recompute else "",
        f'<p class="quiet">{NOTE}</p>',
        "</header>",
    )
    return "\n".join(part for part in parts if part)


def _subjects(subjects: Sequence[IncidentSubject]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(item.subject))}</td><td>{escape(item.source)}</td>"
        f'<td class="number">{item.value:.4g}</td><td class="number">{item.threshold:.4g}</td>'
        f"<td>{_moment(item.since_ms)}</td></tr>"
        for item in subjects[:SUBJECTS_MAX]
    )
    more = f'<p class="quiet">and {len(subjects) - SUBJECTS_MAX} more</p>' if len(subjects) > SUBJECTS_MAX else ""
    return (
        "<h2>What changed</h2><table><thead><tr><th>Subject</th><th>Found by</th>"
        '<th class="number">Value</th><th class="number">Threshold</th><th>Since</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{more}"
    )


def _list(title: str, reasons: Mapping[str, str]) -> str:
    if not reasons:
        return ""
    rows = "".join(
        f'<tr><td class="name"><code>{escape(name)}</code></td><td>{escape(why)}</td></tr>'
        for name, why in reasons.items()
    )
    return f"<h2>{title}</h2><table><tbody>{rows}</tbody></table>"


def _moment(event_ms: int) -> str:
    return datetime.fromtimestamp(event_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
