"""millrace beside loops written by hand, stock Faust, Quix Streams and Bytewax: the same job end to end.

    python -m bench.beside [--events 60000] [--runs 5] [--models hoeffding_tree] [--widths 8 50] [--only faust quix]

Features in → prediction published → label joined → example published → read back and learnt. One broker, one backlog
(each block of 400 events is followed by its labels), topics laid out alike, the same bytes on the wire, River's same
model; one after the other, in turns, so that what else the machine does hits all alike. Wall and CPU time of the whole
process (user and system, all threads), from the first record that it is handed to the last example learnt.

The rivals (bench/rivals) give no guarantee: no checkpoints, no order between inputs, nothing after a crash. All of them
are checked: the first run's log of examples is folded into a fresh model, which must say of every event what was
published; and it is told how many examples the models that predicted lacked, in the median and at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys

from bench.end_to_end import run_worker
from bench.pipeline import PARTITIONS, backlog, fresh, ground, names_of, pipeline
from bench.replay import replay
from bench.results import machine, note, noted
from bench.rivals.job import model_of
from bench.rivals.python import RIVALS_PYTHON, missing
from bench.unit import bare_river
from learners.kernel import kernel_state
from streams.config_file import load

RIVALS = {
    "by hand, msgspec": "hand_written_msgspec",
    "by hand, msgspec, learning at once": "hand_written_lean",
    "by hand, json": "hand_written_json",
    "stock Faust": "stock_faust",
    "Quix Streams": "quix",
    "Bytewax": "bytewax_flow",
}
OURS, PLAIN = "millrace", "millrace, kernels off"
"""The second only where a kernel does what River's own model does; both predict and learn the same."""
MODELS = {"logistic_regression": 60_000, "hoeffding_tree": 40_000, "adaptive_random_forest": 6_000}
"""Events of a run: about equally long."""
WITH_KERNEL = {"logistic_regression"}
GIVE_UP_S = 600


def run_rival(module, config, source, events, model):
    """One rival on the whole backlog, in a process of its own."""
    job = {
        "bootstrap": config.kafka.bootstrap,
        "features": f"{source}.features",
        "labels": f"{source}.labels",
        "predictions": config.topic("predictions"),
        "examples": config.topic("examples"),
        "partitions": PARTITIONS,
        "events": events,
        "model": model,
        "names": list(config.features),
        "group": config.name,
    }
    command = [str(RIVALS_PYTHON), "-m", f"bench.rivals.{module}", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GIVE_UP_S)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def one_case(folder, bootstrap, contenders, model, width, events, runs):
    """Everything about one model and one width: contender → its runs, and bare River's time in each turn."""
    names, source = names_of(width), fresh("source")
    candidates = {"champion": {"model": model}}
    asyncio.run(backlog(load(pipeline(folder, bootstrap, source, names=names)), events))
    units, taken = [], {name: [] for name in contenders}
    for run in range(runs):
        units.append(bare_river(model, names))
        order = contenders[run % len(contenders) :] + contenders[: run % len(contenders)]
        for name in order:
            settings = {"candidates": candidates, "kernels": name != PLAIN}
            path = pipeline(folder, bootstrap, fresh("run"), models=settings, inputs=source, names=names)
            if name in {OURS, PLAIN}:
                found = run_worker(path, events)
                found["wall_us"] = round(found["wall_s"] / events * 1e6, 2)
            else:
                found = run_rival(RIVALS[name], load(path), source, events, model)
            if run == 0:
                found["lacked"] = replay(load(path), events, model_of(model, names))
            taken[name].append(found)
            print(
                f"    run {run + 1}: {name}: {found['cpu_us']} us CPU, {found['wall_us']} us",
                file=sys.stderr,
                flush=True,
            )
    return units, taken


def summed(units, taken):
    """Medians, and of each turn how many times its events per second ours were."""
    rows = {}
    for name, found in taken.items():
        row = {key: statistics.median(each[key] for each in found) for key in ("cpu_us", "wall_us", "rss_mb")}
        row["lacked"] = found[0]["lacked"]
        row["cpu_us_range"] = [min(each["cpu_us"] for each in found), max(each["cpu_us"] for each in found)]
        for key in ("cpu_us", "wall_us"):
            ratios = [theirs[key] / ours[key] for theirs, ours in zip(found, taken[OURS], strict=True)]
            row[f"ours_faster_{key}"] = round(statistics.median(ratios), 2)
        row["over_bare_us"] = round(row["cpu_us"] - statistics.median(units), 1)
        rows[name] = row
    return {"bare_river_us": round(statistics.median(units), 2), "contenders": rows}


def tell(found):
    print(
        f"    {'':38}ours is faster by: CPU  wall |  us CPU (range)        us wall  MB   over bare River  model lacked"
    )
    for name, row in found["contenders"].items():
        low, high = row["cpu_us_range"]
        print(
            f"    {name:38}{row['ours_faster_cpu_us']:19.2f} x{row['ours_faster_wall_us']:5.2f} x |"
            f"{row['cpu_us']:8.1f} ({low:.1f}-{high:.1f}){'':4}{row['wall_us']:8.1f}{row['rss_mb']:6.0f}"
            f"{row['over_bare_us']:10.1f} us{'':8}{row['lacked'][0]:,} / {row['lacked'][1]:,}",
            flush=True,
        )


def remember(case):
    """Beside the cases of earlier runs, in place of the same one."""
    same = [case["model"], case["features"]]
    before = (noted("beside") or {"cases": []})["cases"]
    cases = [each for each in before if [each["model"], each["features"]] != same]
    models = list(MODELS)
    cases = sorted([*cases, case], key=lambda each: (models.index(each["model"]), each["features"]))
    note("beside", {"cases": cases})


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("--events", type=int, help="of every run; by default as many as take equally long")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 50])
    parser.add_argument("--only", nargs="+", help="rivals whose module or name has one of these words in it")
    arguments = parser.parse_args()
    absent = missing(RIVALS.values())
    for module, why in absent.items():
        print(f"  left out: {module}: {why}")
    print(f"  millrace's kernel: {kernel_state()}")
    wanted = [
        name
        for name, module in RIVALS.items()
        if module not in absent and (not arguments.only or any(word in f"{module} {name}" for word in arguments.only))
    ]
    with ground() as (folder, bootstrap):
        for model in arguments.models:
            for width in arguments.widths:
                events = arguments.events or MODELS[model]
                ours = [OURS, PLAIN] if model in WITH_KERNEL else [OURS]
                units, taken = one_case(folder, bootstrap, [*ours, *wanted], model, width, events, arguments.runs)
                case = {"machine": machine(), "kernel": kernel_state(), "runs": arguments.runs, "left_out": absent}
                case |= {"model": model, "features": width, "events": events, **summed(units, taken)}
                print(f"  {model}, {width} features, {events:,} events; bare River {case['bare_river_us']} us CPU")
                tell(case)
                remember(case)


if __name__ == "__main__":
    main()
