"""Report and live page in a browser: no request, no word on the console, nothing wider than the window.

Screenshots are left in build/pages. Needs Chromium and its driver.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from goodfit.cli.report import write_report
from goodfit.watch.feed import Feed
from goodfit.watch.server import Server

BAD = "<img src=x onerror=alert(1)></script>\"'&amp;"
PICTURES = Path(__file__).resolve().parents[2] / "build" / "pages"
DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DRIVER and CHROMIUM), reason="Chromium and its driver are not installed"),
]


class Browser:
    """Chromium through its driver's own protocol, offline but for this machine."""

    def __init__(self) -> None:
        self._driver = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self._driver.stdout
        lines = iter(self._driver.stdout.readline, "")
        port = next(found[1] for line in lines if (found := re.search(r"successfully on port (\d+)", line)))
        self._base = f"http://127.0.0.1:{port}/session"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        arguments += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--hide-scrollbars"]
        options = {"args": arguments, "binary": CHROMIUM}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._ask("", {"capabilities": {"alwaysMatch": wanted}})
        self._base += f"/{made['sessionId']}"

    def _ask(self, path: str, body: dict | None = None, method: str = "POST"):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def close(self) -> None:
        self._ask("", method="DELETE")
        self._driver.terminate()
        self._driver.wait()

    def devtools(self, command: str, **params):
        return self._ask("/goog/cdp/execute", {"cmd": command, "params": params})

    def look(self, width: int, scheme: str) -> None:
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", features=media)

    def open(self, address: str) -> None:
        self._ask("/url", {"url": address})

    def run(self, script: str):
        return self._ask("/execute/sync", {"script": script, "args": []})

    def log(self, kind: str):
        return self._ask("/se/log", {"type": kind})

    def requests(self) -> list[str]:
        """Return what was asked for since the last call."""
        found = [json.loads(one["message"])["message"] for one in self.log("performance")]
        return [f["params"]["request"]["url"] for f in found if f["method"] == "Network.requestWillBeSent"]

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="module")
def browser():
    found = Browser()
    yield found
    found.close()


def check(browser, name, own):
    """Look at the page that is open in every width and scheme."""
    for scheme in ("light", "dark"):
        for width in (400, 800, 1600):
            browser.look(width, scheme)
            wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1] == width
            browser.picture(f"{name}-{width}-{scheme}")
    assert browser.run("return document.images.length") == 0
    assert BAD in browser.run("return document.body.innerText")
    assert [one for one in browser.log("browser") if one["level"] != "INFO"] == []
    assert {url for url in browser.requests() if not url.startswith((own, "data:"))} == set()


def test_the_report_is_whole_offline(browser, hostile_run):
    path = Path(write_report(str(hostile_run))[0])
    browser.open(path.as_uri())
    check(browser, "report", path.as_uri())


def test_the_live_page_follows_the_run(browser, half, bring_to_its_end):
    server = Server(Feed(half))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        browser.open(server.address)
        assert browser.run("return document.getElementById('answer')") is None
        unfolded = browser.run(
            "return [...document.querySelectorAll('details')].map((one) => one.open = true)"
        )
        check(browser, "live", f"http://127.0.0.1:{server.port}/")
        bring_to_its_end()
        until = time.monotonic() + 20
        while browser.run("return document.getElementById('answer') === null"):
            assert time.monotonic() < until
            time.sleep(0.2)
        order = browser.run("return [...document.querySelector('main').children].map((one) => one.id)")
        assert order[:3] == ["now", "answer", "words"]
        opened = browser.run(
            "return [...document.querySelectorAll('#search details')].map((one) => one.open)"
        )
        assert opened[: len(unfolded)] == unfolded  # what was unfolded stays so
        check(browser, "live-ended", f"http://127.0.0.1:{server.port}/")
    finally:
        server.stop()
        thread.join(10)
    time.sleep(1.5)
    assert "No answer" in browser.run("return document.getElementById('link').textContent")
