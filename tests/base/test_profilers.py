"""Profilers of local runs, their picture and their trace."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from typing import Any

import pytest

import raskal
import raskal.array as da
from raskal import delayed, threaded
from raskal.callbacks import Callback
from raskal.diagnostics import CacheProfiler, Profiler, ResourceProfiler, visualize, write_chrome_trace


def test_each_task_is_noted_with_its_times_and_thread():
    before = time.perf_counter()
    with Profiler() as prof:
        (delayed(abs)(-1) + delayed(abs)(-2)).compute()
    after = time.perf_counter()
    assert sorted(result.task for result in prof.results) == ["abs", "abs", "add"]
    assert prof.start_time is not None and prof.end_time is not None
    assert before <= prof.start_time
    assert prof.end_time <= after
    for result in prof.results:
        assert prof.start_time <= result.start_time <= result.end_time <= prof.end_time
        assert isinstance(result.worker_id, int)


def test_keys_of_a_dictionary_are_given_back_and_constants_are_no_tasks():
    dsk = {"a": 1, "b": 2, ("c", 0): (sum, ["a", "b"])}
    with Profiler() as prof:
        threaded.get(dsk, ("c", 0))
    ((key, task, *_),) = prof.results
    assert (key, task) == (("c", 0), dsk[("c", 0)])


def test_a_task_that_failed_is_no_result_but_a_record():
    with Profiler() as prof, pytest.raises(ZeroDivisionError):
        (delayed(abs)(0, dask_key_name="zero") / delayed(abs)(0, dask_key_name="other")).compute()
    assert {result.key for result in prof.results} == {"zero", "other"}
    assert [record.failed for record in prof.records].count(True) == 1


def test_native_tasks_have_their_layer_and_size():
    with Profiler() as prof:
        da.ones((100, 100), chunks=50).sum(axis=0).compute()
    assert prof.records
    assert max(record.nbytes for record in prof.records) >= 50 * 8


def test_a_profiler_is_emptied_on_entering_and_by_clear():
    prof = Profiler()
    for _ in range(2):
        with prof:
            delayed(abs)(-1).compute()
        assert len(prof.results) == 1
    prof.clear()
    assert prof.results == []


@pytest.mark.parametrize("make", [Profiler, CacheProfiler, lambda: ResourceProfiler(dt=0.01)])
def test_a_registered_profiler_goes_on_noting(make):
    prof = make()
    prof.register()
    try:
        delayed(abs)(-1).compute()
        count = len(prof.results)
        assert count > 0
        delayed(abs)(-1).compute()
        assert len(prof.results) > count
    finally:
        prof.unregister()
    assert not Callback.active


def test_resources_are_noted_from_begin_to_end():
    with ResourceProfiler(dt=0.01) as prof:
        assert prof.results == []
        delayed(sum)(range(300_000)).compute()
    assert len(prof.results) >= 2
    assert all(sample.mem > 1 and sample.cpu >= 0 for sample in prof.results)
    assert not prof._is_running()
    prof.close()
    with pytest.raises(ValueError, match="dt must be"):
        ResourceProfiler(dt=0)


def test_values_are_held_from_their_making_to_their_last_use():
    with CacheProfiler(len, "items") as prof:
        first = delayed(list)("ab", dask_key_name="first")
        second = delayed(list.__add__)(first, [1], dask_key_name="second")
        delayed(list)(second, dask_key_name="third").compute()
    held = {result.key: result for result in prof.results if result.key != "third"}
    assert {key: result.metric for key, result in held.items()} == {"first": 2, "second": 3}
    assert held["first"].cache_time <= held["first"].free_time <= held["second"].free_time


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.outside += [value for name, value in attrs if name in ("src", "href", "srcset")]


def picture_data(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    return dict(json.loads(text))


def test_the_page_needs_nothing_from_outside_and_escapes_what_users_name(tmp_path):
    name = "</script><img src=x>"
    with Profiler() as prof, ResourceProfiler(0.01) as resources, CacheProfiler() as cache:
        delayed(abs)(-1, dask_key_name=name).compute()
    picture = visualize([prof, resources, cache], tmp_path / "p.html", show=False, title="<b>run</b>")
    page = (tmp_path / "p.html").read_text()
    parser = _Page()
    parser.feed(page)
    assert parser.outside == []
    assert "<img" not in page
    assert "<b>run" not in page
    assert "http" not in page
    data = picture_data(page)
    assert data["tasks"]["key"] == [name]
    assert len(data["resources"]) >= 2
    assert [step[1] for step in data["cache"]["steps"]] == [1, 0]
    assert picture._repr_html_().startswith("<iframe")


def test_a_profile_of_nothing_has_a_page_and_wrong_options_are_refused():
    prof = Profiler()
    assert "Nothing was noted" in visualize(prof, filename=None, show=False).html
    with pytest.raises(AttributeError, match="no option 'foo_bar'"):
        prof.visualize(foo_bar=1)
    with pytest.raises(TypeError, match="draws profilers"):
        visualize([3], filename=None)


def test_the_page_draws_in_a_browser(tmp_path):
    """The script of the page runs without an error and fills the table."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser")
    with Profiler() as prof:
        raskal.compute(*(delayed(abs)(-number) for number in range(30)))
    prof.visualize(filename=tmp_path / "p.html", show=False)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run([*command, f"file://{tmp_path}/p.html"], capture_output=True, text=True, timeout=60)
    assert re.search(r"<td><i[^>]*></i>abs</td><td>30</td>", done.stdout)
    assert "<canvas" in done.stdout


def test_a_trace_has_a_slice_for_each_task_and_names_its_threads(tmp_path):
    with Profiler() as prof, ResourceProfiler(0.01) as resources:
        raskal.compute(*(delayed(abs)(-number) for number in range(5)))
    write_chrome_trace(tmp_path / "run.json", prof, resources)
    events = json.loads((tmp_path / "run.json").read_text())["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert len(slices) == 5
    assert all(event["ts"] >= 0 and event["dur"] >= 0 and event["name"] == "abs" for event in slices)
    named = {event["tid"] for event in events if event["ph"] == "M"}
    assert named == {event["tid"] for event in slices}
    assert {event["name"] for event in events if event["ph"] == "C"} == {"memory (MB)", "CPU (%)"}
    with pytest.raises(TypeError, match="only Profiler"):
        write_chrome_trace(tmp_path / "run.json", CacheProfiler())  # type: ignore[arg-type]
