"""The pages behind "#/" in a real browser: graph, profile, logs, scheduler, worker, task; and the stream's zoom."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

pytestmark = pytest.mark.browser

PAGES = ("graph", "profile", "logs", "scheduler", "worker/1", "task/2/5")


def go(page: Any, url: str, name: str) -> None:
    """Open one of the pages by its address."""
    page.open(f"{url}#/{name}")
    page.until(lambda: page.shown(f'[data-page="{name.split("/")[0]}"]'), f"the page {name} is shown")


def test_every_page_opens_from_the_navigation_without_a_word_on_the_console(page: Any, start: Any) -> None:
    url = start().url
    page.open(url)
    for title in ("Graph", "Profile", "Logs", "Scheduler"):
        page.driver.find_element("link text", title).click()
        page.until(lambda: page.shown(f'[data-page="{title.lower()}"]'), f"{title} opens")  # noqa: B023
        assert not page.shown("#content")
        assert page.text("nav a[aria-current]") == title
    page.driver.find_element("link text", "Overview").click()
    page.until(lambda: page.shown("#content"), "the overview is back")
    assert page.console() == []


def test_the_graph_has_a_box_for_each_layer_and_tells_of_the_one_that_is_clicked(page: Any, start: Any) -> None:
    go(page, start().url, "graph")
    page.until(lambda: len(page.all(".box")) >= 2, "boxes are drawn")
    boxes = page.all(".box")
    assert len(page.all(".edge")) == len(boxes) - 1
    boxes[0].click()
    page.until(lambda: page.shown(".box-detail"), "the layer's facts are shown")
    assert boxes[0].get_attribute("aria-pressed") == "true"
    assert "Key prefix" in page.text(".box-detail") and "Results held" in page.text(".box-detail")
    assert page.script(
        "const boxes = [...document.querySelectorAll('.box')].map(box => box.getBoundingClientRect());"
        "return boxes.every((a, i) => boxes.every((b, j) => i === j || a.right <= b.left || b.right <= a.left"
        " || a.bottom <= b.top || b.bottom <= a.top))"
    ), "no box lies on another"


def test_the_flame_graph_zooms_by_click_and_keyboard_and_lists_functions(page: Any, start: Any) -> None:
    go(page, start().url, "profile")
    page.until(lambda: len(page.all(".flame button")) >= 8, "the flame graph is drawn")
    widths = {cell.text: cell.size["width"] for cell in page.all(".flame button")}
    assert widths["root"] > widths["simulate"] > widths["read_csv"]
    cell = next(cell for cell in page.all(".flame button") if cell.text == "simulate")
    cell.click()
    page.until(lambda: "read_csv" not in page.text(".flame"), "only what was clicked is left")
    active = "return document.activeElement.textContent"
    assert page.script(active) == "simulate"
    page.script("return document.activeElement") and page.driver.switch_to.active_element.send_keys("\ue015")  # down
    assert page.script(active) == "draw_paths"
    assert "portfolio.py:52" in page.text(".flame p")
    page.driver.switch_to.active_element.send_keys("\ue00c")  # escape
    page.until(lambda: "read_csv" in page.text(".flame [role=tree]"), "everything is back")
    rows = page.all(".functions tbody tr")
    assert rows and "Generator.normal" in rows[0].text


def test_logs_are_filtered_by_source_and_text(page: Any, start: Any) -> None:
    go(page, start().url, "logs")
    page.until(lambda: len(page.all(".log div")) == 5, "all lines are shown")
    assert page.all(".log .warn") and page.all(".log .bad")
    page.one('[data-page="logs"] input').send_keys("balance")
    page.until(lambda: len(page.all(".log div")) == 1, "one line is left")
    page.one('[data-page="logs"] input').clear()
    page.one('[data-page="logs"] input').send_keys(" \ue003")
    page.one('[data-page="logs"] select').send_keys("node-0")
    page.until(lambda: {line.text for line in page.all(".log b")} == {"node-0"}, "only one worker's lines are left")


def test_a_worker_s_page_has_its_facts_and_charts(page: Any, start: Any) -> None:
    url = start().url
    page.open(url)
    page.all("#worker-rows a.name")[1].click()
    page.until(lambda: page.shown('[data-page="worker"]'), "the worker's page opens")
    assert "node-1" in page.text('[data-page="worker"] h2')
    assert "host-1" in page.text('[data-page="worker"] .facts')
    drawn = (
        "return [...document.querySelectorAll('[data-page=worker] path')].filter(path => path.getAttribute('d')).length"
    )
    page.until(lambda: page.script(drawn) == 6, "all charts are drawn")
    page.driver.get(f"{url}#/worker/77")
    page.until(lambda: page.shown('[data-page="worker"] .gone'), "an unknown worker is said to be unknown")


def test_a_click_on_a_task_opens_its_page(page: Any, start: Any) -> None:
    page.open(start().url)
    page.one("#pause").click()
    page.one("#canvas").send_keys("\ue012")  # left arrow
    key = page.text("#tip code")
    page.one("#canvas").send_keys("\ue007")  # enter
    page.until(lambda: page.text('[data-page="task"] .key-line code') == key, "the task's page opens")
    page.until(lambda: page.all(".runs li"), "its runs are listed")
    assert "and 72 more" in page.text(".users")
    page.driver.back()
    page.until(lambda: page.shown("#content"), "back to the overview")


def test_the_task_stream_zooms_and_comes_back_to_the_present(page: Any, start: Any) -> None:
    page.open(start().url)
    label = "return document.querySelector('#canvas').getAttribute('aria-label')"
    assert "in 30 seconds" in page.script(label)
    page.one("#zoom-in").click()
    assert "in 15 seconds" in page.script(label)
    assert page.text("#pause") == "Resume", "the past stands still"
    page.one("#canvas").send_keys("+")
    page.until(lambda: "in 7.5 s" in page.script(label), "it is nearer")
    page.one("#canvas").send_keys("-")
    page.one("#canvas").send_keys("\ue00c")  # escape
    page.until(lambda: "in 30 seconds" in page.script(label) and page.text("#pause") == "Pause", "the present is back")
    taken = page.script(label)
    page.until(lambda: page.script(label) != taken, "it moves again")


def test_hostile_names_are_text_on_every_page(page: Any, start: Any) -> None:
    url = start("--hostile").url
    for name in PAGES[:-1]:  # a task that is not known is a 404, which the console tells
        go(page, url, name)
    go(page, url, "profile")
    page.until(lambda: "window.hacked = 4" in page.text(".flame"), "the hostile function is shown")
    go(page, url, "logs")
    page.until(lambda: "window.hacked=3" in page.text(".log"), "the hostile line is shown")
    assert page.script("return window.hacked ?? null") is None
    assert page.script("return document.querySelectorAll('#pages img, #pages script').length") == 0
    assert page.console() == []


def test_empty_pages_say_what_is_missing(page: Any, start: Any) -> None:
    url = start("--empty").url
    for name, words in (
        ("graph", "No graph is held"),
        ("profile", "No samples"),
        ("worker/0", "No worker of this number"),
    ):
        go(page, url, name)
        selector = f'[data-page="{name.split("/")[0]}"]'
        page.until(lambda: words in page.one(selector).text, f"{name} says that it is empty")  # noqa: B023
    assert page.console() == []


def test_no_page_overflows_in_any_width_or_scheme(page: Any, start: Any) -> None:
    url = start("--workers", "40").url
    checked = 0
    for name, width, scheme in itertools.product(PAGES, (400, 1600), ("light", "dark")):
        page.emulate(width=width, scheme=scheme)
        go(page, url, name)
        assert page.script("return document.documentElement.scrollWidth <= innerWidth"), (name, width, scheme)
        checked += 1
    assert checked == 24


def test_two_hundred_workers_stay_usable(page: Any, start: Any) -> None:
    page.open(start("--workers", "200").url)
    page.until(lambda: len(page.all("#worker-rows tr")) == 200, "all workers are listed")
    assert "on 800 threads" in page.one("#canvas").get_attribute("aria-label")
    took = page.script(
        "const begun = performance.now(); document.querySelector('#worker-heads button').click();"
        "return performance.now() - begun"
    )
    assert took < 2000, "sorting redraws all rows at once"
