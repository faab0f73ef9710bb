"""The dashboard in a real browser: what a person sees, with real, empty, hostile and lost clusters."""

from __future__ import annotations

import itertools
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytestmark = pytest.mark.browser

COLOURS = """
const { width, height } = arguments[0];
const pixels = new Uint32Array(arguments[0].getContext("2d").getImageData(0, 0, width, height).data.buffer);
return new Set(pixels).size;
"""


def test_the_page_shows_workers_layers_tasks_and_errors_without_a_word_on_the_console(page: Any, start: Any) -> None:
    cluster = start("--workers", "3")
    page.open(cluster.url)
    rows = page.all("#worker-rows tr")
    assert [row.text.split("\n")[0] for row in rows] == ["node-0", "node-1", "node-2"]
    assert page.text("#address") == "tls://10.0.0.5:8786"
    assert [card.text for card in page.all(".card h3")][:3] == ["Tasks", "Throughput", "Memory"]
    bars = page.all(".graph[open] .bar")
    assert bars and all(bar.get_attribute("aria-valuetext") for bar in bars)
    assert "tasks in 30 seconds on 12 threads" in page.one("#canvas").get_attribute("aria-label")
    assert page.script(COLOURS, page.one("#canvas")) > 6
    assert len(page.all("#legend li")) >= 2
    error = page.one("#error-list details")
    error.click()
    assert "Traceback (most recent call last)" in error.text and "balance is negative" in error.text
    assert page.console() == []


def test_the_numbers_move(page: Any, start: Any) -> None:
    page.open(start().url)
    done = ".card[aria-label=Throughput] .detail"
    first = page.text(done)
    page.until(lambda: page.text(done) != first, "more tasks are done")
    page.until(lambda: page.text(".card[aria-label=Throughput] b") not in ("–", "0"), "there is a throughput")


def test_names_and_keys_that_try_to_be_html_are_only_text(page: Any, start: Any) -> None:
    page.open(start("--hostile").url)
    assert "<script>window.hacked = 1</script>" in page.text("#worker-rows")
    page.until(lambda: "<img src=x onerror=alert(1)>" in page.text("#graphs"), "the hostile layer is shown")
    page.until(lambda: "window.hacked = 2" in page.text("#error-list"), "a hostile error is shown")
    assert page.script("return window.hacked ?? null") is None
    assert page.script("return document.querySelectorAll('main img, main script').length") == 0
    assert page.console() == []


def test_an_empty_cluster_says_how_to_fill_it(page: Any, start: Any) -> None:
    page.open(start("--empty").url)
    assert 'Client("tls://10.0.0.5:8786")' in page.text("#graphs")
    assert "raskal worker tls://10.0.0.5:8786" in page.text("#no-workers")
    assert page.shown("#no-workers") and not page.shown("#workers table")
    assert "No task has failed." in page.text("#error-list")
    assert page.shown("#no-tasks")
    assert page.console() == []


def test_a_lost_scheduler_is_announced_and_a_new_one_is_taken_up(page: Any, start: Any) -> None:
    cluster = start()
    page.open(cluster.url)
    assert not page.shown("#banner")
    cluster.stop()
    page.until(lambda: page.shown("#banner"), "the banner appears")
    assert "Connection lost" in page.text("#banner-title") and "These numbers are from" in page.text("#banner-text")
    assert page.text("#connection") == "Disconnected"
    assert page.script("return document.body.classList.contains('stale')")
    assert len(page.all("#worker-rows tr")) == 4, "the last numbers stay"

    start("--workers", "2", port=cluster.port)
    page.one("#banner-retry").click()
    page.until(lambda: page.text("#connection") == "Live", "the page is live again")
    page.until(lambda: len(page.all("#worker-rows tr")) == 2, "the new scheduler's workers are shown")
    assert not page.shown("#banner") and not page.script("return document.body.classList.contains('stale')")


