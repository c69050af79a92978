"""Pages of reports: what they say, what they survive, and that no foreign text in them becomes a script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.evidence import Subject
from drift.evidently_bridge import render
from drift.report_escape import content_security_policy, escaped_json
from drift.report_job import ReportTarget, write_job
from drift.report_page import compose, dashboard

SCRIPT = "</script><script>document.documentElement.dataset.pwned=1</script>"
HANDLER = '"><img src=x onerror="document.documentElement.dataset.pwned=1">'
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def hostile_job(frame, job):
    """Foreign text wherever foreign text can be."""
    columns = {"amount": "numeric", SCRIPT: "numeric", HANDLER: "categorical", "city": "categorical"}
    sides = [
        frame(
            rows,
            **{
                SCRIPT: np.arange(rows) % 7.0,
                HANDLER: ["a", HANDLER] * (rows // 2),
                "city": ["\u2028", SCRIPT] * (rows // 2),
                "(label)": [SCRIPT, "no"] * (rows // 2),
                "(prediction)": ["no", SCRIPT] * (rows // 2),
            },
        )
        for rows in (300, 200)
    ]
    gone = {**columns, f"gone{SCRIPT}": "numeric"}
    subject = replace(job().subjects[0], subject=Subject(kind="feature", name=SCRIPT), source=HANDLER)
    texts = dict.fromkeys(("title", "pipeline", "cut", "incident", "recompute", "severity"), SCRIPT + HANDLER)
    return job(
        columns=gone,
        reference=sides[0],
        current=sides[1],
        target=ReportTarget(kind="binary", positive=SCRIPT),
        subjects=(subject,),
        **texts,
    )


def render_apart(folder, report_job=None):
    """As the monitor does; (exit code, standard error)."""
    if report_job is not None:
        write_job(folder, report_job)
    done = subprocess.run(
        [sys.executable, "-m", "drift.report_process", str(folder)],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


class Scripts(HTMLParser):
    """Every element's name, every script's text and the policy, as a browser would read them."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.handlers, self.policy, self._inside = set(), [], [], "", False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name in {"src", "href"}]
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]
        if tag == "script":
            self._inside = True
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag == "script":
            self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory, hostile_job):
    """One page with foreign text everywhere, rendered once for all that look at it."""
    folder = tmp_path_factory.mktemp("hostile")
    assert render_apart(folder, hostile_job) == (0, "")
    return folder / "report.html"


@pytest.fixture
def page_of(job):
    """`page_of(left_out, cleaned, **fields)`: the head alone."""
    return lambda left_out=None, cleaned=None, **fields: compose(
        job(**fields), [], left_out=left_out or {}, cleaned=cleaned or {}
    )


