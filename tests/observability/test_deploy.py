"""deploy/: rules and the Grafana dashboard ask for metrics and labels that exist, in expressions that parse."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from guides import blocks
from promql import read

from streams.cli.main import run
from streams.observability import server
from streams.observability.families import FAMILIES, table

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "millrace.json").read_text())
TARGETS = {"pipeline", "job", "instance"}
FOREIGN = {"up": set(), "process_start_time_seconds": set(), "process_resident_memory_bytes": set()}
"""Prometheus' own and prometheus-client's."""


def labels_by_sample() -> dict[str, set[str]]:
    """Every name that may stand in an expression → its labels."""
    found = {name: set(labels) for name, labels in FOREIGN.items()}
    for name, family in FAMILIES.items():
        if family.kind == "histogram":
            found |= {f"{name}_bucket": {*family.labels, "le"}}
            found |= {f"{name}_{part}": set(family.labels) for part in ("count", "sum")}
        else:
            found[name] = set(family.labels)
    return found


def panels() -> list[dict]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> dict[str, str]:
    found = {f"{panel['title']} {t['refId']}": t["expr"] for panel in panels() for t in panel["targets"]}
    found |= {f"annotation {each['name']}": each["expr"] for each in DASHBOARD["annotations"]["list"]}
    found |= {f"variable {each['name']}": each["query"]["query"] for each in DASHBOARD["templating"]["list"]}
    return found


ASKED = {f"rule {rule['alert']}": rule["expr"] for rule in RULES} | dashboard_expressions()


@pytest.mark.parametrize("expression", ASKED.values(), ids=ASKED)
def test_what_is_asked_for_exists(expression):
    """A metric that was renamed leaves a rule that never fires and a panel that stays empty, in silence."""
    known = labels_by_sample()
    variable = re.match(r"label_values\((.*), (\w+)\)$", expression)
    if variable:
        expression = f"max by ({variable[2]}) ({variable[1]})"
    named = read(expression)

    assert named.metrics
    for metric, labels in named.metrics.items():
        assert metric in known, metric
        assert labels <= known[metric] | TARGETS, metric
    everywhere = set().union(*(known[metric] for metric in named.metrics)) | TARGETS
    assert named.labels <= everywhere


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_quantile_keeps_its_buckets_apart_and_a_counter_is_asked_for_its_rate(rule):
    """`histogram_quantile` without `le`, or the height of a counter, is a number without a meaning."""
    for expression in (rule["expr"], *dashboard_expressions().values()):
        for inner in re.findall(r"histogram_quantile\(([^)]*\))", expression):
            assert "le)" in inner, expression
        for metric in re.findall(r"\bmillrace_\w+_total\b", expression):
            assert re.search(rf"(rate|increase|changes)\({metric}\b", expression), expression


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_says_what_is_wrong_and_what_to_do(rule):
    """With labels that its expression has, and an explanation on the page that it names."""
    told = rule["annotations"]["summary"] + rule["annotations"]["description"]
    kept = read(rule["expr"])
    aggregated = bool(kept.functions & {"sum", "max"})
    for label in re.findall(r"\$labels\.(\w+)", told):
        assert label in kept.labels or not aggregated, label
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert f"`{rule['alert']}`" in (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")


def test_every_panel_says_what_it_shows_and_none_lies_upon_another():
    """Twenty-four columns; ids and places are their own."""
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels())


def test_what_matters_is_drawn():
    """Scores beside baselines, coverage, drift, lag, delays, dead letters, checkpoints: on the page, or unseen."""
    drawn = {metric for expression in dashboard_expressions().values() for metric in _metrics(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in drawn}
    of_processes = {name for name, family in FAMILIES.items() if {"worker", "monitor"} & set(family.said_by)}

    assert of_processes - families == {
        "millrace_candidate_failures_total",
        "millrace_checkpoint_timestamp_seconds",
        "millrace_monitor_active",
        "millrace_outbox_records",
        "millrace_reference_rows",
        "millrace_reports_waiting",
        "millrace_retrain_requests_total",
        "millrace_stages",
        "millrace_stalled_seconds",
        "millrace_window_end_timestamp_seconds",
        "millrace_window_rows",
        "millrace_windows_total",
    }


def _metrics(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:millrace|process)_\w+\b", expression))


def promtool(*words: str, folder: Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("no promtool on this machine")
    done = subprocess.run([tool, *words], cwd=folder, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_rules_and_the_config():
    """Prometheus' own parser, where there is one."""
    promtool("check", "rules", "alerts.yml", folder=DEPLOY / "prometheus")
    promtool("check", "config", "--syntax-only", "prometheus.yml", folder=DEPLOY / "prometheus")


def test_the_rules_fire_when_they_should_and_not_before():
    """Stories of numbers over time, told to Prometheus' own engine: alerts_test.yml."""
    promtool("test", "rules", "alerts_test.yml", folder=DEPLOY / "prometheus")


def test_promtool_takes_every_expression_of_the_dashboard(tmp_path):
    """As rules, with the dashboard's variables filled in."""
    filled = [
        expression.replace("$__rate_interval", "1m").replace("$pipeline", "shop").replace("$score", "accuracy")
        for expression in dashboard_expressions().values()
        if not expression.startswith("label_values")
    ]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(filled)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "rules.yml", folder=tmp_path)


@pytest.mark.parametrize(
    "wrong", ["sum(rate(x[5m])", "rate(x{a=1)", "nosuch(x)", "x{a} > 1", "sum by (a) (x) } ", "x ? y"]
)
def test_a_broken_expression_is_seen_without_promtool(wrong):
    """The parser of these tests is worth something."""
    with pytest.raises((ValueError, AssertionError)):
        read(wrong)


PAGE = ROOT / "docs" / "observability.md"


def test_the_page_s_table_is_current():
    """`python -m streams.observability.families` prints it: every metric there is, and no other."""
    assert table() in PAGE.read_text(encoding="utf-8")


def test_the_probes_ask_what_is_there():
    """A path or port that does not exist would have Kubernetes start every worker again, for ever."""
    (block,) = blocks(PAGE, "yaml")
    (container,) = yaml.safe_load(block.text)["containers"]
    words = container["args"]
    port = int(words[words.index("--metrics-port") + 1])
    probes = {name: probe["httpGet"] for name, probe in container.items() if name.endswith("Probe")}

    assert {probe["port"] for probe in probes.values()} == {port}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/readyz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert run([*words[1:], "--help"]) == 0
    assert {"/healthz", "/readyz"} <= set(re.findall(r'"(/\w+)"', inspect.getsource(server)))