def test_off_loopback_the_page_asks_for_the_token_and_keeps_it_out_of_the_address(page: Any, start: Any) -> None:
    url = start("--host", "0.0.0.0", "--token", "open sesame").url.replace("0.0.0.0", "127.0.0.1")
    page.open(url, live=False)
    assert "needs its token" in page.text("h1")
    page.one("#token").send_keys("wrong\n")
    page.until(lambda: "needs its token" in page.text("h1"), "a wrong token is refused")
    page.one("#token").send_keys("open sesame\n")
    page.until(lambda: page.text("#connection") == "Live", "the right token opens the page")
    assert page.driver.current_url == url
    assert page.script("return document.cookie") == "", "scripts can't read the cookie"


def test_the_keyboard_reaches_tasks_sorting_and_pause(page: Any, start: Any) -> None:
    page.open(start().url)
    page.one("#pause").click()
    label = page.one("#canvas").get_attribute("aria-label")
    page.one("#canvas").send_keys("\ue012")  # left arrow
    assert page.shown("#tip")
    first = page.text("#tip")
    assert "thread" in first and "ended" in first
    page.one("#canvas").send_keys("\ue012")
    assert page.text("#tip") != first
    page.one("#canvas").send_keys("\ue00c")  # escape
    assert not page.shown("#tip")
    taken = page.text("#taken")
    page.until(lambda: page.text("#taken") != taken, "the rest goes on")
    assert page.one("#canvas").get_attribute("aria-label") == label, "the stream is paused"

    page.all("#worker-heads button")[0].send_keys("\n")
    assert page.one("#worker-heads th").get_attribute("aria-sort") == "ascending"
    page.all("#worker-heads button")[0].send_keys("\n")
    assert [row.text.split("\n")[0] for row in page.all("#worker-rows tr")] == ["node-3", "node-2", "node-1", "node-0"]


def test_a_pointer_over_a_task_shows_its_key_and_time(page: Any, start: Any) -> None:
    page.open(start().url)
    page.one("#pause").click()
    actions = pytest.importorskip("selenium.webdriver").ActionChains
    for across, down in itertools.product(range(0, 400, 40), range(-40, 40, 7)):  # some of these meet no task
        actions(page.driver, duration=0).move_to_element_with_offset(page.one("#canvas"), across, down).perform()
        if page.shown("#tip"):
            break
    assert "node-" in page.text("#tip") and "s" in page.text("#tip strong")


def test_every_width_and_scheme_is_readable(page: Any, start: Any) -> None:
    """Nothing overflows sideways, and text stands out from what is behind it (WCAG AA asks for 4.5 to 1)."""
    page.open(start().url)
    checked = 0
    for width, scheme in itertools.product((400, 800, 1600), ("light", "dark")):
        page.emulate(width=width, scheme=scheme)
        assert page.script("return document.documentElement.scrollWidth <= innerWidth"), (width, scheme)
        for colour, behind in (("--ink", "--panel"), ("--muted", "--panel"), ("--muted", "--bg"), ("--bad", "--panel")):
            style = "return getComputedStyle(document.body).getPropertyValue(arguments[0]).trim()"
            ratio = contrast(page.script(style, colour), page.script(style, behind))
            assert ratio >= 4.5, (scheme, colour, behind, ratio)
            checked += 1
    assert checked == 24


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture
def proxy() -> Iterator[Callable[[str], str]]:
    """A proxy that puts the dashboard under a prefix and lets no websocket through."""
    servers: list[ThreadingHTTPServer] = []

    def serve(upstream: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                inner = self.path.removeprefix("/user/ada/proxy/8787")
                if inner == self.path or inner.startswith("/ws"):
                    self.send_error(404)
                    return
                with urllib.request.urlopen(upstream + inner) as answer:
                    body = answer.read()
                    self.send_response(answer.status)
                    for name in ("content-type", "content-security-policy"):
                        self.send_header(name, answer.headers[name])
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/user/ada/proxy/8787/status"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_under_a_proxy_s_prefix_without_websockets_the_page_polls(page: Any, start: Any, proxy: Any) -> None:
    page.open(proxy(start().url.removesuffix("/status")), live=False)
    page.until(lambda: page.text("#connection") == "Polling", "the page polls")
    done = ".card[aria-label=Throughput] .detail"
    first = page.text(done)
    page.until(lambda: page.text(done) != first, "polling brings news")
    assert len(page.all("#worker-rows tr")) == 4 and not page.shown("#banner")
