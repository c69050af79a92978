"""What the benchmarks found, as JSON below `.bench`: `python -m bench.tables` makes tables of it."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".bench"


def machine():
    """Where and when."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "date": f"{dt.datetime.now(tz=dt.UTC):%-d %B %Y}",
        "cores": os.cpu_count(),
        "processor": model,
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def note(part, found):
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{part}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def noted(part):
    """What `note` kept, or None."""
    path = FOLDER / f"{part}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
