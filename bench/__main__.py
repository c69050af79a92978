"""Every figure of docs/benchmarks.md: `python -m bench`, or `python -m bench --only slide`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

BENCHES = {
    "slide": "one slide of window statistics beside Evidently's preset",
    "drift_budget": "the false-alarm budget per event, and what qualifying a reference costs",
    "learners_cost": "predict, learn and score beside bare River",
    "stages": "merge, predict, join and learn without a broker",
    "beside": "end to end beside hand-written loops, stock Faust, Quix Streams and Bytewax, on a real Kafka",
    "end_to_end": "one worker on a backlog, on a real Kafka",
    "memory": "bytes an id and a prediction that waits, and the processes as a whole, on a real Kafka",
    "trickle": "share of a core, event to prediction and label to learnt, at steady rates, beside a hand-written loop",
    "alerting": "from the example that gives a change away to the alert, on a real Kafka",
    "monitor_rate": "events a second that one monitor keeps up with, at 20 and 100 features, on a real Kafka",
    "growth": "rate and memory over time, with what waits for labels, with candidates, with features, on a real Kafka",
    "scaling": "two workers beside one; a restart beside what waits and what has come, on a real Kafka",
    "waiting": "a start, rate and memory beside a million predictions that wait, on a real Kafka",
    "checkpoints": "CPU with a checkpoint each second beside none, and how long a cut holds the loop",
    "recovery": "from SIGKILL to the first new prediction, on a real Kafka",
}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, help="one of them")
    chosen = parser.parse_args().only
    failed = []
    for number, (name, about) in enumerate(BENCHES.items(), 1):
        if chosen not in {None, name}:
            continue
        print(f"[{number}/{len(BENCHES)}] {name}: {about}", flush=True)
        start = time.monotonic()
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
        print(f"[{number}/{len(BENCHES)}] {name}: {time.monotonic() - start:.0f} s\n", flush=True)
    return f"failed: {', '.join(failed)}" if failed else 0


if __name__ == "__main__":
    sys.exit(main())
