"""Writes what the benchmarks found into docs/benchmarks.md, between the marks of each part: `python -m bench.tables`.

With `--print` it only shows the tables. A part that was not run keeps what the page says of it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bench.beside import OURS
from bench.results import noted

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
MODELS = {
    "logistic_regression": "scaled logistic regression",
    "hoeffding_tree": "Hoeffding tree",
    "adaptive_random_forest": "random forest of 10",
}


def table(head, rows):
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def where(found, more=""):
    machine = found["machine"]
    busy = f", load {machine['load']} at its end" if machine["load"] > machine["cores"] + 1 else ""
    return (
        f"*{machine['date']}, {machine['cores']} cores ({machine['processor']}), {machine['system']}, "
        f"Python {machine['python']}{busy}{more}.*"
    )


def beside(found):
    parts = []
    head = ["", "CPU: millrace faster by", "wall: faster by", "CPU an event (range)", "wall", "events per CPU second"]
    head += ["above bare River", "memory", "examples the model lacked, median / at most"]
    for case in found["cases"]:
        rows = []
        for name, row in case["contenders"].items():
            low, high = row["cpu_us_range"]
            cells = [f"**{name}**" if name == OURS else name]
            cells += ["" if name == OURS else times(row[f"ours_faster_{key}"]) for key in ("cpu_us", "wall_us")]
            cells += [f"{row['cpu_us']:.1f} µs ({low:.1f}-{high:.1f})", f"{row['wall_us']:.1f} µs"]
            cells += [f"{1e6 / row['cpu_us']:,.0f}", f"{row['over_bare_us']:.1f} µs", f"{row['rss_mb']:.0f} MB"]
            rows.append([*cells, " / ".join(f"{count:,}" for count in row["lacked"])])
        title = f"{MODELS[case['model']]}, {case['features']} features, {case['events']:,} events"
        runs = f"; medians of {case['runs']} runs in turns; millrace's kernel {case['kernel']}"
        parts += [f"**{title}**; bare River {case['bare_river_us']:.1f} µs.", where(case, runs), table(head, rows)]
        parts += [f"Left out: {module}, {why}." for module, why in case["left_out"].items()]
    return "\n\n".join(parts)


def times(ratio):
    return f"{ratio:.2f} x"


def trickle(found):
    def spread(row, key):
        return " / ".join(f"{row[key][name]:.0f}" for name in ("p50", "p99", "p999")) + " ms" if key in row else ""

    rows = []
    for name, rates in found["found"].items():
        for rate, row in rates.items():
            cells = [name, rate if rate == "idle" else f"{int(rate):,}/s", f"{row['share']:.1%}"]
            rows.append([*cells, spread(row, "event_to_prediction"), spread(row, "label_to_learnt")])
    head = ["", "events", "of one core", "event → prediction read, p50 / p99 / p99.9", "label → learnt, the same"]
    return f"{where(found)}\n\n{table(head, rows)}"


def alerting(found):
    delays = sorted(ms for _, ms in found["delays_ms"])
    if not delays:
        return where(found)
    return (
        f"{where(found)}\n\nExample → alert at {found['rate']:,} events/s: {delays[len(delays) // 2]} ms in the median "
        f"and {delays[-1]} ms at most, {len(delays)} alerts; the monitor used {found['monitor_share']:.1%} of a core."
    )


def monitor_rate(found):
    rows = [
        [each["features"], f"{1e6 / each['wall_us']:,.0f}", f"{each['cpu_us']:.0f} µs", f"{each['rss_mb']:.0f} MB"]
        for each in found["rows"]
    ]
    runs = f"; medians of {found['runs']} runs"
    return f"{where(found, runs)}\n\n{table(['features', 'events/s', 'CPU an event', 'memory'], rows)}"


def growth_time(found):
    rows = []
    for each in found["rows"]:
        cells = [f"{each['minutes']:g} min", f"{each['worker_mb']} MB", f"{each['worker_share']:.1%}"]
        rows.append([*cells, f"{each['monitor_mb']} MB", f"{each['monitor_share']:.1%}"])
    head = [f"at {found['rate']:,} events/s, after", "worker", "of one core", "monitor", "of one core"]
    return f"{where(found)}\n\n{table(head, rows)}"


def growth_pending(found):
    rows = [
        [f"{each['pending']:,}", f"{each['cpu_us']:.1f} µs", f"{each['rss_mb']:.0f} MB", f"{each['cut_ms_max']:.1f} ms"]
        for each in found["rows"]
    ]
    return f"{where(found)}\n\n{table(['predictions that wait', 'CPU a joined event', 'memory', 'longest cut'], rows)}"


def by_count(key, head):
    def render(found):
        rows = [[f"{each[key]:,}", f"{each['cpu_us']:.1f} µs", f"{each['rss_mb']:.0f} MB"] for each in found["rows"]]
        return f"{where(found)}\n\n{table([head, 'CPU an event', 'memory'], rows)}"

    return render


def scaling_workers(found):
    rows = [[each["workers"], f"{each['examples_per_s']:,}", f"{each['cpu_us']:.1f} µs"] for each in found["rows"]]
    text = table(["workers", "examples/s", "CPU each, all together"], rows)
    return f"{where(found)}\n\n{text}\n\nTwo are {found['ratio']:.2f} times as fast as one."


def scaling_restarts(found):
    spent = ("joins", "has its state", "predicts", "has caught up")
    rows = [
        [
            f"{each['waiting']:,}",
            f"{each['come']:,}",
            *(f"{each[name]:.1f} s" for name in spent),
            f"{each['rss_mb']:.0f} MB",
        ]
        for each in found["rows"]
    ]
    return f"{where(found)}\n\n{table(['wait for a label', 'came meanwhile', *spent, 'memory'], rows)}"


def waiting(found):
    rows = [
        [
            f"{each['waiting']:,}" + ("" if each["copies"] else ", no copies here"),
            f"{each['state_s']:.1f} s, of which {each['start_s']:.1f} s until it joins",
            f"{each['cpu_s']:.1f} s",
            f"{each['rss_mb']} MB",
            f"{each['disk_mb']:,} MB",
            f"{each['cpu_us']:.1f} µs" if "cpu_us" in each else "",
            f"{each['rss_after_mb']:.0f} MB" if "cpu_us" in each else "",
            f"{each['cut_ms_max']:.1f} ms, {each['checkpoint_bytes']:,} bytes" if "cpu_us" in each else "",
        ]
        for each in found["rows"]
    ]
    head = ["wait for a label", "has its state", "CPU", "memory", "disk", "then CPU an event", "memory", "longest cut"]
    return f"{where(found)}\n\n{table(head, rows)}"


PARTS = {
    "beside": beside,
    "trickle": trickle,
    "alerting": alerting,
    "monitor_rate": monitor_rate,
    "growth_time": growth_time,
    "growth_pending": growth_pending,
    "growth_candidates": by_count("candidates", "candidates"),
    "growth_features": by_count("features", "features"),
    "scaling_workers": scaling_workers,
    "scaling_restarts": scaling_restarts,
    "waiting": waiting,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__)
    parser.add_argument("--print", action="store_true", help="only show them")
    only_show = parser.parse_args().print
    page = PAGE.read_text(encoding="utf-8")
    for part, render in PARTS.items():
        found = noted(part)
        if found is None:
            continue
        text = render(found)
        if only_show:
            print(f"{part}\n\n{text}\n")
            continue
        marks = re.compile(rf"(<!-- {part} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert marks.search(page), f"{PAGE.name} has no marks for {part}"
        page = marks.sub(lambda mark, text=text: f"{mark[1]}\n{text}\n\n{mark[2]}", page)
        print(f"{part}: written")
    if not only_show:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
