"""`python -m drift.report_process JOB_FOLDER`: render one report in a process of its own.

Writes `report.html` and then `result.json` into the folder, each whole or not at all; whoever started it bounds
its time and may kill it at any moment. Exit codes: 0 rendered, 1 could not, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from drift.evidently_bridge import render
from drift.report_job import read_job

PAGE_FILE = "report.html"
RESULT_FILE = "result.json"


def main(arguments: list[str]) -> int:
    """Render the job in the folder named; the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m drift.report_process JOB_FOLDER\n")
        return 2
    os.environ["DO_NOT_TRACK"] = "1"  # Evidently sends telemetry from its UI only; still
    folder = Path(arguments[0])
    try:
        # Of an earlier attempt: nobody may take its result for this one's. Its page is shown until there is another.
        (folder / RESULT_FILE).unlink(missing_ok=True)
        unfinished = folder / f"{PAGE_FILE}.unfinished"
        rendered = render(read_job(folder), unfinished, time.perf_counter)
        unfinished.replace(folder / PAGE_FILE)
        _write_result(
            folder,
            {
                "ok": True,
                "path": PAGE_FILE,
                "parts": list(rendered.parts),
                "left_out": dict(rendered.left_out),
                "cleaned": dict(rendered.cleaned),
                "seconds": round(rendered.seconds, 3),
            },
        )
    except (ValueError, KeyError, TypeError, OSError) as failure:
        message = f"could not render {folder}: {failure}"
        sys.stderr.write(f"{message}\n")
        if folder.is_dir():
            (folder / PAGE_FILE).unlink(missing_ok=True)
            _write_result(folder, {"ok": False, "error": message})
        return 1
    return 0


def _write_result(folder: Path, result: dict[str, Any]) -> None:
    unfinished = folder / f"{RESULT_FILE}.unfinished"
    unfinished.write_text(json.dumps(result, indent=2), encoding="utf-8")
    unfinished.replace(folder / RESULT_FILE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
