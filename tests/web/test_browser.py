"""A real browser on the real Kafka: hostile records run nothing, pages live, keys reach all, no policy is broken.

Uses a Chromium and chromedriver of the system where both are there, and downloads none.
"""

from __future__ import annotations

import json
import time

from page_browser import IN_A_BROWSER, asked, at, complaints
from page_records import HOSTILE, NOW_MS, alert, column, request, score, version, window
from pipeline_process import until

pytestmark = IN_A_BROWSER
EVIL = HOSTILE + "<svg onload=window.ran=1><a href=javascript:window.ran=1>"
PATHS = ("/", "/incidents", "/incidents/i1", "/drift", "/models", "/dead-letters", "/nothing")


def plant(send, tmp_path):
    """Hostile text wherever a record can carry it, and a report with a script that wants out."""
    columns = [column(f"feature:{EVIL}", 0.9, verdict="drift", statistic=EVIL, statistics={EVIL: 0.9}), column()]
    scores = {"champion": score(0.9), EVIL: score(0.8), "prior": score(0.6)}
    for number in range(1, 40):
        incident = "i1" if number > 20 else None
        alarms = [{"subject": EVIL, "detector": EVIL, "row": 1, "event_ms": NOW_MS}] if incident else []
        send("metrics", window(number, columns=columns, quality=scores, alarms=alarms, incident=incident))
    subjects = [{"subject": f"feature:{EVIL}", "source": EVIL, "value": 1.0, "threshold": 0.1, "strength": 10.0}]
    send("alerts", alert(title=EVIL, subjects=subjects, model=EVIL, reason=EVIL), alert(EVIL, title=EVIL))
    send("retrain", request(model=EVIL, reason=EVIL, ranges={EVIL: (1, 2)}))
    send("models", version(model=EVIL))
    send("dead-letters", EVIL.encode(), headers=[("reason", EVIL.encode()), ("topic", EVIL.encode())])
    folder = tmp_path / "reports" / "i1"
    folder.mkdir(parents=True)
    job = {"title": EVIL, "window": 1, "severity": "critical", "from_ms": 1, "to_ms": 2, "incident": "i1"}
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "result.json").write_text('{"ok": true}')
    (folder / "report.html").write_text(
        "<p id=here>report</p><script>document.title = 'ran inside';"
        "try { parent.document.title = 'broke out'; } catch {} try { top.location = '/nothing'; } catch {}"
        "try { document.cookie = 'a=b'; } catch {} "
        "fetch('/').then(() => parent.postMessage('connected', '*'), () => 0);"
        "</script>"
    )


def shown(browser, words):
    until(lambda: words in browser.find_element("tag name", "main").text, 20, f"{words} on {browser.current_url}")


def test_nothing_hostile_runs_and_the_policy_is_kept(browser, send, address, tmp_path):
    """On every page, in light, dark and on a phone: no script of a record, no violation, no request to elsewhere."""
    plant(send, tmp_path)
    at(browser, address)
    until(lambda: "{{7*7}}" in browser.find_element("tag name", "main").text, 20, "the planted text")
    paths = [*PATHS]
    at(browser, f"{address}/drift")
    paths += [link.get_dom_attribute("href") for link in browser.find_elements("css selector", "a.row")]
    at(browser, f"{address}/incidents")
    paths += [link.get_dom_attribute("href") for link in browser.find_elements("css selector", "main td a")]
    assert len(paths) == len(PATHS) + 4
    browser.get_log("browser")

    for width, scheme in ((1360, "light"), (1360, "dark"), (390, "light")):
        for path in paths:
            at(browser, address + path, width, scheme)
            assert browser.execute_script("return window.ran") is None, path
            ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(15, 20, 26)" if scheme == "dark" else "rgb(244, 246, 248)"), "the style is in force"
            across = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert across <= 0, f"{path} is wider than a screen of {width}"
            assert complaints(browser) == [], path
    addresses = asked(browser)
    assert addresses
    assert all(url.startswith((address, "data:")) for url in addresses)


def test_a_report_cannot_leave_its_frame(browser, send, address, tmp_path):
    """Its scripts run, and reach neither the page, nor its place, nor a connection."""
    plant(send, tmp_path)
    until(lambda: _loads(browser, f"{address}/incidents/i1"), 20, "the incident")
    browser.execute_script("window.heard = []; addEventListener('message', (event) => heard.push(event.data))")
    frame = browser.find_element("tag name", "iframe")
    browser.execute_script("arguments[0].scrollIntoView()", frame)
    browser.switch_to.frame(frame)
    until(lambda: browser.find_elements("id", "here"), 10, "the report")
    assert browser.execute_script("return document.title") == "ran inside"
    assert browser.execute_script("return window.origin") == "null"
    browser.switch_to.default_content()

    assert browser.current_url == f"{address}/incidents/i1"
    assert "broke out" not in browser.title
    time.sleep(0.5)  # a connection would have been told by now
    assert browser.execute_script("return window.heard") == []


def _loads(browser, url):
    browser.get(url)
    return bool(browser.find_elements("tag name", "iframe"))


def test_an_alert_appears_by_itself_and_nothing_jumps(browser, send, address):
    """The page that is open shows what comes, keeps the focus where it was, and tells times in the reader's zone."""
    for number in range(1, 30):
        send("metrics", window(number))
    at(browser, address)
    until(lambda: browser.execute_script(_PLACES) == 29, 20, "the first windows")
    browser.execute_script("document.querySelector('#metric-log_loss').focus()")
    browser.execute_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((e) => shift += e.value))"
        ".observe({type: 'layout-shift'})"
    )
    for number in range(30, 35):
        send("metrics", window(number))
    until(lambda: browser.execute_script(_PLACES) == 34, 10, "the new windows")
    assert browser.execute_script("return window.shift") == 0
    assert browser.execute_script("return document.activeElement.id") == "metric-log_loss"

    send("alerts", alert(title="amount has moved"))
    shown(browser, "amount has moved")
    moment = browser.find_element("css selector", ".incidents time")
    assert (moment.text, moment.get_dom_attribute("title")) == ("2027-01-15 13:30:00", "2027-01-15 08:00:00 UTC")
    assert browser.title.startswith("(1) Overview")


_PLACES = "return JSON.parse(document.querySelector('.chart')?.dataset.readout ?? '[]').length"


def test_everything_is_reached_by_keyboard(browser, send, address, tmp_path):
    """Tab visits every link, button and chart of each page in turn and shows where it is; arrows read a chart."""
    from selenium.webdriver import ActionChains, Keys  # noqa: PLC0415 - only where there is a browser

    plant(send, tmp_path)
    at(browser, address)
    until(lambda: browser.execute_script(_PLACES) == 39, 20, "the planted windows")
    for path in PATHS:
        at(browser, address + path)
        wanted = browser.execute_script(_REACHABLE)
        seen = set()
        for _ in range(wanted + 3):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            number, outline = browser.execute_script(_FOCUSED)
            seen.add(number)
            assert outline != "none", path
        assert len(seen - {-1}) == wanted, path
    at(browser, address)
    browser.execute_script("document.querySelector('.chart').focus()")
    ActionChains(browser).send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT).perform()
    assert "champion 0.9" in browser.find_element("css selector", ".readout").text


_REACHABLE = """
const all = [...document.querySelectorAll("a[href], button, [tabindex='0']")];
all.forEach((each, number) => (each.number = number));
return all.length;
"""
_FOCUSED = """
const at = document.activeElement;
return [at.number ?? -1, at === document.body || at.tagName === "IFRAME" ? "" : getComputedStyle(at).outlineStyle];
"""
