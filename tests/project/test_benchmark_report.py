"""The benchmark report says what the raw results say: it is read from made-up results whose answer is known."""

import json
from pathlib import Path

from benchmarks import report


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
    assert "at most 0.5 of ThreadPoolExecutor's time: met (measured 0.333)" in text
    assert "at most 0.05 of Dask's time: NOT met (measured 0.1)" in text


def test_a_missing_peer_is_reported_and_its_bar_is_not_called_met(tmp_path):
    text = report.text(results(tmp_path, raskal=0.0001, ThreadPoolExecutor=0.0003, Dask=None))
    assert "| Dask | not installed | No module named 'x' | - | - |" in text
    assert "of Dask's time: not measured" in text


def test_caveats_come_before_results(tmp_path):
    text = report.text(results(tmp_path, raskal=0.0001))
    assert text.index("## Read this first") < text.index("## Results")
