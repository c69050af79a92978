"""A Chromium of the system that looks at the page; none is downloaded."""

from __future__ import annotations

import json
import shutil

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
IN_A_BROWSER = [
    pytest.mark.broker,
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs a Chromium and its chromedriver on the PATH"),
]


def chromium():
    """Headless, in a zone that is half an hour off any other."""
    from selenium import webdriver  # noqa: PLC0415 - only where there is a browser

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(30)
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    return driver


def at(browser, url, width=1360, scheme="light"):
    """Go there with this width and colour scheme."""
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(url)


def complaints(browser):
    """What the console said, but for what a 404 of the test itself and the report's refused attempts say."""
    said = [entry["message"] for entry in browser.get_log("browser")]
    return [m for m in said if "404 (Not Found)" not in m and "/reports/" not in m]


def asked(browser):
    """Every address that was asked for since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }
