"""Makes the tables from raw results, caveats first.

Start at `write`. Takes the newest run of each case in a folder; every number in the text comes from the files.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.case import Case, cases

CAVEATS = """\
- Each sample is one process that does nothing else. It sets the library up, computes the answer once, checks it, and is
  then timed once on the same work, warm. The libraries take turns; the time is the median of the samples, the range is
  their smallest and largest.
- Time per task includes building the graph. Where libraries get different numbers of tasks the case says so: Dask's
  build is quadratic in the number of results, so fewer tasks favour it.
- Peak memory is the sum over the processes that do the work (client, scheduler, workers) during the timed call; memory
  that processes share is counted in each, which overstates Ray.
- Libraries run with their defaults, except that Dask's arrays get `OPENBLAS_NUM_THREADS=1`, as its guide advises.
- The files are in the page cache: this measures engines, not disks.
- One small machine. Nothing here says how anything scales beyond it.
"""


def newest(folder: Path) -> dict[str, dict[str, Any]]:
    """Return, by case, the newest run that holds it: the case's samples and the run's facts."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text())
        facts = {key: value for key, value in run.items() if key != "cases"}
        for case in run["cases"]:
            found[case["name"]] = {**case, "run": facts, "file": path.name}
    return found


def value(taken: dict[str, Any], unit: str) -> float:
    """Return a sample's time in the case's unit."""
    each = taken["seconds"] / taken["units"]
    return each * 1e6 if unit.startswith("us") else each


def median(samples: list[dict[str, Any]], unit: str) -> float | None:
    """Return the median time, or None when a sample failed or there is none."""
    if not samples or any(taken["status"] != "ok" for taken in samples):
        return None
    return statistics.median(value(taken, unit) for taken in samples)


def number(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def case_table(case: Case, result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one case: fastest first, what failed last."""
    unit = result["unit"]
    medians = {name: median(samples, unit) for name, samples in result["samples"].items()}
    ours = medians.get("raskal")
    yield f"### {case.title}"
    yield ""
    yield f"| library | {unit} | range | x raskal | peak MB |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name in sorted(medians, key=lambda name: (medians[name] is None, medians[name] or 0.0)):
        time, samples = medians[name], result["samples"][name]
        label = f"**{name}**" if name == "raskal" else name
        if time is None:
            bad = next((taken for taken in samples if taken["status"] != "ok"), {"status": "no sample", "reason": ""})
            yield f"| {label} | {bad['status']} | {bad['reason'][:100].replace('|', '/')} | - | - |"
            continue
        times = [value(taken, unit) for taken in samples]
        peak = statistics.median(taken["peak_mb"] for taken in samples)
        ratio = number(time / ours) if ours else "-"
        yield f"| {label} | {number(time)} | {number(min(times))}-{number(max(times))} | {ratio} | {peak:,.0f} |"
    yield ""
    lines = [*bars(case, medians), *memory_bars(case, result)]
    yield from [*lines, ""] if lines else []


def bars(case: Case, medians: dict[str, float | None]) -> Iterator[str]:
    """Yield one line for each bar that the case sets: what was asked, what was measured."""
    ours = medians.get("raskal")
    for peer, allowed in case.bars.items():
        if peer == "fastest peer":
            among = [time for name in case.bar_among if (time := medians.get(name)) is not None]
            theirs, label = min(among, default=None), f"the faster of {' and '.join(case.bar_among)}"
        else:
            theirs, label = medians.get(peer), peer
        if ours is None or theirs is None:
            yield f"- bar: at most {allowed:g} of {label}'s time: not measured"
            continue
        verdict = "met" if ours <= allowed * theirs else "NOT met"
        yield f"- bar: at most {allowed:g} of {label}'s time: {verdict} (measured {number(ours / theirs)})"
    for peer, more in case.over.items():
        theirs = medians.get(peer)
        if ours is None or theirs is None:
            yield f"- bar: at most {more:g} {case.unit} above {peer}: not measured"
            continue
        verdict = "met" if ours <= theirs + more else "NOT met"
        yield f"- bar: at most {more:g} {case.unit} above {peer}: {verdict} (measured {number(ours - theirs)})"
    if case.limit is not None:
        verdict = "not measured" if ours is None else f"{'met' if ours <= case.limit else 'NOT met'}"
        yield f"- bar: at most {case.limit:g} {case.unit}: {verdict}"


def added_bytes(samples: list[dict[str, Any]]) -> float | None:
    """Return how much a unit of work adds to the process's peak memory, in bytes; None when a sample failed."""
    if not samples or any(taken["status"] != "ok" or "base_mb" not in taken for taken in samples):
        return None
    return statistics.median((taken["peak_mb"] - taken["base_mb"]) * 1e6 / taken["units"] for taken in samples)


def memory_bars(case: Case, result: dict[str, Any]) -> Iterator[str]:
    """Yield one line for each bar of memory."""
    ours = added_bytes(result["samples"].get("raskal", []))
    for peer, allowed in case.memory_bars.items():
        theirs = added_bytes(result["samples"].get(peer, []))
        if ours is None or theirs is None:
            yield f"- bar: at most {allowed:g} of {peer}'s memory: not measured"
            continue
        verdict = "met" if ours <= allowed * theirs else "NOT met"
        yield (
            f"- bar: at most {allowed:g} of {peer}'s memory: {verdict} "
            f"(measured {ours:,.0f} bytes a unit, {peer} {theirs:,.0f})"
        )
    if case.peak_mb_max is not None and result["run"]["size"] == "full":
        peaks = [taken["peak_mb"] for taken in result["samples"].get("raskal", []) if taken["status"] == "ok"]
        verdict = "not measured" if not peaks else "met" if max(peaks) <= case.peak_mb_max else "NOT met"
        yield f"- bar: peak memory of at most {case.peak_mb_max:,.0f} MB: {verdict}"


def text(folder: Path) -> str:
    """Return the report of a folder of raw results as Markdown."""
    results = newest(folder)
    runs = {result["file"]: result["run"] for result in results.values()}
    lines = [
        f"# Benchmarks, {folder.name}",
        "",
        "Made from the raw results beside this file by `benchmarks/report.py`.",
        "",
    ]
    lines += ["## Read this first", "", CAVEATS]
    for file, run in sorted(runs.items()):
        facts = run["machine"]
        packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
        lines.append(
            f"- `{file}`: size {run['size']}, {run['rounds']} rounds, commit {facts['commit']}, "
            f"{facts['extension']}; {facts['processor']}, "
            f"{facts['cores']} cores, {facts['memory_gib']} GiB, {facts['system']}, "
            f"load before {facts['load_before']}; Python {facts['python']}, {facts['rustc']}; {packages}"
        )
    lines += ["", "## Results", ""]
    for case in cases():
        if case.name in results:
            lines += case_table(case, results[case.name])
    return "\n".join(lines).rstrip() + "\n"


def write(folder: Path) -> Path:
    """Write the report into its folder and return its path."""
    path = folder / "README.md"
    path.write_text(text(folder))
    return path
