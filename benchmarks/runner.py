"""Runs cases: fresh process for each sample, libraries in turn, raw results into a file.

Start at `run`.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.case import Case
from examples.make_data import Size, ensure

RESULTS = Path(__file__).resolve().parent / "results"
# A library that takes longer is reported as failed: a run must end.
SAMPLE_SECONDS = 900
# Some machines pin NumPy to an old kernel; a peer is measured at its best.
NOT_INHERITED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def run(chosen: Iterable[Case], size: Size, rounds: int, only: set[str] | None = None) -> Path:
    """Take `rounds` samples of every library of every case, in turns (A B C A B C); return the file of raw results."""
    ensure(size)
    started = datetime.datetime.now()
    record: dict[str, Any] = {
        "started": started.isoformat(timespec="seconds"),
        "size": size.name,
        "rounds": rounds,
        "machine": machine.describe(),
        "cases": [],
    }
    path = RESULTS / started.strftime("%Y-%m-%d") / f"{started.strftime('%H%M%S')}-{size.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for case in chosen:
        libraries = [name for name in case.libraries if only is None or name in only]
        samples: dict[str, list[dict[str, Any]]] = {name: [] for name in libraries}
        for number in range(rounds):
            for library in libraries:
                if any(taken["status"] == "not installed" for taken in samples[library]):
                    continue
                taken = take(case, library, size)
                samples[library].append(taken)
                print(f"{case.name:<16}{library:<20}{number + 1}/{rounds}  {short(taken)}", flush=True)
        record["cases"].append({"name": case.name, "unit": case.unit, "samples": samples})
        # After every case: what was measured is kept even if a later case ends the run.
        path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def take(case: Case, library: str, size: Size) -> dict[str, Any]:
    """Take one sample in a fresh process."""
    environment = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
    environment.update(case.environment.get(library, {}))
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder) / "report.json", Path(folder) / "log"
        line = [sys.executable, "-m", "benchmarks.child", case.name, library, size.name, str(report)]
        with log.open("wb") as output:
            try:
                code = subprocess.run(
                    line,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=SAMPLE_SECONDS,
                ).returncode
            except subprocess.TimeoutExpired:
                return {"status": "failed", "reason": f"not done within {SAMPLE_SECONDS} s"}
        tail = log.read_text(errors="replace").splitlines()[-20:]
        if not report.exists():
            return {"status": "failed", "reason": f"the process ended with status {code}", "log": tail}
        taken = json.loads(report.read_text())
        return taken if taken["status"] == "ok" else {**taken, "log": tail}


def short(taken: dict[str, Any]) -> str:
    """Return a sample in one line."""
    if taken["status"] != "ok":
        return f"{taken['status']}: {taken['reason']}"
    each = taken["seconds"] / taken["units"]
    time = f"{each * 1e6:.1f} us each" if taken["units"] > 1 else f"{each:.3f} s"
    return f"{time}, peak {taken['peak_mb']:.0f} MB"
