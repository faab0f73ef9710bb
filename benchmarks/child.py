"""Takes one sample: one case, one library, in this process, which does nothing else.

Start at `sample`. Run by `runner` as `python -m benchmarks.child`; writes one JSON object to the file it is told.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.case import Case, WrongAnswerError, cases
from examples.make_data import SIZES, Size
from examples.processes import high_water_mb


def reset_high_water(pid: int) -> bool:
    """Start the kernel's count of a process's peak memory anew; False where it does not let us."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def sample(case: Case, library: str, size: Size) -> dict[str, Any]:
    """Set the library up, check its answer, then time it once; peak memory is that of the timed call alone."""
    with case.libraries[library](size) as prepared:
        start = time.perf_counter()
        prepared.check(prepared.work())
        first_seconds = time.perf_counter() - start
        gc.collect()
        pids = [os.getpid(), *prepared.processes()]
        exact = sum(reset_high_water(pid) for pid in pids) == len(pids)
        base_mb = sum(high_water_mb(pid) for pid in pids)
        start = time.perf_counter()
        answer = prepared.work()
        seconds = time.perf_counter() - start
        # Processes that the work itself started count as well.
        peaks_mb = [high_water_mb(pid) for pid in {*pids, *prepared.processes()}]
        prepared.check(answer)
        if prepared.seconds_of is not None:
            seconds = prepared.seconds_of(answer)
        return {
            "status": "ok",
            "seconds": seconds,
            "first_seconds": first_seconds,
            "units": prepared.units,
            "peak_mb": sum(peaks_mb),
            "base_mb": base_mb,
            "peak_is_of_timed_call": exact,
            "processes": len(pids),
        }


def main(name: str, library: str, size_name: str, report: str) -> None:
    """Take the sample and write it, or what went wrong, to `report`."""
    case = next(case for case in cases() if case.name == name)
    try:
        result = sample(case, library, SIZES[size_name])
    except ModuleNotFoundError as error:
        result = {"status": "not installed", "reason": str(error)}
    except WrongAnswerError as error:
        result = {"status": "wrong answer", "reason": str(error)}
    except Exception as error:  # whatever a library raises is a result: it is reported, and the run goes on
        traceback.print_exc()
        result = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    Path(report).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