def dom_after_running(path, folder):
    """The page's elements after a real browser ran it."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    dump = ["--virtual-time-budget=10000", "--dump-dom", path.as_uri()]
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={folder}", *dump],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    return done.stdout


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), st.lists, max_leaves=8))
def test_escaped_json_is_the_same_json_without_a_character_html_reads(value):
    """Whatever the value, as ASCII or not."""
    for ascii_only in (True, False):
        escaped = escaped_json(json.dumps(value, ensure_ascii=ascii_only))

        assert json.loads(escaped) == value
        assert not set(escaped) & set("<>&\u2028\u2029")


def test_the_policy_names_each_script_and_allows_nothing_else():
    """No inline handler, no connection, nothing from elsewhere; without scripts none at all."""
    digest = base64.b64encode(hashlib.sha256(b"go()").digest()).decode()

    policy = content_security_policy(["go()"])

    assert f"script-src 'sha256-{digest}';" in policy
    assert "unsafe-eval" not in policy
    assert policy.count("unsafe-inline") == 1
    assert "style-src 'unsafe-inline'" in policy
    assert {"default-src 'none'", "connect-src 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert "script-src 'none'" in content_security_policy([])


def test_a_page_of_another_layout_is_refused():
    """Rather no report than one that nobody escaped."""
    with pytest.raises(ValueError, match=r"data, library and style where 0.7 puts them"):
        dashboard("Drift", "<html><script>var metric_1 = {};</script></html>")


def test_the_head_says_what_happened_and_what_is_not_shown(page_of):
    """Title, incident, window, cut, subjects, left-out columns with reasons, and the command to make it again."""
    head = page_of(left_out={"age": "not in the current rows"}, cleaned={"city": "cut"})

    for part in (
        "<h1>1 feature has changed: amount</h1>",
        "9f3a0c11d2e4b5a6",
        "number 7, 2023-11-14 22:13:20 UTC to 2023-11-14 22:14:20 UTC",
        "200 against 300 of the reference",
        "shop.predictions/0:400",
        "feature:amount",
        "not in the current rows",
        "<code>age</code>",
        "<code>city</code>",
        "millrace report --incident 9f3a0c11d2e4b5a6",
        'class="badge warning"',
        "There is nothing to draw.",
    ):
        assert part in head, part
    assert "What changed" not in page_of(subjects=())
    assert "badge" not in page_of(incident="").partition("<header")[2]
    assert "Make this page again" not in page_of(recompute="")


@pytest.mark.slow
def test_foreign_text_stays_text(hostile_page):
    """Names, categories, labels and ids that are HTML add no script, no handler and no element to the page."""
    page = Scripts(hostile_page.read_text(encoding="utf-8"))

    shown = json.loads((hostile_page.parent / "result.json").read_text())
    assert (shown["ok"], shown["path"]) == (True, "report.html")
    assert set(shown["left_out"]) == {f"gone{SCRIPT}"}
    assert shown["parts"] == ["Drift of features", "Summary of features", "Quality of predictions"]
    assert len(page.scripts) == 3 + 1 + 1 + 3  # data of each part, a global, the library, a call for each part
    assert not any(script.startswith("document.documentElement") for script in page.scripts)
    assert page.handlers == []
    assert not page.elements & {"img", "iframe", "link", "object", "base"}
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts]
    assert re.findall(r"'sha256-([^']+)'", page.policy) == digests


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_draws_the_page_and_runs_nothing_foreign(hostile_page, tmp_path):
    """Charts appear under the policy, without a network; the foreign scripts leave no mark."""
    dom = dom_after_running(hostile_page, tmp_path / "profile")

    root = re.search(r"<html[^>]*>", dom)[0]
    assert "pwned" not in root
    assert dom.count("js-plotly-plot") >= 4
    assert "Dataset Drift" in dom
    assert "Confusion Matrix" in dom


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_the_browser_test_would_notice(tmp_path):
    """The same text in a page without defences does leave its mark, and the policy alone holds it back."""
    foreign = f"<html><head>POLICY</head><body>{HANDLER}<script>var x = '{SCRIPT}';</script></body></html>"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{content_security_policy([])}">'
    marks = []
    for name, head in (("bare", ""), ("held", policy)):
        page = tmp_path / f"{name}.html"
        page.write_text(foreign.replace("POLICY", head), encoding="utf-8")
        marks.append("pwned" in re.search(r"<html[^>]*>", dom_after_running(page, tmp_path / name))[0])

    assert marks == [True, False]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Evidently's own imports
@pytest.mark.parametrize(
    "task",
    [
        {"kind": "binary", "positive": "yes", "probabilities": {"yes": "p"}},
        {"kind": "multiclass", "probabilities": {"yes": "p", "no": "q"}},
        {
            "kind": "multiclass",
            "label": "shape",
            "prediction": "shape_said",
            "probabilities": {"x": "p", "y": "q", "z": "r"},
        },
        {"kind": "regression", "label": "amount_true", "prediction": "amount_said"},
    ],
    ids=["binary", "multiclass of two", "multiclass of three", "regression"],
)
def test_every_task_has_a_quality_part_with_and_without_labels_in_the_reference(tmp_path, task, frame, job):
    """Drawn in full where the reference has labels, and alone where it has none."""
    more = {
        "p": 0.3,
        "q": 0.5,
        "r": 0.2,
        "amount_true": np.arange(240.0),
        "amount_said": np.arange(240.0)[::-1],
        "shape": list("xyz") * 80,
        "shape_said": list("xyyz") * 60,
    }
    asked = job(reference=frame(240, **more), current=frame(240, **more), target=ReportTarget(**task))
    unlabelled = asked.reference.assign(**{asked.target.label: None})

    full = render(asked, tmp_path / "full.html", time.perf_counter)
    alone = render(replace(asked, reference=unlabelled), tmp_path / "alone.html", time.perf_counter)

    parts = ("Drift of features", "Summary of features", "Quality of predictions")
    assert (full.parts, full.left_out, full.cleaned) == (parts, {}, {})
    assert (alone.parts, alone.left_out) == (parts, {})
    assert alone.cleaned == {"(Quality of predictions)": "drawn without the reference, whose rows have no labels"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Evidently's own imports
def test_a_failing_part_costs_only_itself(tmp_path, frame, job):
    """A window of one class has no binary quality; a huge constant cannot be binned. Both are named."""
    one_class = {"(label)": "yes", "(prediction)": "yes", "huge": float(2**62)}
    columns = {"amount": "numeric", "huge": "numeric"}
    asked = job(columns=columns, reference=frame(300, huge=float(-(2**62))), current=frame(200, **one_class))

    rendered = render(asked, tmp_path / "report.html", time.perf_counter)

    assert rendered.parts == ("Drift of features", "Summary of features", "Quality of predictions")
    assert rendered.left_out["huge"].startswith("Evidently could not draw it: ValueError")
    assert rendered.cleaned["(Quality of predictions)"].startswith("drawn without the reference: ")
    assert "Evidently could not draw it" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert rendered.seconds > 0


def test_a_folder_that_is_no_job_ends_with_a_clear_message(tmp_path):
    """Exit code 1, the reason on standard error and in `result.json`, and nothing of an earlier attempt."""
    (tmp_path / "report.html").write_text("of yesterday")

    code, message = render_apart(tmp_path)

    assert code == 1
    assert message.startswith(f"could not render {tmp_path}: ")
    assert "must be a report job's folder" in message
    assert json.loads((tmp_path / "result.json").read_text()) == {"ok": False, "error": message.strip()}
    assert not (tmp_path / "report.html").exists()
    assert render_apart(tmp_path / "nowhere")[0] == 1


def test_the_process_says_how_to_use_it():
    """Exit code 2 for a wrong command line."""
    done = subprocess.run(
        [sys.executable, "-m", "drift.report_process"], capture_output=True, check=False, text=True, timeout=60
    )

    assert (done.returncode, done.stderr) == (2, "usage: python -m drift.report_process JOB_FOLDER\n")


def test_describing_a_job_does_not_import_evidently():
    """270 MB that a monitor must not pay: only rendering does."""
    code = "import sys, drift.report_job, drift.evidently_bridge; print('evidently' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True, timeout=60, cwd=Path.cwd()
    )

    assert done.stdout == "False\n", done.stderr
