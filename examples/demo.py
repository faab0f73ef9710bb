"""raskal's main job on real input: what `make demo` runs.

Start at `main`. Each step runs in a fresh process (its peak memory is its own), first on this machine's threads, then
on a cluster of one scheduler and two workers; every answer is compared with pandas, NumPy or plain Python on the same
input. Ends with status 1 when an answer differs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import raskal
from examples.make_data import Size, ensure, wanted_size
from examples.processes import Cluster, high_water_mb
from examples.steps import STEPS, Answer, difference, f
from raskal.diagnostics import ProgressBar
from raskal.distributed import Client, as_completed

# Sums in another order differ in the last digits.
TOLERANCE = 1e-9


@dataclass
class Row:
    """One line of the closing table: times in seconds, memory in MB, the largest relative difference from the peer."""

    step: str
    where: str
    seconds: float
    peak_mb: float
    difference: float | None = None

    @property
    def same(self) -> bool:
        """Whether the answer is the peer's (the peer's own line has nothing to compare)."""
        return self.difference is None or self.difference <= TOLERANCE


# --- one step, in its own process -------------------------------------------------------------------------------


def run_step(name: str, who: str, size: Size, address: str | None) -> dict[str, Any]:
    """Run one step, by raskal ("ours") or its peer ("peer"); return the answer, the time and the peak memory."""
    step = STEPS[name]
    with ExitStack() as stack:
        if who == "peer":
            work, source = step.peer, step.peer_input(size)
        else:
            work, source = step.ours, size
            if address is not None:
                stack.enter_context(Client(address))
            stack.enter_context(ProgressBar())
        start = time.perf_counter()
        answer = work(source)
        seconds = time.perf_counter() - start
    return {"answer": answer, "seconds": seconds, "peak_mb": high_water_mb(os.getpid())}


def in_fresh_process(name: str, who: str, size: Size, address: str | None = None) -> dict[str, Any]:
    """Run `run_step` in a new Python process that shares our terminal, and return its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        line = [sys.executable, "-m", "examples.demo", "--step", name, "--who", who, "--report", str(report)]
        line += ["--address", address] if address else []
        if subprocess.run(line, env={**os.environ, "SIZE": size.name}).returncode != 0:
            sys.exit(f"the step {name!r} ({who}) failed: see above")
        return json.loads(report.read_text())


# --- the parts of the demo --------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def local(size: Size) -> tuple[list[Row], dict[str, Answer]]:
    """Run every step on threads and by its peer; return the lines of the table and the peers' answers."""
    rows, answers = [], {}
    for name, step in STEPS.items():
        say(f"{name}: {step.title}")
        ours = in_fresh_process(name, "ours", size)
        theirs = in_fresh_process(name, "peer", size)
        answers[name] = theirs["answer"]
        rows.append(
            Row(name, "raskal, threads", ours["seconds"], ours["peak_mb"], difference(ours["answer"], answers[name]))
        )
        rows.append(Row(name, step.peer_name, theirs["seconds"], theirs["peak_mb"]))
        compare(ours["answer"], answers[name], step.peer_name)
    return rows, answers


def compare(ours: Answer, theirs: Answer, peer_name: str) -> None:
    """Print the first entries of both answers side by side."""
    print(f"  {'':<10}{'raskal':>22}{peer_name:>22}")
    for key in list(theirs)[:4]:
        print(f"  {key:<10}{ours.get(key, float('nan')):>22.12g}{theirs[key]:>22.12g}")
    if len(theirs) > 4:
        print(f"  ... {len(theirs)} in all")
    verdict = "equal" if difference(ours, theirs) <= TOLERANCE else "DIFFERENT"
    print(f"  {verdict} (largest relative difference {difference(ours, theirs):.1e})")


def on_cluster(size: Size, cluster: Cluster, answers: dict[str, Answer]) -> list[Row]:
    """Run every step again on the cluster: the code is the same, a `Client` is open."""
    rows = []
    for name in STEPS:
        say(f"{name}, on the cluster")
        ours = in_fresh_process(name, "ours", size, cluster.address)
        off = difference(ours["answer"], answers[name])
        print(f"  {'equal' if off <= TOLERANCE else 'DIFFERENT'} (largest relative difference {off:.1e})")
        rows.append(Row(name, "raskal, cluster", ours["seconds"], ours["peak_mb"], off))
    return rows


def longer(number: int) -> int:
    """Call `f` twenty times: long enough for a worker to die in the middle."""
    return sum(f(2_000 + number, y) for y in range(2_000, 2_020))


def lose_a_worker(size: Size, cluster: Cluster) -> Row:
    """Kill one worker with SIGKILL when a tenth of the work is done: what it held is computed again elsewhere."""
    count = 400 if size.name == "full" else 100
    expected = float(sum(map(longer, range(count))))
    with Client(cluster.address) as client:
        start = time.perf_counter()
        futures = client.map(longer, range(count))
        total = client.submit(sum, futures)
        for done, _ in enumerate(as_completed(futures), start=1):
            if done == count // 10:
                cluster.kill(0)
                print(
                    f"  {done} of {count} tasks done: worker-0 (process {cluster.workers[0].pid}) killed with SIGKILL"
                )
                break
        answer = float(total.result(timeout=120))
        seconds = time.perf_counter() - start
    print(f"  sum of {count} results: {answer:.0f}, plain Python says {expected:.0f}")
    return Row("worker lost", "raskal, cluster", seconds, float("nan"), abs(answer - expected) / expected)


def table(rows: list[Row]) -> None:
    """Print the closing table."""
    say(f"{'step':<14}{'where':<20}{'seconds':>9}{'peak MB':>9}   answer")
    for row in rows:
        peak = "-" if row.peak_mb != row.peak_mb else f"{row.peak_mb:.0f}"
        verdict = "" if row.difference is None else "equal" if row.same else f"DIFFERS by {row.difference:.1e}"
        print(f"{row.step:<14}{row.where:<20}{row.seconds:>9.2f}{peak:>9}   {verdict}")


def main() -> int:
    """Run the whole demo."""
    size = ensure(wanted_size())
    say(f"raskal {raskal.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, {size.rows:,} rows")
    rows, answers = local(size)
    with Cluster(workers=2, threads=1) as cluster:
        say(f"cluster: scheduler at {cluster.address}, 2 workers of 1 thread; dashboard: {cluster.dashboard}")
        rows += on_cluster(size, cluster, answers)
        workers_peak_mb = cluster.peak_mb()
        say("losing a worker")
        rows.append(lose_a_worker(size, cluster))
    table(rows)
    print(
        "\nPeak memory is that of the process that asked. On threads the work is done in it; on the cluster it is done"
        f"\nin the two workers, whose peaks over all cluster steps add up to {workers_peak_mb:.0f} MB."
    )
    return 0 if all(row.same for row in rows) else 1


def arguments() -> argparse.Namespace:
    """Read the command line; it is used by the demo itself, to run one step in a process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", choices=list(STEPS), help="run only this step")
    parser.add_argument("--who", choices=["ours", "peer"], default="ours")
    parser.add_argument("--address", help="of a scheduler; without it the step runs on threads")
    parser.add_argument("--report", type=Path, help="where to write the step's answer, time and peak memory")
    return parser.parse_args()


if __name__ == "__main__":
    args = arguments()
    if args.step is None:
        sys.exit(main())
    result = run_step(args.step, args.who, wanted_size(), args.address)
    text = json.dumps(result, indent=1)
    if args.report is None:
        print(text)
    else:
        args.report.write_text(text)
