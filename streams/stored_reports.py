"""The reports in `reports.folder`: what there is, finding one by the beginning of its name, rendering one again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streams.errors import ConfigError, MillraceError

JOB_FILE, PAGE_FILE, RESULT_FILE = "job.json", "report.html", "result.json"
"""As `drift.report_job` and `drift.report_process` name them; importing those would load pandas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """One folder of a report."""

    folder: Path
    title: str
    window: int
    severity: str
    from_ms: int
    to_ms: int
    incident: str
    """Empty for a report on demand."""
    state: Literal["rendered", "failed", "not rendered"]
    """While it is made again, the page of before is `rendered`."""
    made_ms: int
    """When its page was made, 0 for none."""

    @property
    def name(self) -> str:
        """The incident's id, or `window-<number>-<cut>`."""
        return self.folder.name

    @property
    def page(self) -> Path:
        """Where the page is, or will be."""
        return self.folder / PAGE_FILE


def stored_reports(folder: Path) -> list[StoredReport]:
    """Oldest first; folders that hold no job are passed over."""
    if not folder.is_dir():
        return []
    found = [(place.stat().st_mtime, place.parent) for place in folder.glob(f"*/{JOB_FILE}")]
    return [report for _, place in sorted(found) if (report := _read(place)) is not None]


def find_report(folder: Path, prefix: str) -> StoredReport:
    """The one whose name is or begins with `prefix`.

    Raises:
        ConfigError: none does, or several do.
    """
    reports = stored_reports(folder)
    found = [each for each in reports if each.name == prefix] or [
        each for each in reports if prefix and each.name.startswith(prefix)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            "--incident", f"must begin the name of a report in {folder}, got {prefix!r}: `millrace report --list`"
        )
    names = ", ".join(each.name for each in found[:5])
    raise ConfigError("--incident", f"must begin the name of one report, got {prefix!r}, which begins {names}")


def render(report: StoredReport, timeout_s: float) -> Path:
    """Make its page in a process of its own, which ends with this one; answers the page.

    Raises:
        MillraceError: it could not be rendered, or not in time.
    """
    command = [sys.executable, "-m", "drift.report_process", str(report.folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module; `run` kills it on a timeout and on Ctrl-C
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "DO_NOT_TRACK": "1"},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MillraceError(
            f"could not render {report.folder}: it took longer than {timeout_s:g} s (reports.timeout)"
        ) from None
    if done.returncode or not report.page.is_file():
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no page was written"]
        raise MillraceError(f"could not render {report.folder}: {reason[0][:500]}")
    return report.page


def _read(folder: Path) -> StoredReport | None:
    try:
        job: dict[str, Any] = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
        return StoredReport(
            folder=folder,
            title=str(job["title"]),
            window=int(job["window"]),
            severity=str(job["severity"]),
            from_ms=int(job["from_ms"]),
            to_ms=int(job["to_ms"]),
            incident=str(job["incident"]),
            state=_state(folder),
            made_ms=_made_ms(folder / PAGE_FILE),
        )
    except (OSError, ValueError, KeyError, TypeError):  # pruned meanwhile, or not ours
        return None


def _state(folder: Path) -> Literal["rendered", "failed", "not rendered"]:
    there = (folder / PAGE_FILE).is_file()
    try:
        result = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "rendered" if there else "not rendered"
    return "rendered" if result.get("ok") and there else "failed"


def _made_ms(page: Path) -> int:
    try:
        return page.stat().st_mtime_ns // 1_000_000
    except OSError:
        return 0
