"""The benchmark report says what the raw results say: it is read from made-up results whose answer is known."""

import json
from pathlib import Path

from benchmarks import report
from benchmarks.case import Case


def results(folder: Path, **seconds: float | None) -> Path:
    """Write one run of `tasks-wide`, 10 tasks a sample; None stands for a library that is not installed."""
    missing = {"status": "not installed", "reason": "No module named 'x'"}
    samples = {
        name: [missing] if value is None else [{"status": "ok", "seconds": value, "units": 10, "peak_mb": 5.0}] * 3
        for name, value in seconds.items()
    }
    machine = dict.fromkeys(
        ("commit", "extension", "processor", "cores", "memory_gib", "system", "load_before", "python", "rustc"), "?"
    )
    run = {"size": "small", "rounds": 3, "machine": {**machine, "packages": {}}}
    run["cases"] = [{"name": "tasks-wide", "unit": "us per task", "samples": samples}]
    (folder / "120000-small.json").write_text(json.dumps(run))
    return folder


def test_times_are_per_task_and_ratios_are_to_raskal(tmp_path):
    text = report.text(results(tmp_path, raskal=0.0001, ThreadPoolExecutor=0.0003, Dask=0.01))
    assert "| **raskal** | 10 | 10-10 | 1 | 5 |" in text
    assert "| ThreadPoolExecutor | 30 | 30-30 | 3 | 5 |" in text


def test_a_bar_is_judged_by_the_medians(tmp_path):
    text = report.text(results(tmp_path, raskal=0.0001, ThreadPoolExecutor=0.0003, Dask=0.001))
    assert "at most 1 of ThreadPoolExecutor's time: met (measured 0.333)" in text
    assert "at most 0.0333333 of Dask's time: NOT met (measured 0.1)" in text


def test_bars_in_units_and_of_memory_are_judged():
    taken = {"status": "ok", "seconds": 4e-6, "units": 1, "peak_mb": 30.0, "base_mb": 10.0}
    result = {"samples": {"raskal": [taken], "bare": [{**taken, "seconds": 2e-6, "base_mb": 0.0}]}}
    case = Case("x", "x", "us", {}, over={"bare": 3.0}, limit=3.0, memory_bars={"bare": 1 / 2}, peak_mb_max=40)
    lines = [
        *report.bars(case, {"raskal": 4.0, "bare": 2.0}),
        *report.memory_bars(case, {**result, "run": {"size": "full"}}),
    ]
    assert lines == [
        "- bar: at most 3 us above bare: met (measured 2)",
        "- bar: at most 3 us: NOT met",
        "- bar: at most 0.5 of bare's memory: NOT met (measured 20,000,000 bytes a unit, bare 30,000,000)",
        "- bar: peak memory of at most 40 MB: met",
    ]


def test_a_missing_peer_is_reported_and_its_bar_is_not_called_met(tmp_path):
    text = report.text(results(tmp_path, raskal=0.0001, ThreadPoolExecutor=0.0003, Dask=None))
    assert "| Dask | not installed | No module named 'x' | - | - |" in text
    assert "of Dask's time: not measured" in text


def test_caveats_come_before_results(tmp_path):
    text = report.text(results(tmp_path, raskal=0.0001))
    assert text.index("## Read this first") < text.index("## Results")
