"""A fake cluster's dashboard and a headless Chromium to look at it with.

The cluster is the Rust example ``fake_cluster``; it is built here, so that this checkout's page is tested.
Tests carry the marker ``browser`` and are skipped where there is no Chromium or no Selenium.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1600,1000"
).split()


@dataclass
class FakeCluster:
    """A running ``fake_cluster`` process."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> str:
        """The port it listens on."""
        return self.url.split(":")[2].split("/")[0]

    def stop(self) -> None:
        """Ask it to stop, as a scheduler stops, and wait until it is gone."""
        self.process.communicate(timeout=20)


@pytest.fixture(scope="session")
def executable() -> str:
    """Build the example and give its path (``RASKAL_FAKE_CLUSTER`` names one that is built already)."""
    built = os.environ.get("RASKAL_FAKE_CLUSTER")
    if built:
        return built
    command = ["cargo", "build", "-p", "raskal-dashboard", "--example", "fake_cluster", "--message-format=json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    paths = [item["executable"] for item in artifacts if item.get("target", {}).get("name") == "fake_cluster"]
    return str(paths[-1])


@pytest.fixture
def start(executable: str) -> Iterator[Callable[..., FakeCluster]]:
    """Start fake clusters with the options given; those still running at the end are stopped."""
    running: list[FakeCluster] = []

    def run(*options: str, port: str = "0") -> FakeCluster:
        command = [executable, "--port", port, *options]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://"), f"{command} said {url!r}"
        running.append(FakeCluster(url, process))
        return running[-1]

    yield run
    for cluster in running:
        if cluster.process.poll() is None:
            cluster.stop()


class Page:
    """A browser tab: a few words over Selenium, so that tests read as what a person does and sees."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, *, live: bool = True) -> None:
        """Load the page and wait until it shows data."""
        self.driver.get(url)
        if live:
            self.until(lambda: self.text("#connection") == "Live", "the page goes live")

    def script(self, source: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and give what it returns."""
        return self.driver.execute_script(source, *arguments)

    def all(self, selector: str) -> list[Any]:
        """Elements that a CSS selector matches."""
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        """The first element that a CSS selector matches."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        """Text of the first match, as the page holds it."""
        return str(self.script("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def shown(self, selector: str) -> bool:
        """Whether the first match is visible."""
        return bool(self.one(selector).is_displayed())

    def until(self, condition: Callable[[], object], what: str, seconds: float = 20) -> None:
        """Wait for a condition; the failure says which, and what the console said."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {seconds:g} s in vain until {what}; console: {self.console()}")
            self.script("return document.readyState")  # one round trip to the browser is the pause

    def console(self) -> list[str]:
        """Warnings and errors of the console since the last call."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def emulate(self, *, width: int, scheme: str = "light") -> None:
        """Set the width of the window and the colour scheme."""
        metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Chromium for the session, with a profile of its own."""
    webdriver = pytest.importorskip("selenium.webdriver")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("Chromium and its driver are needed (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: Any) -> Iterator[Page]:
    """A page with an empty console and no cookies."""
    page = Page(driver)
    page.emulate(width=1600)
    page.console()
    yield page
    driver.get("about:blank")
    driver.delete_all_cookies()
